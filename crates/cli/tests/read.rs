//! `ringfence read` from the outside.

mod common;

use common::{lines, ringfence};

#[test]
fn yaml_is_read_as_kubernetes_reads_it() {
    let yaml = "kind: Pod\napiVersion: v1\nx: [yes, 0644, 1e3, 0o17, ~, 'no', 2001-01-01]\n";
    let ran = ringfence(["read", "-o", "jsonl", "-"], yaml);
    let line = &lines(&ran)[0];
    assert_eq!(line["json"]["x"], serde_json::json!([true, 420, 1000, 15, null, "no", "2001-01-01"]));
    let unknown: Vec<_> = line["problems"].as_array().unwrap().iter().filter(|p| p["kind"] == "unknown").collect();
    assert_eq!(unknown[0]["field"], "x");
    assert_eq!(ran.code, 1);
}

#[test]
fn text_keeps_the_json_and_the_objections_apart() {
    let ran = ringfence(["read", "-"], "apiVersion: v1\nkind: Pod\nspec: {hostnetwork: true}\n");
    assert!(serde_json::from_str::<serde_json::Value>(&ran.out).is_ok());
    assert!(ran.err.contains("-:3:8: unknown spec.hostnetwork"), "{}", ran.err);
    assert!(ran.err.contains("hostNetwork"), "{}", ran.err);
}

#[test]
fn line_separators_of_unicode_stay_within_their_line() {
    let ran = ringfence(["read", "-o", "jsonl", "-"], "a: \"x\\u2028y\\u0085z\"\n");
    assert_eq!(ran.out.split(['\u{2028}', '\u{85}']).count(), 1, "{:?}", ran.out);
    assert_eq!(lines(&ran)[0]["json"]["a"], "x\u{2028}y\u{85}z");
}
