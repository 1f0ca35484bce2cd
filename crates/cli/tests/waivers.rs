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

/// A namespace with two pods of a DaemonSet that needs a waiver, and one waiver of every kind.
fn surveyed() -> String {
    let owner = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "agent", "uid": "u", "controller": true});
    let pod = |name: &str| {
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "shop", "ownerReferences": [owner]},
            "spec": {"hostNetwork": true, "containers": [{"name": "agent"}]}})
    };
    let all = [
        ("a-needed", "waivers", in_days(30), json!({"containers": ["*"]})),
        ("b-gone", "waivers", in_days(30), json!({"namespaces": ["gone"]})),
        ("c-soon", "waivers", in_days(5), json!({"workload": {"selector": {"matchLabels": {"app": "x"}}}})),
        ("d-twice", "waivers", in_days(20), json!({})),
        ("e-over", "waivers", in_days(-3), json!({"controls": ["hostPorts"]})),
        ("f-long", "waivers", in_days(200), json!({"workload": {"every": true}})),
        ("g-\u{1b}[31m", "waivers", in_days(30), json!({"controls": ["hostNetwork"]})),
        ("h-elsewhere", "shop", in_days(30), json!({})),
    ];
    let mut objects: Vec<Value> = vec![pod("agent-1"), pod("agent-2")];
    objects.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop",
        "labels": {"pod-security.kubernetes.io/enforce": "baseline"}}}));
    for (name, namespace, expires, change) in &all {
        let text = dump(expires, change);
        let mut object: Value = serde_json::from_str(text.split("\n---\n").last().unwrap()).unwrap();
        object["metadata"] = json!({"name": name, "namespace": namespace, "creationTimestamp": in_days(-10)});
        objects.push(object);
    }
    objects.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n---\n")
}

fn waiver(dump: &str, args: &[&str]) -> Ran {
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    std::fs::write(file.path(), dump).unwrap();
    let cluster = ["--cluster", file.path().to_str().unwrap()];
    ringfence(["waiver"].iter().chain(args).chain(&cluster).chain(&FROM), "")
}

/// What is printed with times that are other ones each day.
fn timeless(text: &str) -> String {
    let is_time = |word: &str| word.trim_end_matches([',', ';', ':']).parse::<Timestamp>().is_ok();
    let line = |line: &str| line.split(' ').map(|w| if is_time(w) { "TIME" } else { w }).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn list_says_of_each_waiver_whether_it_counts_for_how_long_and_who_needs_it() {
    let ran = waiver(&surveyed(), &["list"]);
    assert_eq!((ran.code, &*ran.err), (1, ""), "{}", ran.out);
    insta::assert_snapshot!(timeless(&ran.out));
    let ran = waiver(&surveyed(), &["list", "-o", "jsonl"]);
    let told: Vec<_> = lines(&ran)
        .iter()
        .map(|line| format!("{} {} {} {}", line["waiver"], line["state"], line["expiresSoon"], line["unused"]))
        .collect();
    assert_eq!(
        told,
        [
            r#""waivers/a-needed" "valid" false false"#,
            r#""waivers/b-gone" "valid" false true"#,
            r#""waivers/c-soon" "valid" true true"#,
            r#""waivers/d-twice" "valid" false true"#,
            r#""waivers/e-over" "expired" false false"#,
            r#""waivers/f-long" "invalid" false false"#,
            r#""waivers/g-\u001b[31m" "invalid" false false"#,
            r#""shop/h-elsewhere" "invalid" false false"#,
        ]
    );
    let first = &lines(&ran)[0];
    assert_eq!(
        first["neededBy"],
        json!([{"namespace": "shop", "kind": "DaemonSet", "name": "agent", "pods": 2, "controls": ["hostNamespaces"]}])
    );
    assert_eq!(first["needlessControls"], json!(["privileged"]));
    // The same, told to look further ahead.
    let ran = waiver(&surveyed(), &["list", "-o", "jsonl", "--soon", "60"]);
    assert_eq!(lines(&ran)[0]["expiresSoon"], true);
}

#[test]
fn explain_says_who_needs_a_waiver_and_what_of_it_nobody_does() {
    let dump = surveyed();
    let ran = waiver(&dump, &["explain", "a-needed"]);
    assert_eq!((ran.code, &*ran.err), (0, ""), "{}", ran.out);
    insta::assert_snapshot!(timeless(&ran.out));
    assert_eq!(waiver(&dump, &["explain", "waivers/a-needed"]).out, ran.out);
    let ran = waiver(&dump, &["explain", "h-elsewhere"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains(r#"there is no waiver "h-elsewhere" in the namespace waivers"#), "{}", ran.err);
    let ran = waiver(&dump, &["explain", "shop/h-elsewhere"]);
    assert!(ran.code == 1 && ran.out.contains("only the waivers of the namespace waivers do"), "{}", ran.out);
}

#[test]
fn what_an_expired_waiver_let_through_is_told_until_another_covers_it() {
    let one = |expires: &str| {
        let text = surveyed();
        let keep = |object: &&str| !object.contains(r#""kind":"Waiver""#);
        let pods: Vec<&str> = text.split("\n---\n").filter(keep).collect();
        format!("{}\n---\n{}", pods.join("\n---\n"), dump(expires, &json!({})))
    };
    let ran = waiver(&one(&in_days(-3)), &["list"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("expired 3 days ago") && ran.out.contains("lacked by 1 workload, 2 pods"), "{}", ran.out);
    let ran = waiver(&one(&in_days(30)), &["list"]);
    assert_eq!(ran.code, 0, "{}", ran.out);
}

#[test]
fn without_pods_nothing_is_called_unused_and_without_waivers_nothing_is_wrong() {
    let ran = waiver(&dump(&in_days(30), &json!({})), &["list"]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert!(ran.err.contains("no Pod") && !ran.out.contains("unused"), "{}{}", ran.out, ran.err);
    let empty = json!({"apiVersion": "v1", "kind": "List", "items": []}).to_string();
    assert_eq!((waiver(&empty, &["list"]).code, &*waiver(&empty, &["list"]).out), (0, "there are no waivers\n"));
    assert_eq!(ringfence(["waiver", "list"], "").code, 2);
    assert_eq!(ringfence(["waiver", "list", "--cluster", "/nowhere"], "").code, 2);
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
