//! Asking a running cluster, for which a server on the loopback stands in that lists what it is told to.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic too")]

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use common::ringfence;
use serde_json::{Value, json};

/// A pod that says as little as possible.
const POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: shop}, \
                   spec: {containers: [{name: c, image: i}]}}";

/// Answers by path, without the query.
struct Server {
    folder: tempfile::TempDir,
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(answer: impl Fn(&str) -> (u16, Value) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = json!({"apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{"name": "c", "cluster": {"server": address}}], "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}]});
        fs::write(folder.path().join("config"), kubeconfig.to_string()).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                if let Some(path) = path(&stream) {
                    let (code, body) = answer(&path);
                    log.lock().unwrap().push(path);
                    respond(&stream, code, &body.to_string());
                }
            }
        });
        Self { folder, address, asked }
    }

    fn run(&self, args: &[&str], stdin: &str) -> common::Ran {
        let config = self.folder.path().join("config");
        ringfence(args.iter().copied().chain(["--kubeconfig", config.to_str().unwrap()]), stdin)
    }
}

fn path(stream: &TcpStream) -> Option<String> {
    let lines: Vec<_> = BufReader::new(stream).lines().map_while(Result::ok).take_while(|l| !l.is_empty()).collect();
    let path = lines.first()?.split(' ').nth(1)?;
    Some(path.split('?').next().unwrap_or(path).to_owned())
}

fn respond(mut stream: &TcpStream, code: u16, body: &str) {
    let length = body.len();
    let _ = write!(stream, "HTTP/1.1 {code} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
}

fn status(code: u16, message: &str) -> (u16, Value) {
    (code, json!({"kind": "Status", "status": "Failure", "code": code, "message": message}))
}

/// A plain Kubernetes cluster with one restricted namespace and one pod.
fn kubernetes(path: &str) -> (u16, Value) {
    let items = match path {
        "/api/v1/namespaces" => {
            json!([{"metadata": {"name": "shop", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}])
        }
        "/api/v1/pods" => json!([{"metadata": {"name": "p", "namespace": "shop"}, "spec": {"containers": [
            {"name": "c", "image": "i", "args": ["hunter2"], "env": [{"name": "A", "value": "hunter2"}]}]}}]),
        "/api/v1/serviceaccounts" => json!([{"metadata": {"name": "default", "namespace": "shop"}}]),
        path if path.contains("openshift.io") || path.contains("operators.coreos.com") => {
            return (404, "404 page not found".into());
        }
        _ => json!([]),
    };
    (200, json!({"kind": "List", "items": items}))
}

#[test]
fn check_asks_a_running_cluster_for_what_it_needs() {
    let server = Server::start(kubernetes);
    let ran = server.run(&["check", "-"], POD);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.out.contains("restricted"), "{}", ran.out);
    let asked = server.asked.lock().unwrap().join(" ");
    assert!(asked.contains("/api/v1/namespaces /api/v1/serviceaccounts"), "{asked}");
    for never in ["pods", "secrets", "configmaps", "deployments"] {
        assert!(!asked.contains(never), "{asked}");
    }
}

#[test]
fn a_snapshot_of_a_running_cluster_answers_as_the_cluster_does() {
    let server = Server::start(kubernetes);
    let ran = server.run(&["snapshot"], "");
    assert_eq!((ran.code, ran.err.trim()), (0, "3 objects kept"), "{}", ran.out);
    assert!(!ran.out.contains("hunter2"), "{}", ran.out);
    let dump = server.folder.path().join("dump.yaml");
    fs::write(&dump, &ran.out).unwrap();
    let again = ringfence(["check", "-", "--cluster", dump.to_str().unwrap()], POD);
    let live = server.run(&["check", "-"], POD);
    assert_eq!((again.code, again.out, again.err), (live.code, live.out, live.err));
}

#[test]
fn a_forbidden_kind_is_named_and_the_rest_is_answered() {
    let server = Server::start(|path| {
        if path.ends_with("/serviceaccounts") { status(403, "User \"u\" cannot list") } else { kubernetes(path) }
    });
    let ran = server.run(&["check", "-"], POD);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains(r#"may not list serviceaccounts: User "u" cannot list; the rest"#), "{}", ran.err);
    assert!(ran.out.contains("restricted"), "{}", ran.out);
}

#[test]
fn constraints_that_may_not_be_listed_still_make_it_openshift() {
    let server = Server::start(|path| match path {
        "/apis/security.openshift.io/v1" => (200, json!({"kind": "APIResourceList", "resources": []})),
        path if path.ends_with("/securitycontextconstraints") => status(403, "no"),
        path => kubernetes(path),
    });
    let ran = server.run(&["check", "-"], POD);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("may not list securitycontextconstraints.security.openshift.io"), "{}", ran.err);
    assert!(ran.err.contains("; the platform's own are taken for them"), "{}", ran.err);
    assert!(ran.out.contains("refused by SecurityContextConstraints"), "{}", ran.out);
    assert!(!ran.out.contains("no SecurityContextConstraints found"), "{}", ran.out);
}

#[test]
fn nothing_is_judged_without_a_cluster() {
    let server = Server::start(|_| status(401, "Unauthorized"));
    let ran = server.run(&["check", "-"], POD);
    let expected = format!("error: {} does not accept the credentials: Unauthorized\n", server.address);
    assert_eq!((ran.code, ran.out, ran.err), (2, String::new(), expected));
    let ran = server.run(&["check", "-", "--cluster", "dump.yaml"], POD);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("not both"), "{}", ran.err);
    let ran = server.run(&["check", "-", "--context", "gone"], POD);
    assert_eq!(ran.err, "error: the kubeconfig has no context \"gone\"; it has here\n");
}

#[test]
fn a_server_that_is_no_api_server_is_said_to_be_none() {
    let server = Server::start(|_| (404, "404 page not found".into()));
    let ran = server.run(&["sync", "--dry-run"], "");
    let expected = format!("error: the server has no namespaces: {} is no Kubernetes API server\n", server.address);
    assert_eq!((ran.code, ran.err), (2, expected));
}
