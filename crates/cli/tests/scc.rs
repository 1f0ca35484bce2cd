//! `ringfence scc` from the outside.

mod common;

use common::{lines, ringfence};
use serde_json::Value;

const CLUSTER: &str = "examples/cluster/cluster.yaml";
const APP: &str = "examples/cluster/app.yaml";

#[test]
fn which_tells_the_constraint_and_what_was_asked_before_it() {
    let ran = ringfence(["scc", "which", APP, "--cluster", CLUSTER], "");
    assert_eq!((ran.code, &*ran.err), (1, ""));
    insta::assert_snapshot!(ran.out);
}

#[test]
fn why_tells_the_grant_the_fields_or_the_order() {
    let anyuid = ringfence(["scc", "why", "anyuid", APP, "--cluster", CLUSTER], "");
    let restricted = ringfence(["scc", "why", "restricted-v2", APP, "--cluster", CLUSTER], "");
    assert_eq!((anyuid.code, restricted.code), (1, 1));
    insta::assert_snapshot!(format!("{}\n======\n\n{}", anyuid.out, restricted.out));
}

#[test]
fn why_as_json() {
    let ran = ringfence(["scc", "why", "restricted-v2", APP, "--cluster", CLUSTER, "-o", "json"], "");
    let answers: Value = serde_json::from_str(&ran.out).unwrap();
    let verdicts: Vec<_> = answers.as_array().unwrap().iter().map(|a| a["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["refused", "chosen", "later"]);
}

#[test]
fn a_constraint_that_is_not_there_is_answered_with_those_that_are() {
    let ran = ringfence(["scc", "why", "anyuidd", APP, "--cluster", CLUSTER], "");
    assert_eq!((ran.code, &*ran.out), (2, ""));
    assert!(ran.err.contains("there are anyuid, restricted-v2"), "{}", ran.err);
}

#[test]
fn diff_knows_the_platforms_own_constraints() {
    let ran = ringfence(["scc", "diff", "restricted", "restricted-v2"], "");
    assert_eq!((ran.code, &*ran.err), (1, ""));
    insta::assert_snapshot!(ran.out);
    assert_eq!(ringfence(["scc", "diff", "anyuid", "anyuid"], "").code, 0);
}

#[test]
fn diff_reads_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mine.yaml");
    let minimal = ringfence(["scc", "minimal", APP, "--name", "mine"], "");
    std::fs::write(&path, minimal.out).unwrap();
    let ran = ringfence(["scc", "diff", "restricted-v2", path.to_str().unwrap(), "-o", "json"], "");
    let fields: Value = serde_json::from_str(&ran.out).unwrap();
    let fields: Vec<_> = fields.as_array().unwrap().iter().map(|d| d["field"].as_str().unwrap()).collect();
    assert_eq!((ran.code, fields), (1, vec!["allowedCapabilities", "fsGroup"]), "{}", ran.err);
}

#[test]
fn who_names_users_groups_and_bindings() {
    let ran = ringfence(["scc", "who", "anyuid", "--cluster", CLUSTER], "");
    assert_eq!((ran.code, &*ran.err), (0, ""));
    insta::assert_snapshot!(ran.out);
}

#[test]
fn the_smallest_constraint_admits_the_workload_once_it_is_applied() {
    let dir = tempfile::tempdir().unwrap();
    let minimal = ringfence(["scc", "minimal", APP, "--cluster", CLUSTER], "");
    assert_eq!(minimal.code, 0, "{}", minimal.err);
    let applied = dir.path().join("applied.yaml");
    std::fs::write(&applied, &minimal.out).unwrap();
    let ran =
        ringfence(["check", "--cluster", CLUSTER, "--cluster", applied.to_str().unwrap(), "-o", "jsonl", APP], "");
    assert_eq!((ran.code, &*ran.err), (0, ""), "{}", ran.out);
    assert_eq!(lines(&ran)[0]["admission"]["scc"], "web");
    let first: String = minimal.out.split("---\n").take(3).collect::<Vec<_>>().join("---\n");
    insta::assert_snapshot!(first);
}

#[test]
fn questions_about_pods_need_a_cluster() {
    let ran = ringfence(["scc", "which", APP], "");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("--cluster"), "{}", ran.err);
}
