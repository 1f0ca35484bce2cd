//! `ringfence serve` from the outside: an HTTP client that may be rude.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "common/serving.rs"]
mod serving;

use std::io::{BufRead as _, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use serving::Serving;

/// A server with the cluster of the examples.
struct Served(Serving);

impl Served {
    fn start(more: &[&str]) -> Self {
        Self(Serving::example(more))
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.0.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }

    /// Sends bytes and returns all that comes back.
    fn send(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        // The server may have seen enough before everything is sent.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn request(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> (u16, String) {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let answer = self.send(&[head.as_bytes(), body].concat());
        let status = answer.split(' ').nth(1).unwrap_or_default().parse().unwrap_or(0);
        (status, answer.split_once("\r\n\r\n").unwrap_or_default().1.to_owned())
    }

    fn post(&self, body: &[u8]) -> (u16, String) {
        self.request("POST", "/validate", "application/json", body)
    }

    fn review(&self, request: &Value) -> Value {
        let (status, body) = self.post(json!({"request": request}).to_string().as_bytes());
        assert_eq!(status, 200, "{body}");
        serde_json::from_str::<Value>(&body).unwrap()["response"].clone()
    }
}

fn pod(namespace: &str, spec: &Value) -> Value {
    json!({"uid": "u", "operation": "CREATE", "namespace": namespace, "name": "web",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "userInfo": {"username": "alice"},
        "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec}})
}

#[test]
fn refuses_what_the_namespace_forbids_and_counts_it() {
    let config = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    let yaml = "apiVersion: pod-security.admission.config.k8s.io/v1\nkind: PodSecurityConfiguration\ndefaults: {enforce: baseline}\n";
    std::fs::write(config.path(), yaml).unwrap();
    let server = Served::start(&["--pod-security-config", config.path().to_str().unwrap()]);
    let response = server.review(&pod("shop", &json!({"hostNetwork": true, "containers": [{"name": "a"}]})));
    assert_eq!((&response["allowed"], &response["status"]["code"]), (&json!(false), &json!(403)), "{response}");
    let response = server.review(&pod("nowhere", &json!({"containers": []})));
    assert_eq!(response["status"]["code"], 500);

    let (_, metrics) = server.request("GET", "/metrics", "", b"");
    for line in [
        r#"pod_security_evaluations_total{decision="deny",policy_level="baseline",policy_version="latest",mode="enforce",request_operation="create",resource="pod",subresource=""} 1"#,
        r#"pod_security_errors_total{fatal="true",request_operation="create",resource="pod",subresource=""} 1"#,
        r#"ringfence_unjudged_total{decision="refused"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

#[test]
fn says_so_when_it_fails_open() {
    let server = Served::start(&["--fail-open"]);
    let response = server.review(&pod("nowhere", &json!({"containers": []})));
    assert_eq!(response["allowed"], true);
    let text = response.to_string();
    assert!(text.contains("let through because this webhook fails open"), "{text}");
    assert!(response["auditAnnotations"]["error"].as_str().unwrap().contains("nowhere"));
}

#[test]
fn advises_with_the_fields_and_what_to_write() {
    let config = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    let yaml = "apiVersion: pod-security.admission.config.k8s.io/v1\nkind: PodSecurityConfiguration\ndefaults: {enforce: baseline}\n";
    std::fs::write(config.path(), yaml).unwrap();
    let server = Served::start(&["--pod-security-config", config.path().to_str().unwrap(), "--advisory", "--hints"]);
    let response = server.review(&pod("shop", &json!({"hostNetwork": true, "containers": [{"name": "a"}]})));
    assert_eq!(response["allowed"], true);
    let warnings = response["warnings"].to_string();
    assert!(warnings.contains("would be refused: ") && warnings.contains("spec.hostNetwork is true: "), "{warnings}");
    assert!(response["auditAnnotations"]["would-refuse"].as_str().unwrap().contains("violates PodSecurity"));
    let (_, metrics) = server.request("GET", "/metrics", "", b"");
    assert!(metrics.contains(r#"ringfence_advised_total{webhook="pod-security"} 1"#), "{metrics}");
}

#[test]
fn every_kind_of_garbage_gets_its_answer() {
    let server = Served::start(&[]);
    let deep = format!(r#"{{"request":{{"object":{}{}}}}}"#, "[".repeat(200_000), "]".repeat(200_000));
    let large = vec![b' '; 3 << 20];
    for (body, status, words) in [
        (&b""[..], 400, "request body is empty"),
        (b"{", 400, "unable to decode the request"),
        (b"\xff\xfe", 400, "unable to decode the request"),
        (b"apiVersion: v1", 400, "unable to decode the request"),
        (b"[]", 400, "unable to decode the request"),
        (b"{}", 400, "the AdmissionReview has no request"),
        (br#"{"request":null}"#, 400, "the AdmissionReview has no request"),
        (br#"{"kind":"Pod","apiVersion":"v1"}"#, 400, "unexpected AdmissionReview kind: /v1, Kind=Pod"),
        (deep.as_bytes(), 200, "allowed"),
        (&large, 413, "request entity is too large; limit is 3145728 bytes"),
    ] {
        let (got, answer) = server.post(body);
        assert_eq!(got, status, "{answer}");
        assert!(answer.contains(words), "{answer}");
    }
    assert_eq!(server.request("POST", "/validate", "text/plain", b"{}").0, 400);
    assert_eq!(server.request("GET", "/validate", "", b"").0, 405);
    assert_eq!(server.request("POST", "/metrics", "", b"").0, 405);
    assert_eq!(server.request("GET", "/../etc/passwd", "", b"").0, 404);
    let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(1 << 20));
    assert!(server.send(long.as_bytes()).starts_with("HTTP/1.1 431"));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(1000));
    assert!(server.send(many.as_bytes()).starts_with("HTTP/1.1 431"));
    for bytes in
        [&b"\x16\x03\x01\x02\x00\x01"[..], b"\0\0\0\0", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\ngarbage", b"\r\n\r\n\r\n"]
    {
        // Nobody waits for an answer to these.
        server.connect().write_all(bytes).unwrap();
    }
    assert_eq!(server.request("GET", "/livez", "", b""), (200, "ok\n".to_owned()));
}

#[test]
fn what_is_deleted_or_entered_or_unknown_is_no_trouble() {
    let server = Served::start(&[]);
    let kind = json!({"group": "apps", "version": "v1", "kind": "Deployment"});
    let resource = json!({"group": "apps", "version": "v1", "resource": "deployments"});
    for request in [
        json!({"uid": "u", "operation": "DELETE", "kind": kind, "resource": resource, "namespace": "shop", "oldObject": {}}),
        json!({"uid": "u", "operation": "DELETE", "kind": kind, "resource": resource, "namespace": "shop", "object": null}),
        json!({"uid": "u", "operation": "CONNECT", "kind": {"group": "", "version": "v1", "kind": "PodExecOptions"},
            "resource": {"group": "", "version": "v1", "resource": "pods"}, "requestSubResource": "exec", "namespace": "shop", "object": {}}),
        json!({"uid": "u", "operation": "TELEPORT", "kind": {"group": "x.example", "version": "v9", "kind": "Thing"},
            "resource": {"group": "x.example", "version": "v9", "resource": "things"}, "namespace": "shop", "object": {"a": 1}}),
    ] {
        let response = server.review(&request);
        assert_eq!((&response["uid"], &response["allowed"]), (&json!("u"), &json!(true)), "{request}");
    }
}

#[test]
fn a_request_under_way_is_answered_when_told_to_end() {
    let mut server = Served::start(&["--drain-delay", "3"]);
    let mut stream = server.connect();
    let body = json!({"request": pod("shop", &json!({"containers": []}))}).to_string();
    let (first, second) = body.split_at(20);
    let head = format!(
        "POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{first}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    server.0.terminate();
    let mut line = String::new();
    while !line.contains("told to end") {
        assert_ne!(server.0.said.read_line(&mut line).unwrap(), 0);
    }
    assert_eq!(server.request("GET", "/readyz", "", b""), (503, "shutting down\n".to_owned()));
    let begun = Instant::now();
    while TcpStream::connect(server.0.address).is_ok() {
        assert!(begun.elapsed() < Duration::from_mins(1), "nobody new is let in");
        std::thread::sleep(Duration::from_millis(50));
    }
    stream.write_all(second.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#""allowed":true"#), "{answer}");
    assert_eq!(server.0.child.wait().unwrap().code(), Some(0));
}

#[test]
fn nothing_is_served_without_a_certificate_or_a_word_to_do_without() {
    let out = Command::new(env!("CARGO_BIN_EXE_ringfence")).args(["serve", "--cluster", "x"]).output().unwrap();
    assert_eq!(out.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&out.stderr).contains("--tls-cert"));
}

#[test]
fn a_page_listens_on_loopback_unless_the_host_is_named() {
    let out = Command::new(env!("CARGO_BIN_EXE_ringfence"))
        .args(["serve", "--cluster", "x", "--ui", "--ui-listen", "0.0.0.0:0"])
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&out.stderr).contains("--ui-host"));
}

#[test]
fn a_page_beside_the_webhooks_has_an_address_of_its_own() {
    let mut server = Served::start(&["--ui", "--ui-listen", "127.0.0.1:0"]);
    let page = loop {
        let mut line = String::new();
        assert_ne!(server.0.said.read_line(&mut line).unwrap(), 0, "it ended");
        let line: Value = serde_json::from_str(&line).unwrap();
        if let Some(page) = line["page"].as_str() {
            break page.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/ui/")).unwrap().to_owned();
        }
    };
    let get = |address: &str, path: &str, host: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let shown = get(&page, "/ui/api/namespaces", "localhost");
    assert!(shown.starts_with("HTTP/1.1 200 ") && shown.contains(r#""name":"shop""#), "{shown}");
    for host in ["evil.example", "", "localhost\r\nhost: evil.example"] {
        assert!(get(&page, "/ui/", host).starts_with("HTTP/1.1 421 "), "{host}");
    }
    assert!(get(&page, "http://evil.example/ui/", "localhost").starts_with("HTTP/1.1 421 "));
    // Neither answers for the other.
    assert!(get(&page, "/metrics", "localhost").starts_with("HTTP/1.1 404 "));
    let webhooks = server.0.address.to_string();
    assert!(get(&webhooks, "/ui/", "localhost").starts_with("HTTP/1.1 404 "));
    assert!(get(&webhooks, "/metrics", "x").contains(r#"ringfence_http_requests_total{path="/ui",code="421"}"#));
    server.0.terminate();
    assert_eq!(server.0.child.wait().unwrap().code(), Some(0));
}

/// Applies a JSON Patch of additions and replacements, which is all that constraints bring about.
fn apply(object: &mut Value, patch: &Value) {
    for change in patch.as_array().unwrap() {
        let (parent, last) = change["path"].as_str().unwrap().rsplit_once('/').unwrap();
        let last = last.replace("~1", "/").replace("~0", "~");
        assert!(matches!(change["op"].as_str(), Some("add" | "replace")), "{change}");
        match object.pointer_mut(parent).unwrap() {
            Value::Object(fields) => drop(fields.insert(last, change["value"].clone())),
            Value::Array(items) if last == "-" => items.push(change["value"].clone()),
            Value::Array(items) => items[last.parse::<usize>().unwrap()] = change["value"].clone(),
            other => panic!("{other}"),
        }
    }
}

fn base64(text: &str) -> Vec<u8> {
    let digit =
        |c: u8| b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".iter().position(|d| *d == c);
    let bits: Vec<usize> = text.bytes().filter_map(digit).collect();
    let bytes = bits.chunks(4).flat_map(|four| {
        let word = four.iter().fold(0, |word, six| word << 6 | six) << (6 * (4 - four.len()));
        word.to_be_bytes()[5..].iter().copied().take(four.len() - 1).collect::<Vec<_>>()
    });
    bytes.collect()
}

#[test]
fn what_constraints_fill_in_is_what_check_says_is_stored() {
    const CLUSTER: &str = "examples/cluster/cluster.yaml";
    let server = Served::start(&["--platform", "openshift"]);
    for spec in [
        json!({"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "x", "securityContext": {"runAsNonRoot": true}}]}),
        json!({"securityContext": {"fsGroup": 7}, "containers": [{"name": "a", "image": "x"}]}),
        json!({"hostNetwork": true, "containers": [{"name": "a", "image": "x"}]}),
    ] {
        // The pod as it reaches a webhook: behind the plugin for service accounts.
        let manifest =
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"}, "spec": spec});
        let out = Command::new(env!("CARGO_BIN_EXE_ringfence"))
            .current_dir(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.."))
            .args(["check", "--cluster", CLUSTER, "--platform", "openshift", "--as", "alice", "-o", "jsonl", "-"])
            .stdin({
                let mut file = tempfile::tempfile().unwrap();
                file.write_all(manifest.to_string().as_bytes()).unwrap();
                std::io::Seek::rewind(&mut file).unwrap();
                file
            })
            .output()
            .unwrap();
        let line: Value = serde_json::from_slice(&out.stdout).unwrap();
        let (admission, stored) = (&line["admission"], line["admission"]["pod"].clone());
        let mut request = pod("shop", &spec);
        let mut object = manifest.clone();
        for field in ["serviceAccountName", "serviceAccount", "volumes", "imagePullSecrets"] {
            if !stored["spec"][field].is_null() {
                object["spec"][field] = stored["spec"][field].clone();
            }
        }
        request["object"] = object.clone();
        request["userInfo"] = json!({"username": "alice", "groups": ["system:authenticated"]});
        let body = json!({"request": request}).to_string();
        let (status, answer) = server.request("POST", "/mutate-scc", "application/json", body.as_bytes());
        let response = serde_json::from_str::<Value>(&answer).unwrap()["response"].clone();
        assert_eq!((status, &response["allowed"]), (200, &admission["allowed"]), "{response}\n{admission}");
        if response["allowed"] == false {
            assert_eq!(response["status"]["message"], admission["message"]);
            continue;
        }
        assert_eq!(response["patchType"], "JSONPatch");
        let patch: Value = serde_json::from_slice(&base64(response["patch"].as_str().unwrap())).unwrap();
        apply(&mut object, &patch);
        assert_eq!(object["metadata"]["annotations"], stored["metadata"]["annotations"]);
        assert_eq!(object["spec"]["securityContext"], stored["spec"]["securityContext"]);
        for i in 0..spec["containers"].as_array().unwrap().len() {
            let context = |pod: &Value| pod["spec"]["containers"][i]["securityContext"].clone();
            assert_eq!(context(&object), context(&stored));
        }
        // What is filled in is taken as it is, and asked again nothing is left to do.
        request["object"] = object;
        let body = json!({"request": request}).to_string();
        let (_, again) = server.request("POST", "/mutate-scc", "application/json", body.as_bytes());
        assert!(again.contains(r#""allowed":true"#) && !again.contains("patch"), "{again}");
        let (_, checked) = server.request("POST", "/validate-scc", "application/json", body.as_bytes());
        assert!(checked.contains(r#""allowed":true"#), "{checked}");
    }
}
