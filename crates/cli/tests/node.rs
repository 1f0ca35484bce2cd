//! `ringfence node`, as a user runs it. Paragraphs are those of Redis' "Enable privileged mode".
#![allow(clippy::unwrap_used, reason = "a test that cannot read what it asked for fails")]

mod common;

use std::fs;
use std::path::PathBuf;

use common::{lines, ringfence};
use serde_json::{Value, json};

/// A node by its limit for pods, in a file.
fn node_file(dir: &tempfile::TempDir, name: &str, hard: u64, bounding: &str) -> PathBuf {
    let path = dir.path().join(format!("{name}.json"));
    let pod = json!({"soft": hard, "hard": hard, "source": "containerd (PID 700)"});
    let node = json!({
        "openFiles": {"pod": pod, "nrOpen": 1_048_576, "fileMax": 9_000_000},
        "capabilities": {"bounding": bounding},
    });
    fs::write(&path, node.to_string()).unwrap();
    path
}

const ALL: &str = "000001ffffffffff";

fn check(args: &[&str], nodes: &[&PathBuf]) -> common::Ran {
    let mut all = vec!["node".to_owned(), "check".to_owned()];
    all.extend(args.iter().map(|arg| (*arg).to_owned()));
    for node in nodes {
        all.extend(["--node".to_owned(), node.display().to_string()]);
    }
    ringfence(all, "")
}

#[test]
fn this_machine_says_which_capabilities_nobody_can_have() {
    let ran = ringfence(["node", "check", "-o", "json"], "");
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    let bounding = report["nodes"][0]["capabilities"]["bounding"].as_str().unwrap();
    let set = u64::from_str_radix(bounding, 16).unwrap();
    let text = ringfence(["node", "check"], "").out;
    assert_eq!(text.contains("SYS_RESOURCE"), set & (1 << 24) == 0, "{text}");
}

#[test]
fn what_it_prints_explain_reads() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.json");
    fs::write(&path, ringfence(["node", "check", "-o", "json"], "").out).unwrap();
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c, image: busybox}]}\n";
    let ran = ringfence(["explain", "--node", path.to_str().unwrap(), "-o", "jsonl", "-"], pod);
    assert_eq!((ran.code, &*ran.err), (0, ""), "{}", ran.out);
    assert_eq!(lines(&ran).len(), 1);
}

/// SYS_RESOURCE, paragraphs 2 and 4: a limit of at least 100,000 makes unprivileged mode safe; Kubespray's is below.
#[test]
fn unprivileged_mode_is_safe_on_all_nodes_or_on_none() {
    let dir = tempfile::tempdir().unwrap();
    let good = node_file(&dir, "worker-1", 1_048_576, ALL);
    let kubespray = node_file(&dir, "worker-2", 65_535, ALL);
    let ran = check(&["--for", "redis-enterprise"], &[&good]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("unprivileged mode is safe on this node: yes, because worker-1: "), "{}", ran.out);
    let ran = check(&["--for", "redis-enterprise"], &[&good, &kubespray]);
    assert_eq!(ran.code, 1);
    let no = "unprivileged mode is safe on these nodes: no, because worker-2: a process in a pod may open 65535 files";
    assert!(ran.out.contains(no), "{}", ran.out);
    assert!(ran.out.contains("privileged mode works on these nodes: yes"), "{}", ran.out);
}

/// SYS_RESOURCE, paragraph 2, the other way round: without the capability on the node, privileged mode is no way out.
#[test]
fn a_node_without_sys_resource_has_no_privileged_mode() {
    let dir = tempfile::tempdir().unwrap();
    let node = node_file(&dir, "old", 65_535, "000001fffeffffff");
    let ran = check(&["--for", "redis-enterprise", "-o", "json"], &[&node]);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    let answers: Vec<_> =
        report["verdicts"].as_array().unwrap().iter().map(|v| v["answer"].as_str().unwrap()).collect();
    assert_eq!(answers, ["no", "no"]);
    assert!(report["verdicts"][1]["nodes"][0]["because"][0].as_str().unwrap().contains("lacks SYS_RESOURCE"));
}

#[test]
fn what_is_not_known_is_neither_yes_nor_no() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("empty.yaml");
    fs::write(&path, "selinux: false\n").unwrap();
    let ran = check(&["--for", "redis-enterprise"], &[&path]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("this node: not known, because empty: "), "{}", ran.out);
}

#[test]
fn a_container_that_breaks_is_named_with_its_field_and_line() {
    let dir = tempfile::tempdir().unwrap();
    let node = node_file(&dir, "worker", 65_535, ALL);
    let manifest = dir.path().join("rec.yaml");
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: rec-0, namespace: redis}\nspec:\n  containers:\n  - name: node\n\
                \x20   image: redislabs/redis:7.22.0-28\n    securityContext:\n      allowPrivilegeEscalation: false\n\
                \x20     capabilities: {drop: [ALL]}\n";
    fs::write(&manifest, text).unwrap();
    for args in
        [vec!["-o", "json", manifest.to_str().unwrap()], vec!["-o", "json", "--for", manifest.to_str().unwrap()]]
    {
        let ran = check(&args, &[&node]);
        assert_eq!(ran.code, 1, "{}", ran.err);
        let report: Value = serde_json::from_str(&ran.out).unwrap();
        let finding = &report["findings"][0];
        assert_eq!(
            [&finding["object"], &finding["container"], &finding["field"], &finding["line"], &finding["severity"]],
            [
                &json!("Pod redis/rec-0"),
                &json!("node"),
                &json!("spec.containers[0].securityContext.capabilities"),
                &json!(10),
                &json!("breaks")
            ]
        );
    }
}

