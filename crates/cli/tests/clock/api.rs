//! A stand-in for an API server, with a clock of its own: objects of a few kinds, in lists, watches, changes and
//! server-side applies without owners, over plain HTTP.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// The API groups' paths, with the kinds that there are.
const KINDS: [(&str, &[&str]); 6] = [
    ("/api/v1", &["namespaces", "pods", "secrets"]),
    ("/apis/admissionregistration.k8s.io/v1", &["validatingwebhookconfigurations", "mutatingwebhookconfigurations"]),
    ("/apis/coordination.k8s.io/v1", &["leases"]),
    ("/apis/ringfence.dev/v1alpha1", &["waivers"]),
    ("/apis/wgpolicyk8s.io/v1alpha2", &["policyreports", "clusterpolicyreports"]),
    ("/apis/events.k8s.io/v1", &["events"]),
];

/// Group, kind, namespace and name: in the order in which a path has them.
type Key = (String, String, String, String);

#[derive(Default)]
struct State {
    version: u64,
    objects: BTreeMap<Key, Value>,
    /// What happened, by version.
    events: Vec<(u64, Key, &'static str, Value)>,
    /// How far its clock is ahead of this machine's.
    ahead: SignedDuration,
    /// The one token that it takes, if any.
    token: Option<String>,
    /// When leases were written, by which holder.
    renewals: Vec<(Instant, String)>,
}

pub(crate) struct Api {
    state: Arc<(Mutex<State>, Condvar)>,
    folder: tempfile::TempDir,
    address: String,
}

struct Request {
    method: String,
    path: String,
    query: String,
    token: String,
    body: Value,
}

impl Api {
    pub(crate) fn start(objects: &[Value]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let api = Self { state: Arc::default(), folder: tempfile::tempdir().unwrap(), address };
        for object in objects {
            api.put(object);
        }
        let state = Arc::clone(&api.state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let state = Arc::clone(&state);
                std::thread::spawn(move || converse(&state, stream.unwrap()));
            }
        });
        api
    }

    /// A kubeconfig for a user of this sort.
    pub(crate) fn kubeconfig(&self, user: &Value) -> PathBuf {
        let path = self.folder.path().join("kubeconfig");
        // A machine may have no authorities of its own, and the client wants some even where it needs none.
        let authority = rcgen::generate_simple_self_signed(["x".to_owned()]).unwrap().cert.pem();
        let cluster = json!({"server": self.address, "certificate-authority-data": BASE64_STANDARD.encode(authority)});
        let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{"name": "c", "cluster": cluster}], "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}]});
        std::fs::write(&path, config.to_string()).unwrap();
        path
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.0.lock().unwrap()
    }

    /// Makes or changes an object.
    pub(crate) fn put(&self, object: &Value) {
        let key = key_of(object);
        write(&mut self.state(), key, object.clone());
        self.state.1.notify_all();
    }

    /// The object at a path.
    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        self.state().objects.get(&key(path)?).cloned()
    }

    /// Sets its clock apart from this machine's.
    pub(crate) fn set_ahead(&self, ahead: SignedDuration) {
        self.state().ahead = ahead;
    }

    /// Takes this token alone from now on.
    pub(crate) fn take(&self, token: &str) {
        let mut state = self.state();
        // Watches look up, and end.
        (state.token, state.version) = (Some(token.to_owned()), state.version + 1);
        self.state.1.notify_all();
    }

    /// When leases were written, by which holder.
    pub(crate) fn renewals(&self) -> Vec<(Instant, String)> {
        self.state().renewals.clone()
    }

    /// How often objects of a kind were written.
    pub(crate) fn writes(&self, kind: &str) -> usize {
        self.state().events.iter().filter(|(_, key, _, _)| key.1 == kind).count()
    }
}

fn key_of(object: &Value) -> Key {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let version = text("/apiVersion");
    let group = if version.contains('/') { format!("/apis/{version}") } else { format!("/api/{version}") };
    let kind = format!("{}s", text("/kind").to_lowercase());
    (group, kind, text("/metadata/namespace"), text("/metadata/name"))
}

/// What a path names; of a list, the name is empty, and so is the namespace if it is of all.
fn key(path: &str) -> Option<Key> {
    let (group, kinds) = KINDS.iter().find(|(group, _)| path.starts_with(&format!("{group}/")))?;
    let rest: Vec<&str> = path[group.len() + 1..].split('/').collect();
    let (kind, namespace, name) = match rest[..] {
        [kind] => (kind, "", ""),
        [kind, name] => (kind, "", name),
        ["namespaces", namespace, kind] => (kind, namespace, ""),
        ["namespaces", namespace, kind, name] => (kind, namespace, name),
        _ => return None,
    };
    kinds.contains(&kind).then(|| ((*group).to_owned(), kind.to_owned(), namespace.to_owned(), name.to_owned()))
}

