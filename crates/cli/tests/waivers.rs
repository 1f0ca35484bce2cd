//! Waivers from the outside: `check` and `serve` on a dump.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod common;
#[path = "common/serving.rs"]
mod serving;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use common::{Ran, lines, ringfence};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use serving::Serving;

fn in_days(days: i64) -> String {
    (Timestamp::now() + SignedDuration::from_hours(24 * days)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn dump(expires: &str, waiver: &Value) -> String {
    let mut spec = json!({"namespaces": ["shop"], "workload": {"kind": "DaemonSet", "name": "agent"},
        "containers": ["agent"], "podFields": true, "controls": ["hostNamespaces", "privileged"],
        "expires": expires, "owner": "platform@example.com", "reason": "reads the node's sockets"});
    for (key, value) in waiver.as_object().unwrap() {
        spec[key] = value.clone();
    }
    let objects = [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop",
            "labels": {"pod-security.kubernetes.io/enforce": "baseline"}}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "shop"}}),
        json!({"apiVersion": "ringfence.dev/v1alpha1", "kind": "Waiver",
            "metadata": {"name": "agent", "namespace": "waivers"}, "spec": spec}),
    ];
    objects.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n---\n")
}

fn agent(containers: &Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent", "namespace": "shop"}, "spec": {
        "selector": {"matchLabels": {"app": "agent"}},
        "template": {"metadata": {"labels": {"app": "agent"}}, "spec": {"hostNetwork": true, "containers": containers}}}})
}

fn privileged(names: &[&str]) -> Value {
    names.iter().map(|name| json!({"name": name, "image": "i", "securityContext": {"privileged": true}})).collect()
}

fn check(dump: &str, containers: &Value, more: &[&str]) -> Ran {
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    std::fs::write(file.path(), dump).unwrap();
    let args = ["check", "-", "--cluster", file.path().to_str().unwrap()];
    ringfence(args.iter().chain(more), agent(containers).to_string())
}

const FROM: [&str; 2] = ["--waivers-from", "waivers"];

#[test]
fn check_lets_through_what_is_waived_and_says_by_whom() {
    let ran = check(&dump(&in_days(30), &json!({})), &privileged(&["agent"]), &FROM);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains(r#"by waiver "waivers/agent" of platform@example.com: hostNamespaces, privileged"#));
    let ran =
        check(&dump(&in_days(30), &json!({})), &privileged(&["agent"]), &["--waivers-from", "waivers", "-o", "jsonl"]);
    let audit = &lines(&ran)[0]["admission"]["audit"];
    assert!(audit["waived-by"].as_str().unwrap().contains("(reads the node's sockets)"), "{audit}");
}

#[test]
fn check_refuses_what_no_waiver_covers() {
    let good = dump(&in_days(30), &json!({}));
    for (dump, containers, more, why) in [
        (&good, privileged(&["agent"]), &[][..], "nobody says that waivers count"),
        (&good, privileged(&["agent"]), &["--waivers-from", "shop"], "they count in another namespace"),
        (&dump(&in_days(-1), &json!({})), privileged(&["agent"]), &FROM, "it has expired"),
        (&dump(&in_days(200), &json!({})), privileged(&["agent"]), &FROM, "it lasts too long"),
        (&good, privileged(&["agent", "sidecar"]), &FROM, "another container"),
    ] {
        let ran = check(dump, &containers, more);
        assert_eq!(ran.code, 1, "{why}: {}{}", ran.out, ran.err);
        assert!(ran.out.contains("refused"), "{why}: {}", ran.out);
    }
    // Only the rest is pointed at.
    let ran = check(&good, &privileged(&["agent", "sidecar"]), &FROM);
    assert!(ran.out.contains("error[privileged]") && !ran.out.contains("error[hostNamespaces]"), "{}", ran.out);
    let ran = check(&dump(&in_days(30), &json!({"controls": ["hostNetwork"]})), &privileged(&["agent"]), &FROM);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains(r#"waiver waivers/agent does not count: spec.controls names "hostNetwork""#),
        "{}",
        ran.err
    );
}

#[test]
fn a_snapshot_keeps_waivers_with_the_time_at_which_they_were_made() {
    let mut object: Value =
        serde_json::from_str(dump(&in_days(30), &json!({})).split("\n---\n").last().unwrap()).unwrap();
    object["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z".into();
    object["metadata"]["annotations"] = json!({"x": "SECRET"});
    let ran = ringfence(["snapshot", "-o", "json"], object.to_string());
    assert_eq!(ran.code, 0, "{}", ran.err);
    let list: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(list["items"][0]["spec"], object["spec"]);
    assert_eq!(list["items"][0]["metadata"]["creationTimestamp"], "2026-01-01T00:00:00Z");
    assert!(!ran.out.contains("SECRET"));
}

struct Served(Serving);

impl Served {
    fn start(dump: &str) -> Self {
        let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
        std::fs::write(file.path(), dump).unwrap();
        let args = ["--insecure-http", "--cluster", file.path().to_str().unwrap()];
        Self(Serving::start(|command| command.args(args).args(FROM)))
    }

    fn send(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.0.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    fn review(&self, pod: &Value) -> Value {
        let request = json!({"uid": "u", "operation": "CREATE", "namespace": "shop", "name": "agent-x",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"}, "object": pod});
        let body = self.send("POST", "/validate", &json!({"request": request}).to_string());
        serde_json::from_str::<Value>(&body).unwrap()["response"].clone()
    }
}

#[test]
fn serve_lets_through_warns_records_and_counts() {
    let server = Served::start(&dump(&in_days(30), &json!({})));
    let owner = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "agent", "uid": "u", "controller": true});
    let pod = |containers: &Value| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "agent-x", "ownerReferences": [owner]},
            "spec": {"hostNetwork": true, "containers": containers}})
    };
    let response = server.review(&pod(&privileged(&["agent"])));
    assert_eq!(response["allowed"], true, "{response}");
    assert!(response["warnings"][0].as_str().unwrap().contains("by waiver \"waivers/agent\""), "{response}");
    assert!(response["auditAnnotations"]["waived-by"].as_str().unwrap().starts_with("waivers/agent of platform"));
    let response = server.review(&pod(&privileged(&["agent", "sidecar"])));
    assert_eq!((&response["allowed"], &response["status"]["code"]), (&json!(false), &json!(403)), "{response}");
    let metrics = server.send("GET", "/metrics", "");
    for line in [
        r#"ringfence_waived_total{control="hostNamespaces"} 1"#,
        r#"ringfence_waived_total{control="privileged"} 1"#,
        r#"ringfence_waivers{state="valid"} 1"#,
        r#"ringfence_waivers{state="invalid"} 0"#,
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}