#[test]
fn nodes_come_from_the_cluster_with_their_annotation() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nodes.json");
    let facts = json!({"openFiles": {"pod": {"soft": 1, "hard": 1, "source": "x"}}}).to_string();
    let node = |name: &str, annotations: Value| {
        json!({"kind": "Node", "metadata": {"name": name, "annotations": annotations},
               "status": {"nodeInfo": {"kubeletVersion": "v1.36.2", "containerRuntimeVersion": "containerd://2.1.4"}}})
    };
    let annotated = node("a", json!({"ringfence.github.io/node-facts": facts}));
    fs::write(&path, json!({"kind": "List", "items": [annotated]}).to_string()).unwrap();
    let ran = check(&["-o", "json"], &[&path]);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(report["nodes"][0]["name"], "a");
    assert_eq!(report["nodes"][0]["runtime"], "containerd 2.1.4");
    fs::write(&path, json!({"kind": "NodeList", "items": [annotated, node("b\u{1b}[31m", json!({}))]}).to_string())
        .unwrap();
    let ran = check(&["-o", "json"], &[&path]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains("has no annotation ringfence.github.io/node-facts") && !ran.err.contains('\u{1b}'),
        "{}",
        ran.err
    );
}

#[test]
fn bad_nodes_are_errors_that_say_where() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.yaml");
    for (text, message) in [
        ("appArmor: false\n", "unknown field `appArmor`"),
        ("openFiles: {pod: {soft: 1}}\n", "missing field `hard`"),
        ("- a\n", "node.yaml:1:1"),
        ("", "the file is empty"),
        ("nodes: []\n", "has no nodes"),
        ("nodes: [{x: 1}]\n", "unknown field `x`"),
    ] {
        fs::write(&path, text).unwrap();
        let ran = check(&[], &[&path]);
        assert_eq!(ran.code, 2, "{text}: {}", ran.out);
        assert!(ran.err.contains(message), "{text}: {}", ran.err);
    }
    let ran = check(&["--for", "no-such-thing"], &[]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("no-such-thing"), "{}", ran.err);
}

#[test]
fn metrics_are_prometheus_text() {
    let dir = tempfile::tempdir().unwrap();
    let node = node_file(&dir, "worker", 65_535, "000001fffeffffff");
    let out = check(&["--for", "redis-enterprise", "-o", "prometheus"], &[&node]).out;
    for line in [
        r#"ringfence_node_capability_missing{node="worker",capability="SYS_RESOURCE"} 1"#,
        r#"ringfence_node_open_files{node="worker",limit="podHard"} 65535"#,
        r#"ringfence_node_fit{node="worker",for="redis-enterprise",mode="unprivileged"} 0"#,
    ] {
        assert!(out.lines().any(|found| found == line), "{line}\n{out}");
    }
}

/// SYS_RESOURCE, paragraph 4: what a node cannot honour is a finding of `check` too, where it is written.
#[test]
fn check_takes_nodes_and_names_container_field_and_line() {
    let dir = tempfile::tempdir().unwrap();
    let bad = node_file(&dir, "worker-1", 65535, "000001fffeffffff");
    let good = node_file(&dir, "worker-2", 1_048_576, ALL);
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: c\n    image: busybox\n    securityContext:\n      capabilities:\n        add: [SYS_RESOURCE]\n";
    let checked = |nodes: &[&PathBuf], format: &str| {
        let mut args = vec!["check".to_owned(), "--pss".into(), "privileged".into(), "-o".into(), format.into()];
        args.extend(nodes.iter().flat_map(|node| ["--node".to_owned(), node.display().to_string()]));
        args.push("-".into());
        ringfence(args, pod)
    };
    let ran = checked(&[&good, &bad], "jsonl");
    assert_eq!(ran.code, 1, "{}", ran.err);
    let report = &lines(&ran)[0];
    assert_eq!(report["pss"][0]["allowed"], true);
    let found = report["nodes"].as_array().unwrap();
    assert_eq!(found.len(), 1, "the other node has it: {report}");
    let found = &found[0];
    assert_eq!((&found["node"], &found["object"]), (&json!("worker-1"), &json!("Pod p")));
    assert_eq!((&found["container"], &found["line"], &found["column"]), (&json!("c"), &json!(10), &json!(15)));
    assert_eq!(found["field"], "spec.containers[0].securityContext.capabilities.add[0]");
    assert_eq!(found["fact"], "capabilities.bounding");

    let text = checked(&[&bad], "text").out;
    assert!(text.contains("error[node-capabilities.bounding]: on worker-1: container c: "), "{text}");
    assert!(text.contains("-:10:15"), "{text}");
    let ran = checked(&[&good], "jsonl");
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert!(lines(&ran)[0]["nodes"].is_null());
    let missing = ringfence(["check", "--node", "/no/such/node.yaml", "-"], pod);
    assert_eq!((missing.code, &*missing.out), (2, ""));
    assert!(missing.err.contains("/no/such/node.yaml: cannot read"), "{}", missing.err);
}
