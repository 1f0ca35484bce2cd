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
fn to_say_what_would_be_set_is_the_default() {
    let said = ringfence(["sync", "--cluster", CLUSTER], "");
    assert_eq!(said.out, ringfence(["sync", "--dry-run", "--cluster", CLUSTER], "").out);
    assert_eq!(said.code, 1);
}

#[test]
fn controllers_want_a_running_cluster_and_times_and_ranges_that_fit() {
    let nowhere = ["sync", "--watch", "--kubeconfig", "/nowhere", "--no-sandbox"];
    let of = |more: &[&'static str]| ringfence(nowhere.into_iter().chain(more.iter().copied()), "");
    for (more, words) in [
        (&["--cluster", CLUSTER][..], "cannot be used with"),
        (&["--uid-range", "0-99/10"], "has root in it"),
        (&["--mcs-range", "s0:/2,100"], "has levels for only 990 namespaces with 5 each"),
        (&["--lease-duration", "5"], "must be longer than the renew deadline"),
        (&[], "cannot read the kubeconfig /nowhere"),
    ] {
        let ran = of(more);
        assert_eq!((ran.code, &*ran.out), (2, ""), "{more:?}");
        assert!(ran.err.contains(words), "{more:?}: {}", ran.err);
    }
}

#[test]
fn a_namespace_that_is_not_there_is_an_error() {
    let ran = ringfence(["sync", "--dry-run", "--cluster", CLUSTER, "-n", "shoppe"], "");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("no namespace \"shoppe\""), "{}", ran.err);
}
