//! `ringfence node check` as a DaemonSet runs it: against an API server on the loopback that answers as far as it is
//! asked, and the manifest against ringfence's own judgement.
#![allow(clippy::unwrap_used, reason = "a test that cannot set up its server fails")]

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use common::{lines, ringfence};
use serde_json::{Value, json};

/// What the server was asked: method and path, content type, body.
type Asked = Arc<Mutex<Vec<(String, String, String)>>>;

/// An API server with one node, and the kubeconfig for it; patching is allowed or not.
fn server(dir: &tempfile::TempDir, may_patch: bool) -> (PathBuf, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Asked::default();
    let log = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            let mut reader = BufReader::new(&stream);
            let (mut line, mut length, mut kind) = (String::new(), 0, String::new());
            reader.read_line(&mut line).unwrap();
            loop {
                let mut header = String::new();
                reader.read_line(&mut header).unwrap();
                let Some((name, value)) = header.trim_end().split_once(": ") else { break };
                match name.to_lowercase().as_str() {
                    "content-length" => length = value.parse().unwrap(),
                    "content-type" => value.clone_into(&mut kind),
                    _ => {}
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let request = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
            let patches = request.starts_with("PATCH");
            log.lock().unwrap().push((request, kind, String::from_utf8(body).unwrap()));
            let (status, answer) = if patches && !may_patch {
                (
                    "403 Forbidden",
                    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403,
                    "message": "nodes \"worker-1\" is forbidden", "reason": "Forbidden", "metadata": {}}),
                )
            } else {
                (
                    "200 OK",
                    json!({"kind": "Node", "apiVersion": "v1", "metadata": {"name": "worker-1"},
                    "status": {"nodeInfo": {"kubeletVersion": "v1.36.2", "containerRuntimeVersion": "containerd://2.1.4"},
                        "runtimeHandlers": [{"name": "", "features": {"userNamespaces": true}}]}}),
                )
            };
            let answer = answer.to_string();
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                answer.len()
            );
            (&stream).write_all(format!("{head}{answer}").as_bytes()).unwrap();
        }
    });
    let path = dir.path().join("config");
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: here\nclusters: [{{name: c, cluster: {{server: 'http://{address}'}}}}]\n\
         users: [{{name: u, user: {{token: t}}}}]\ncontexts: [{{name: here, context: {{cluster: c, user: u}}}}]\n"
    );
    fs::write(&path, text).unwrap();
    (path, asked)
}

fn publish(config: &Path, name: &str) -> common::Ran {
    let config = config.to_str().unwrap();
    ringfence(["node", "check", "--publish", "annotation", "--node-name", name, "--kubeconfig", config], "")
}

#[test]
fn the_annotation_is_set_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (config, asked) = server(&dir, true);
    let ran = publish(&config, "worker-1");
    assert_eq!((ran.code, &*ran.err), (0, ""));
    let asked = asked.lock().unwrap();
    let requests: Vec<_> = asked.iter().map(|(request, ..)| request.split('?').next().unwrap()).collect();
    assert_eq!(requests, ["GET /api/v1/nodes/worker-1", "PATCH /api/v1/nodes/worker-1"]);
    assert_eq!(asked[1].1, "application/merge-patch+json");
    let patch: Value = serde_json::from_str(&asked[1].2).unwrap();
    let annotations = patch["metadata"]["annotations"].as_object().unwrap();
    assert_eq!((patch.as_object().unwrap().len(), annotations.len()), (1, 1));
    // What is published is read again as a node's facts.
    let facts: Value = serde_json::from_str(annotations["ringfence.github.io/node-facts"].as_str().unwrap()).unwrap();
    assert_eq!((&facts["name"], &facts["runtime"]), (&json!("worker-1"), &json!("containerd 2.1.4")));
    let node = json!({"kind": "Node", "metadata": {"name": "worker-1", "annotations": annotations}});
    let file = dir.path().join("node.json");
    fs::write(&file, node.to_string()).unwrap();
    let again = ringfence(["node", "check", "-o", "json", "--node", file.to_str().unwrap()], "");
    assert_eq!((again.code, &*again.err), (0, ""));
}

#[test]
fn a_refusal_of_the_server_and_a_bad_name_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let (config, asked) = server(&dir, false);
    let ran = publish(&config, "worker-1");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("cannot patch node worker-1: nodes \"worker-1\" is forbidden"), "{}", ran.err);
    let before = asked.lock().unwrap().len();
    for name in ["../secrets/x", "a?b", "A", "-x"] {
        let ran = publish(&config, &format!("x{name}")[1..]);
        assert_eq!(ran.code, 2, "{name}: {}", ran.err);
    }
    assert_eq!(asked.lock().unwrap().len(), before);
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn metrics_and_health_are_served() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringfence"))
        .args(["node", "check", "--for", "redis-enterprise", "--listen", "127.0.0.1:0", "--node-name", "worker-1"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).unwrap();
    let _running = Running(child);
    let address = said.trim_end().rsplit(' ').next().unwrap();
    // One that says nothing holds nobody up.
    let _mute = TcpStream::connect(address).unwrap();
    let metrics = get(address, "/metrics");
    assert!(metrics.starts_with("HTTP/1.1 200 OK\r\n"), "{metrics}");
    assert!(
        metrics.contains("ringfence_node_fit{node=\"worker-1\",for=\"redis-enterprise\",mode=\"unprivileged\"}"),
        "{metrics}"
    );
    assert!(get(address, "/healthz").ends_with("\r\n\r\nok\n"));
    assert!(get(address, "/etc/passwd").starts_with("HTTP/1.1 404"));
}

