//! `ringfence report` on a dump.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod common;

use common::{lines, ringfence};
use serde_json::{Value, json};

fn dump() -> String {
    let labels =
        json!({"pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/warn": "restricted"});
    let owner = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "agent", "uid": "u", "controller": true});
    let pod = |name: &str| {
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "shop", "ownerReferences": [owner]},
            "spec": {"hostPID": true, "containers": [{"name": "a"}]}})
    };
    let objects = [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": labels}}),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "empty"}}),
        pod("agent-1"),
        pod("agent-2"),
        json!({"apiVersion": "ringfence.dev/v1alpha1", "kind": "Waiver", "metadata": {"name": "w", "namespace": "waivers"},
            "spec": {"namespaces": ["shop"], "workload": {"every": true}, "podFields": true, "controls": ["hostNamespaces"],
                "expires": (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24)).to_string(), "owner": "o",
                "reason": "r"}}),
    ];
    objects.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n---\n")
}

fn report(more: &[&str]) -> (i32, Vec<Value>, String) {
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    std::fs::write(file.path(), dump()).unwrap();
    let args = ["report", "-o", "jsonl", "--cluster", file.path().to_str().unwrap()];
    let ran = ringfence(args.iter().chain(more), "");
    (ran.code, lines(&ran), ran.err)
}

#[test]
fn a_report_names_the_workload_the_control_and_how_many_pods() {
    let (code, reports, err) = report(&[]);
    assert_eq!((code, reports.len()), (1, 2), "{err}");
    let first = &reports[0]["results"][0];
    assert_eq!(reports[0]["metadata"]["namespace"], "shop");
    assert_eq!((&first["result"], &first["rule"]), (&json!("fail"), &json!("hostNamespaces")));
    assert_eq!(first["resources"][0]["kind"], "DaemonSet");
    assert_eq!(first["properties"], json!({"pods": "2", "modes": "enforce", "version": "latest"}));
    assert_eq!(reports[0]["summary"]["fail"], 1);
    assert_eq!(reports[1]["kind"], "ClusterPolicyReport");
    assert_eq!(reports[1]["summary"], json!({"fail": 1, "warn": 0, "error": 0, "skip": 1, "pass": 0}));
}

#[test]
fn what_is_waived_is_skipped_and_named() {
    let (code, reports, err) = report(&["--waivers-from", "waivers"]);
    assert_eq!(code, 0, "{err}");
    let skipped = reports[0]["results"].as_array().unwrap().iter().find(|result| result["result"] == "skip").unwrap();
    assert!(skipped["message"].as_str().unwrap().contains("by waiver \"waivers/w\" of o"), "{skipped}");
}

#[test]
fn one_namespace_alone_has_no_report_of_the_cluster_and_has_an_end() {
    let (_, reports, _) = report(&["-n", "shop", "--max-results", "1"]);
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0]["results"].as_array().unwrap().len(), 1);
    assert!(reports[0]["metadata"]["annotations"]["ringfence.dev/results-left-out"].is_string());
    let ran = ringfence(["report", "--apply", "--cluster", "x.yaml"], "");
    assert_eq!(ran.code, 2, "a dump is not written to");
}
