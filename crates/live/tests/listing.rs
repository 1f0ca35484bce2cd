//! Listing from a server on the loopback that speaks the list API as far as it is asked.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use ringfence_live::{Cluster, ConnectError, ListError, Listed, Resource, Target};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    sync::{Arc, Mutex},
    thread,
};

const PODS: Resource<'_> = Resource { api_version: "v1", plural: "pods", kind: "Pod" };
const CONSTRAINTS: Resource<'_> = Resource {
    api_version: "security.openshift.io/v1",
    plural: "securitycontextconstraints",
    kind: "SecurityContextConstraints",
};

type Answer = (u16, Value);

/// Answers each request by its path and query; keeps what was asked.
struct Server {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
    folder: tempfile::TempDir,
}

impl Server {
    fn start(mut answer: impl FnMut(&str) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let Some(line) = request(&stream) else { continue };
                let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
                log.lock().unwrap().push(line.trim_end().trim_end_matches(" HTTP/1.1").to_owned());
                respond(&stream, answer(&path));
            }
        });
        Self { address, asked, folder: tempfile::tempdir().unwrap() }
    }

    fn kubeconfig(&self) -> PathBuf {
        let path = self.folder.path().join("config");
        fs::write(&path, kubeconfig(&self.address)).unwrap();
        path
    }

    fn cluster(&self) -> Cluster {
        Cluster::connect(&Target { kubeconfig: Some(self.kubeconfig()), context: None }).unwrap()
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn kubeconfig(server: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: here\n\
         clusters: [{{name: c, cluster: {{server: '{server}'}}}}]\nusers: [{{name: u, user: {{token: t}}}}]\n\
         contexts: [{{name: here, context: {{cluster: c, user: u}}}}, {{name: there, context: {{cluster: c, user: u}}}}]\n"
    )
}

fn request(stream: &TcpStream) -> Option<String> {
    let mut lines = BufReader::new(stream);
    let mut first = String::new();
    lines.read_line(&mut first).ok()?;
    loop {
        let mut header = String::new();
        if lines.read_line(&mut header).ok()? <= 2 {
            return Some(first).filter(|line| !line.is_empty());
        }
    }
}

fn respond(mut stream: &TcpStream, (code, body): Answer) {
    let body = body.to_string();
    let _ = write!(
        stream,
        "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
}

fn page(names: &[&str], token: &str, remaining: u64) -> Answer {
    let items: Vec<_> = names.iter().map(|name| json!({"metadata": {"namespace": "n", "name": name}})).collect();
    let metadata = json!({"continue": token, "remainingItemCount": remaining});
    (200, json!({"apiVersion": "v1", "kind": "PodList", "metadata": metadata, "items": items}))
}

fn failure(code: u16, message: &str, token: &str) -> Answer {
    let status = json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "message": message,
        "metadata": {"continue": token}});
    (code, status)
}

/// The names, page by page, and what came of the list.
fn list(cluster: &Cluster, resource: Resource<'_>) -> (Vec<Vec<String>>, Result<Listed, ListError>) {
    let mut pages = Vec::new();
    let result = cluster.list(resource, &mut |page| {
        let name = |item: &Value| item["metadata"]["name"].as_str().unwrap().to_owned();
        pages.push(page.items.iter().map(name).collect());
    });
    (pages, result)
}

#[test]
fn pages_come_one_by_one_with_what_their_objects_are() {
    let server =
        Server::start(
            |path| {
                if path.contains("continue=two") { page(&["c"], "", 0) } else { page(&["a", "b"], "two", 1) }
            },
        );
    let mut pages = Vec::new();
    let listed = server.cluster().list(PODS, &mut |page| pages.push(page)).unwrap();
    assert_eq!(listed, Listed { objects: 3, restarts: 0 });
    assert_eq!(
        pages.iter().map(|page| (page.items.len(), page.remaining)).collect::<Vec<_>>(),
        [(2, Some(1)), (1, Some(0))]
    );
    assert_eq!(
        pages[1].items,
        [json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "n", "name": "c"}})]
    );
    assert_eq!(server.asked(), ["GET /api/v1/pods?&limit=500", "GET /api/v1/pods?&limit=500&continue=two"]);
}

#[test]
fn a_list_that_expired_is_begun_again_and_nothing_comes_twice() {
    let mut expired = false;
    let server = Server::start(move |path| {
        if !path.contains("continue") {
            // The second time, one more has come before and one after what was handed over.
            return if expired { page(&["a", "ab", "b", "c"], "", 0) } else { page(&["a", "b"], "two", 1) };
        }
        expired = true;
        failure(410, "too old", "")
    });
    let (pages, result) = list(&server.cluster(), PODS);
    assert_eq!(result.unwrap(), Listed { objects: 3, restarts: 1 });
    assert_eq!(pages, [vec!["a", "b"], vec!["c"]]);
}

#[test]
fn a_list_that_expired_goes_on_where_the_server_offers_to() {
    let server = Server::start(|path| match path {
        path if path.contains("fresh") => page(&["c"], "", 0),
        path if path.contains("continue") => failure(410, "too old", "fresh"),
        _ => page(&["a", "b"], "two", 1),
    });
    let (pages, result) = list(&server.cluster(), PODS);
    assert_eq!(result.unwrap(), Listed { objects: 3, restarts: 1 });
    assert_eq!(pages, [vec!["a", "b"], vec!["c"]]);
}