#[test]
fn health_says_when_publishing_fails() {
    let dir = tempfile::tempdir().unwrap();
    let (config, _) = server(&dir, false);
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringfence"))
        .args([
            "node",
            "check",
            "--publish",
            "annotation",
            "--listen",
            "127.0.0.1:0",
            "--node-name",
            "worker-1",
            "--kubeconfig",
        ])
        .arg(&config)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut reader = BufReader::new(child.stderr.take().unwrap());
    let _running = Running(child);
    let mut said = String::new();
    while !said.contains("serving") {
        said.clear();
        assert!(reader.read_line(&mut said).unwrap() > 0);
    }
    let answer = get(said.trim_end().rsplit(' ').next().unwrap(), "/healthz");
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("is forbidden"), "{answer}");
}

/// The node's /proc and /sys are all that keeps the DaemonSet from the restricted level.
#[test]
fn the_daemonset_is_restricted_but_for_its_host_mounts() {
    let manifest = ringfence(["node", "daemonset", "--image", "registry.example.com/ringfence:0.1.0"], "").out;
    let ran = ringfence(["check", "--pss", "restricted", "-o", "jsonl", "-"], &manifest);
    let text = lines(&ran).iter().map(Value::to_string).collect::<String>();
    assert_eq!(ran.code, 1, "{text}{}", ran.err);
    for control in ["hostPathVolumes", "restrictedVolumes"] {
        assert!(text.contains(control), "{control}: {text}");
    }
    for control in [
        "allowPrivilegeEscalation",
        "unrestricted capabilities",
        "runAsNonRoot",
        "seccompProfile",
        "host namespaces",
        "hostPorts",
    ] {
        assert!(!text.contains(control), "{control}: {text}");
    }
    let read = ringfence(["read", "-"], &manifest);
    assert_eq!((read.code, &*read.err), (0, ""), "{}", read.out);
    assert!(manifest.contains("verbs: [get, patch]") && manifest.matches("readOnly: true").count() == 2);
    let bad = ringfence(["node", "daemonset", "--image", "x\"\n  privileged: true"], "");
    assert_eq!((bad.code, &*bad.out), (2, ""));
}

/// A containerd of its own in a directory, ended with the test.
fn containerd(dir: &Path) -> Option<Running> {
    let installed = Command::new("containerd").arg("--version").output().is_ok();
    let root = fs::read_to_string("/proc/self/status").unwrap().contains("Uid:\t0\t0\t0\t0");
    if !installed || !root {
        eprintln!("skipped: containerd is not installed, or this is not root");
        return None;
    }
    let at = |name: &str| dir.join(name).display().to_string();
    fs::write(
        at("base.json"),
        json!({"process": {"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 4321, "hard": 65_535}]}}).to_string(),
    )
    .unwrap();
    let config = format!(
        "version = 2\nroot = '{}'\nstate = '{}'\n[grpc]\naddress = '{}'\n[ttrpc]\naddress = '{}'\n\
         [plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.runc]\nruntime_type = 'io.containerd.runc.v2'\n\
         base_runtime_spec = '{}'\n",
        at("root"),
        at("state"),
        at("s"),
        at("t"),
        at("base.json")
    );
    fs::write(at("config.toml"), config).unwrap();
    let log = fs::File::create(at("log")).unwrap();
    let mut command = Command::new("containerd");
    command.args(["--config", &at("config.toml")]).stdout(Stdio::null()).stderr(log);
    Some(Running(command.spawn().unwrap()))
}

/// What it is configured to give every container comes from itself, and counts before the limits of its process.
#[test]
fn containerd_says_its_version_and_what_it_gives_containers() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut running) = containerd(dir.path()) else { return };
    let endpoint = format!("unix://{}", dir.path().join("s").display());
    let since = std::time::Instant::now();
    let node = loop {
        let ran = ringfence(["node", "check", "-o", "json", "--runtime-endpoint", &endpoint], "");
        let mut report: Value = serde_json::from_str(&ran.out).unwrap();
        let node = report["nodes"][0].take();
        if node.get("runtime").is_some() {
            break node;
        }
        let log = || fs::read_to_string(dir.path().join("log")).unwrap();
        assert!(running.0.try_wait().unwrap().is_none(), "{}", log());
        assert!(since.elapsed().as_secs() < 40, "{}\n{}", node["unknown"], log());
        std::thread::sleep(std::time::Duration::from_millis(200));
    };
    let version = Command::new("containerd").arg("--version").output().unwrap().stdout;
    let version = String::from_utf8(version).unwrap();
    let (name, number) = node["runtime"].as_str().unwrap().split_once(' ').unwrap();
    assert_eq!(name, "containerd");
    assert!(version.contains(number), "{number}: {version}");
    let pod = &node["openFiles"]["pod"];
    // A pod that runs on this machine would be the better witness.
    if !pod["source"].as_str().unwrap().contains("sandbox") {
        assert_eq!((&pod["soft"], &pod["hard"]), (&json!(4321), &json!(65_535)), "{pod}");
    }
    // Those from 2.0 on say what their handlers can do; of an older one it is not known.
    let known = node["runtimeHandlers"].is_object();
    assert_eq!(known, node["unknown"].get("runtimeHandlers").is_none(), "{node}");
}

#[test]
fn a_socket_that_is_not_there_leaves_the_runtime_unknown() {
    let ran = ringfence(["node", "check", "-o", "json", "--runtime-endpoint", "/nowhere/s"], "");
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert!(report["nodes"][0]["unknown"]["runtime"].as_str().unwrap().starts_with("/nowhere/s: cannot connect: "));
    let ran = ringfence(["node", "check", "--runtime-endpoint", "tcp://1.2.3.4:5"], "");
    assert!(ran.code == 2 && ran.err.contains("unix:///run/crio/crio.sock"), "{}", ran.err);
}