fn write(state: &mut State, key: Key, mut object: Value) -> Value {
    state.version += 1;
    object["metadata"]["resourceVersion"] = state.version.to_string().into();
    if object["metadata"]["creationTimestamp"].is_null() {
        object["metadata"]["creationTimestamp"] = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into();
    }
    if key.1 == "leases" {
        let holder = object["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned();
        state.renewals.push((Instant::now(), holder));
    }
    let kind = if state.objects.contains_key(&key) { "MODIFIED" } else { "ADDED" };
    state.events.push((state.version, key.clone(), kind, object.clone()));
    state.objects.insert(key, object.clone());
    object
}

fn converse(state: &(Mutex<State>, Condvar), stream: TcpStream) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream) {
        let token = state.0.lock().unwrap().token.clone();
        if token.is_some_and(|token| request.token != token) {
            respond(state, stream.get_mut(), 401, &failure(401, "Unauthorized"));
        } else if request.query.split('&').any(|part| part == "watch=true") {
            let _ = watch(state, stream.get_mut(), &request);
            return;
        } else {
            let (code, answer) = answer(&mut state.0.lock().unwrap(), &request);
            state.1.notify_all();
            respond(state, stream.get_mut(), code, &answer);
        }
    }
}

fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let (mut first, mut length, mut token) = (String::new(), 0, String::new());
    stream.read_line(&mut first).ok().filter(|read| *read > 0)?;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match &*name.to_lowercase() {
            "content-length" => length = value.parse().ok()?,
            "authorization" => value.trim_start_matches("Bearer ").clone_into(&mut token),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let (method, rest) = first.split_once(' ')?;
    let target = rest.split(' ').next()?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let body = serde_json::from_slice(&body).unwrap_or_default();
    Some(Request { method: method.to_owned(), path: path.to_owned(), query: query.to_owned(), token, body })
}

fn respond(state: &(Mutex<State>, Condvar), stream: &mut TcpStream, code: u16, body: &Value) {
    let date = Timestamp::now() + state.0.lock().unwrap().ahead;
    let (date, body) = (date.strftime("%a, %d %b %Y %H:%M:%S GMT"), body.to_string());
    let length = body.len();
    let head =
        format!("HTTP/1.1 {code} X\r\nDate: {date}\r\nContent-Type: application/json\r\nContent-Length: {length}");
    let _ = stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes());
}

fn failure(code: u16, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": message, "code": code})
}

fn selected<'o>(request: &Request, key: &'o Key, wanted: &Key) -> Option<&'o Key> {
    let name = request.query.split('&').find_map(|part| part.strip_prefix("fieldSelector=metadata.name%3D"));
    let fits = key.0 == wanted.0 && key.1 == wanted.1 && (wanted.2.is_empty() || key.2 == wanted.2);
    Some(key).filter(|key| fits && name.is_none_or(|name| key.3 == name))
}

fn answer(state: &mut State, request: &Request) -> (u16, Value) {
    let Some(mut key) = key(&request.path) else { return (404, failure(404, "NotFound")) };
    let known = state.objects.get(&key).cloned();
    match (&*request.method, known) {
        ("GET", _) if key.3.is_empty() => {
            let items = state.objects.iter().filter(|(one, _)| selected(request, one, &key).is_some());
            let items: Vec<&Value> = items.map(|(_, object)| object).collect();
            (
                200,
                json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": state.version.to_string()}, "items": items}),
            )
        }
        ("GET", Some(object)) => (200, object),
        ("POST", _) => {
            request.body["metadata"]["name"].as_str().unwrap_or_default().clone_into(&mut key.3);
            if state.objects.contains_key(&key) {
                return (409, failure(409, "AlreadyExists"));
            }
            (201, write(state, key, request.body.clone()))
        }
        ("PUT", Some(known)) => {
            if request.body["metadata"]["resourceVersion"] != known["metadata"]["resourceVersion"] {
                return (409, failure(409, "Conflict"));
            }
            (200, write(state, key, request.body.clone()))
        }
        ("PATCH", known) => {
            let mut object = known.clone().unwrap_or(json!({}));
            merge(&mut object, &request.body);
            // What changes nothing makes no new version.
            if known.as_ref() == Some(&object) { (200, object) } else { (200, write(state, key, object)) }
        }
        _ => (404, failure(404, "NotFound")),
    }
}

/// As server-side apply does where nobody else owns anything; items of lists are told apart by their names.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(from)) if from.iter().all(|item| item["name"].is_string()) => {
            for item in from {
                match into.iter_mut().find(|known| known["name"] == item["name"]) {
                    Some(known) => merge(known, item),
                    None => into.push(item.clone()),
                }
            }
        }
        (into, from) => *into = from.clone(),
    }
}

fn watch(state: &(Mutex<State>, Condvar), stream: &mut TcpStream, request: &Request) -> std::io::Result<()> {
    let Some(wanted) = key(&request.path) else {
        respond(state, stream, 404, &failure(404, "NotFound"));
        return Ok(());
    };
    stream.write_all(b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    let from = request.query.split('&').find_map(|part| part.strip_prefix("resourceVersion="));
    let mut seen: u64 = from.and_then(|from| from.parse().ok()).unwrap_or(0);
    let mut guard = state.0.lock().unwrap();
    loop {
        if guard.token.as_ref().is_some_and(|token| *token != request.token) {
            return Ok(());
        }
        let new = guard
            .events
            .iter()
            .filter(|(version, key, _, _)| *version > seen && selected(request, key, &wanted).is_some());
        let mut lines = String::new();
        for (_, _, kind, object) in new {
            // In the order in which an API server writes it.
            lines += &format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n");
        }
        seen = guard.version;
        drop(guard);
        if !lines.is_empty() {
            stream.write_all(format!("{:x}\r\n{lines}\r\n", lines.len()).as_bytes())?;
        }
        // Whoever has gone is noticed when something is written again.
        guard = state
            .1
            .wait_timeout_while(state.0.lock().unwrap(), Duration::from_secs(5), |state| state.version == seen)
            .unwrap()
            .0;
    }
}
