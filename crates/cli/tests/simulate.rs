//! `ringfence simulate` from the outside.

mod common;

use std::io::Write as _;

use common::ringfence;
use serde_json::{Value, json};

const CLUSTER: &str = "examples/cluster/cluster.yaml";

#[test]
fn tells_what_breaks_and_of_whom() {
    let ran = ringfence(["simulate", "--set-label", "enforce=restricted", "--cluster", CLUSTER], "");
    assert_eq!((ran.code, &*ran.err), (1, ""));
    insta::assert_snapshot!(ran.out);
}

#[test]
fn only_the_named_namespaces_are_labelled() {
    let ran = ringfence(["simulate", "--set-label", "enforce=restricted", "-n", "payments", "--cluster", CLUSTER], "");
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert!(ran.out.contains("nothing breaks"), "{}", ran.out);
}

#[test]
fn a_configuration_counts_where_namespaces_say_nothing() {
    let config = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    let yaml = "apiVersion: pod-security.admission.config.k8s.io/v1\nkind: PodSecurityConfiguration\ndefaults: {enforce: restricted}\n";
    std::fs::write(config.path(), yaml).unwrap();
    let path = config.path().to_str().unwrap();
    let ran = ringfence(["simulate", "--pod-security-config", path, "--cluster", CLUSTER, "-o", "json"], "");
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &report["broken"]), (1, &json!(1)));
    assert_eq!(report["namespaces"]["shop"]["broken"][0]["owner"]["name"], "cache");
}

#[test]
fn something_has_to_change() {
    let ran = ringfence(["simulate", "--cluster", CLUSTER], "");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("--set-label"), "{}", ran.err);
}

/// Writes a list of more than 64 MiB, which is then read as it comes.
fn large(end: &str) -> tempfile::NamedTempFile {
    let mut dump = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
    let padding = "x".repeat(8192);
    let mut out = std::io::BufWriter::new(&mut dump);
    write!(out, r#"{{"apiVersion":"v1","items":[{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"a"}}}}"#)
        .unwrap();
    for i in 0..9000 {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("p{i}"), "namespace": "a",
            "annotations": {"pad": padding}}, "spec": {"hostPID": i % 2 == 0, "containers": []}});
        write!(out, ",{pod}").unwrap();
    }
    write!(out, "{end}").unwrap();
    out.flush().unwrap();
    drop(out);
    dump
}

#[test]
fn a_large_dump_is_read_as_it_comes() {
    let dump = large("],\"kind\":\"List\"}\n");
    let ask =
        |path: &str| ringfence(["simulate", "--set-label", "enforce=baseline", "-o", "json", "--cluster", path], "");
    let ran = ask(dump.path().to_str().unwrap());
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &report["broken"]), (1, &json!(4500)), "{}", ran.err);
    let pods = &report["namespaces"]["a"]["pods"]["enforce"];
    assert_eq!(pods, &json!({"fine": 4500, "broken": 4500, "mended": 0, "refused": 0}));
}

#[test]
fn half_of_a_large_dump_is_said_and_used() {
    let dump = large(",{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"meta");
    let path = dump.path().to_str().unwrap();
    let ran = ringfence(["simulate", "--set-label", "enforce=baseline", "-o", "json", "--cluster", path], "");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("ends in the middle of a document"), "{}", ran.err);
    assert_eq!(serde_json::from_str::<Value>(&ran.out).unwrap()["broken"], 4500);
}