#[test]
fn a_list_that_always_expires_is_given_up() {
    let server =
        Server::start(
            |path| if path.contains("continue") { failure(410, "too old", "") } else { page(&["a"], "x", 1) },
        );
    let (pages, result) = list(&server.cluster(), PODS);
    assert_eq!(
        result.unwrap_err().to_string(),
        "cannot list pods: the list expired 6 times before it was read to its end"
    );
    assert_eq!(pages.concat(), ["a"]);
}

#[test]
fn a_list_in_no_order_is_whole_unless_it_expires() {
    let server = Server::start(|path| match path {
        path if path.contains("two") => page(&["b"], "three", 1),
        path if path.contains("three") => failure(410, "too old", ""),
        _ => page(&["c", "a"], "two", 2),
    });
    let (pages, result) = list(&server.cluster(), PODS);
    assert!(matches!(result, Err(ListError::Unordered { .. })), "{result:?}");
    assert_eq!(pages.concat(), ["c", "a", "b"]);
}

#[test]
fn a_forbidden_kind_is_named_in_the_servers_words() {
    let server = Server::start(|path| {
        if path.starts_with("/apis/security.openshift.io/v1?") {
            (200, json!({"kind": "APIResourceList"}))
        } else {
            failure(403, "User \"x\" cannot list it", "")
        }
    });
    let cluster = server.cluster();
    let error = list(&cluster, PODS).1.unwrap_err();
    assert_eq!(error.to_string(), r#"may not list pods: User "x" cannot list it"#);
    assert!(!error.is_fatal());
    let error = list(&cluster, CONSTRAINTS).1.unwrap_err();
    assert!(matches!(error, ListError::Forbidden { .. }), "{error}");
}

#[test]
fn what_is_forbidden_and_not_there_is_not_there() {
    let server = Server::start(|path| {
        if path.contains("securitycontextconstraints") {
            failure(403, "no", "")
        } else {
            (404, Value::String("404 page not found".into()))
        }
    });
    let error = list(&server.cluster(), CONSTRAINTS).1.unwrap_err();
    assert!(matches!(error, ListError::Absent { .. }), "{error}");
}

#[test]
fn a_kind_that_the_server_lacks_is_absent() {
    let server = Server::start(|_| (404, Value::String("404 page not found".into())));
    let error = list(&server.cluster(), CONSTRAINTS).1.unwrap_err();
    assert_eq!(error.to_string(), "the server has no securitycontextconstraints.security.openshift.io");
}

#[test]
fn wrong_credentials_and_silence_end_everything() {
    let server = Server::start(|_| failure(401, "Unauthorized", ""));
    let error = list(&server.cluster(), PODS).1.unwrap_err();
    assert_eq!(error.to_string(), format!("{} does not accept the credentials: Unauthorized", server.address));
    assert!(error.is_fatal());

    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    fs::write(&path, kubeconfig(&format!("http://{closed}"))).unwrap();
    let cluster = Cluster::connect(&Target { kubeconfig: Some(path), context: None }).unwrap();
    let error = list(&cluster, PODS).1.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot reach http://{closed}: Connection refused (os error 111)"));
    assert!(error.is_fatal());
}

#[test]
fn what_is_no_list_is_said_to_be_none() {
    let server = Server::start(|_| (200, json!("hello")));
    let error = list(&server.cluster(), PODS).1.unwrap_err();
    assert!(error.to_string().starts_with("cannot list pods: the answer is not a list"), "{error}");
    let server = Server::start(|_| failure(500, "etcd is tired", ""));
    let error = list(&server.cluster(), PODS).1.unwrap_err();
    assert_eq!(error.to_string(), "cannot list pods: etcd is tired (500)");
}

#[test]
fn a_missing_context_is_told_with_those_that_there_are() {
    let server = Server::start(|_| page(&[], "", 0));
    let connect = |context: &str| {
        Cluster::connect(&Target { kubeconfig: Some(server.kubeconfig()), context: Some(context.to_owned()) })
    };
    assert_eq!(connect("there").unwrap().server(), server.address);
    let error = connect("elsewhere").unwrap_err();
    assert_eq!(error.to_string(), r#"the kubeconfig has no context "elsewhere"; it has here, there"#);
}

#[test]
fn a_missing_or_broken_kubeconfig_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let connect = |name: &str| {
        Cluster::connect(&Target { kubeconfig: Some(folder.path().join(name)), context: None }).unwrap_err()
    };
    assert!(matches!(connect("absent"), ConnectError::Read { .. }));
    fs::write(folder.path().join("empty"), "").unwrap();
    let error = connect("empty");
    assert!(matches!(error, ConnectError::NoCurrentContext { .. }), "{error}");
    fs::write(folder.path().join("broken"), "clusters: 7\n").unwrap();
    assert!(connect("broken").to_string().starts_with("cannot use the kubeconfig: "));
}
