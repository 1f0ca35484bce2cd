//! `ringfence sync` from the outside.

mod common;

use common::ringfence;
use serde_json::Value;

const CLUSTER: &str = "examples/cluster/cluster.yaml";

#[test]
fn says_what_it_would_set_and_because_of_whom() {
    let ran = ringfence(["sync", "--dry-run", "--cluster", CLUSTER], "");
    assert_eq!((ran.code, &*ran.err), (1, ""));
    insta::assert_snapshot!(ran.out);
}

#[test]
fn json_and_yaml_say_the_same() {
    let json = ringfence(["sync", "--dry-run", "--cluster", CLUSTER, "-o", "json"], "");
    let yaml = ringfence(["sync", "--dry-run", "--cluster", CLUSTER, "-o", "yaml"], "");
    let plans: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(plans[1]["because"][0]["serviceAccount"], "cache");
    let read = ringfence(["read", "-o", "jsonl", "-"], yaml.out);
    let document: Value = serde_json::from_str(read.out.lines().next().unwrap()).unwrap();
    assert_eq!(document["json"], plans);
}

#[test]
fn enforcing_may_be_left_to_others() {
    let ran = ringfence(["sync", "--dry-run", "--no-enforce", "-n", "shop", "--cluster", CLUSTER], "");
    assert!(ran.out.contains("sets pod-security.kubernetes.io/warn=baseline"), "{}", ran.out);
    assert!(!ran.out.contains("enforce") && !ran.out.contains("payments"), "{}", ran.out);
}

#[test]
fn nothing_is_changed_from_here() {
    let ran = ringfence(["sync", "--cluster", CLUSTER], "");
    assert_eq!((ran.code, &*ran.out), (2, ""));
    assert!(ran.err.contains("--dry-run"), "{}", ran.err);
}

#[test]
fn a_namespace_that_is_not_there_is_an_error() {
    let ran = ringfence(["sync", "--dry-run", "--cluster", CLUSTER, "-n", "shoppe"], "");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("no namespace \"shoppe\""), "{}", ran.err);
}
