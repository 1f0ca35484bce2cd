//! `ringfence verify` on pods that ringfence itself runs.
#![allow(clippy::unwrap_used, reason = "a test that cannot run its subject fails")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use common::{lines, ringfence};
use serde_json::{Value, json};

/// A pod that runs until this is dropped.
struct Pod {
    directory: tempfile::TempDir,
    name: String,
    id: String,
}

impl Pod {
    fn start(name: &str, manifest: &Value) -> Option<Self> {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap().trim();
        if u64::from_str_radix(effective, 16).unwrap() & (1 << 21) == 0 {
            println!("skipped: needs root");
            return None;
        }
        let name = format!("{name}-{}", std::process::id());
        let mut manifest = manifest.clone();
        manifest["metadata"] = json!({"name": name, "namespace": "verify"});
        let directory = tempfile::tempdir().unwrap();
        let mut pod = Self { directory, name, id: String::new() };
        pod.write("pod.yaml", &manifest);
        let ran = ringfence(["run", "--pull", "never", "-d", &pod.file("pod.yaml")], "");
        assert_eq!(ran.code, 0, "{}", ran.err);
        let shown = ringfence(["ps", "-o", "jsonl"], "");
        let shown = lines(&shown).into_iter().find(|shown| shown["name"] == *pod.name).unwrap();
        shown["id"].as_str().unwrap().clone_into(&mut pod.id);
        Some(pod)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn file(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn write(&self, name: &str, manifest: &Value) {
        fs::write(self.path(name), manifest.to_string()).unwrap();
    }

    fn manifest(&self) -> Value {
        serde_json::from_str(&fs::read_to_string(self.path("pod.yaml")).unwrap()).unwrap()
    }

    fn verify(&self, args: &[&str]) -> (i32, Vec<Value>) {
        let ran = ringfence(["verify", "--container", &self.id, "-o", "jsonl"].iter().chain(args), "");
        assert!(ran.code < 2, "{}{}", ran.out, ran.err);
        (ran.code, lines(&ran))
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        ringfence(["rm", "-f", &self.name], "");
    }
}

/// A process that is ended when this is dropped.
struct Entered(Child);

impl Entered {
    /// Runs a shell in namespaces of a process and waits until it is there.
    fn new(pid: &str, namespaces: &[&str], script: &str) -> Self {
        let child = Command::new("nsenter")
            .args(["--target", pid, "--no-fork"])
            .args(namespaces)
            .args(["--", "sh", "-c", &format!("{script}; echo here; read forever")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut entered = Self(child);
        let mut said = String::new();
        BufReader::new(entered.0.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "here\n");
        entered
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn fields(line: &Value) -> BTreeSet<&str> {
    line["drift"].as_array().unwrap().iter().map(|drift| drift["field"].as_str().unwrap()).collect()
}

fn confined() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "spec": {
        "securityContext": {"runAsUser": 1000, "runAsGroup": 3000, "fsGroup": 2000},
        "containers": [{"name": "web", "image": "none.invalid/web", "command": ["sleep", "100000"],
            "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                "seccompProfile": {"type": "RuntimeDefault"}, "capabilities": {"drop": ["ALL"]}},
            "volumeMounts": [{"name": "data", "mountPath": "/data"},
                {"name": "memory", "mountPath": "/memory", "readOnly": true}]}],
        "volumes": [{"name": "data", "emptyDir": {}}, {"name": "memory", "emptyDir": {"medium": "Memory"}}]}})
}

#[test]
fn a_pod_that_runs_as_it_was_declared_has_no_drift() {
    let Some(pod) = Pod::start("as-declared", &confined()) else { return };
    let (code, told) = pod.verify(&[]);
    assert_eq!((code, &told[0]["against"], fields(&told[0])), (0, &json!("specification"), BTreeSet::new()));
    let (code, declared) = pod.verify(&[&pod.file("pod.yaml"), "--processes"]);
    assert_eq!((code, &declared[0]["against"], fields(&declared[0])), (0, &json!("manifest"), BTreeSet::new()));
    assert!(declared[0]["compared"].as_u64().unwrap() > 20, "{:#}", declared[0]);
    // The same through a dump of a cluster, in which other pods are as well.
    let mut other = pod.manifest();
    other["metadata"]["name"] = json!("another");
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [other, pod.manifest()]});
    pod.write("dump.json", &list);
    let (code, line) = pod.verify(&["--cluster", &pod.file("dump.json")]);
    assert_eq!((code, &line[0]["against"]), (0, &json!("manifest")));
    let pid = declared[0]["pid"].to_string();
    let ran = ringfence(["verify", "--pid", &pid, "--verbose"], "");
    assert!(ran.code == 0 && ran.out.contains("no drift: 1 process as declared"), "{}{}", ran.out, ran.err);
}

#[test]
fn every_field_that_differs_is_named_with_its_place() {
    let Some(pod) = Pod::start("fields", &confined()) else { return };
    let mut other = pod.manifest();
    other["spec"]["securityContext"] = json!({"runAsUser": 1001, "runAsGroup": 3001, "fsGroup": 2001});
    other["spec"]["hostPID"] = json!(true);
    let context = json!({"readOnlyRootFilesystem": false, "capabilities": {"add": ["SYS_TIME"]}});
    other["spec"]["containers"][0]["securityContext"] = context;
    other["spec"]["containers"][0]["volumeMounts"] = json!([
        {"name": "data", "mountPath": "/data", "readOnly": true}, {"name": "data", "mountPath": "/more"},
        {"name": "memory", "mountPath": "/memory", "mountPropagation": "HostToContainer", "readOnly": true}]);
    pod.write("other.yaml", &other);
    let (code, line) = pod.verify(&[&pod.file("other.yaml")]);
    let expected = [
        "user",
        "group",
        "groups",
        "bounding",
        "no_new_privs",
        "seccomp",
        "read-only root",
        "pid namespace",
        "mount /data",
        "mount /more",
        "mount /memory",
    ];
    assert_eq!((code, fields(&line[0])), (1, BTreeSet::from(expected)), "{:#}", line[0]["drift"]);
    let user = line[0]["drift"].as_array().unwrap().iter().find(|drift| drift["field"] == "user").unwrap();
    assert_eq!(user["declared"], json!({"value": "runAsUser: 1001", "place": "other.yaml:1"}));
}

#[test]
fn a_process_that_leaked_into_a_container_is_found() {
    let Some(pod) = Pod::start("leaked", &confined()) else { return };
    let (_, line) = pod.verify(&[]);
    let first = line[0]["pid"].to_string();
    let entered = Entered::new(&first, &["--mount", "--ipc", "--net", "--uts"], ":");
    let leaked = entered.0.id().to_string();
    let ran = ringfence(["verify", "--pid", &leaked, "-o", "jsonl"], "");
    let line = &lines(&ran)[0];
    let expected = ["user", "effective", "permitted", "bounding", "no_new_privs", "seccomp", "pid namespace"];
    assert!(fields(line).is_superset(&expected.into()), "{:#}", line["drift"]);
    assert_eq!((ran.code, &line["first"], &line["container"]["name"]), (1, &json!(false), &json!("web")));
    let (code, all) = pod.verify(&["--processes"]);
    let drifted: Vec<_> =
        all.iter().filter(|line| line["drifted"] == true).map(|line| line["pid"].to_string()).collect();
    assert_eq!((code, drifted), (1, vec![leaked]));
}

#[test]
fn what_is_mounted_afterwards_is_found() {
    let Some(pod) = Pod::start("mounted", &confined()) else { return };
    let (_, line) = pod.verify(&[]);
    let first = line[0]["pid"].to_string();
    let script = "mount -t tmpfs over /data && mount -o remount,bind,rw /memory && mkdir /dev/leak \\
        && mount --bind /etc /dev/leak || exit 1";
    let entered = Entered::new(&first, &["--mount"], script);
    drop(entered);
    for args in [vec![], vec![pod.file("pod.yaml")]] {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let (code, line) = pod.verify(&args);
        let found = fields(&line[0]);
        for field in ["mount over /data", "mount /memory", "mount /dev/leak"] {
            assert!(code == 1 && found.contains(field), "{field}: {:#}", line[0]["drift"]);
        }
    }
}

#[test]
fn who_gives_up_privileges_has_less_and_may_be_allowed_to() {
    let root = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [
        {"name": "web", "image": "none.invalid/web", "command": ["setpriv", "--reuid=1000", "--regid=1000",
            "--clear-groups", "--no-new-privs", "--bounding-set=-all", "sleep", "100000"]}]}});
    let Some(pod) = Pod::start("gives-up", &root) else { return };
    // It takes a moment until it has.
    let end = std::time::Instant::now() + std::time::Duration::from_mins(1);
    let line = loop {
        let (_, mut line) = pod.verify(&[]);
        if line[0]["command"] == "sleep 100000" {
            break line.remove(0);
        }
        assert!(std::time::Instant::now() < end, "{line:#?}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    assert!(fields(&line).is_superset(&["user", "bounding", "no_new_privs"].into()), "{:#}", line["drift"]);
    assert!(line["drift"].as_array().unwrap().iter().all(|drift| drift["narrower"] == true), "{:#}", line["drift"]);
    assert_eq!(line["drifted"], true);
    let (code, line) = pod.verify(&["--allow-narrower"]);
    assert_eq!((code, &line[0]["drifted"]), (0, &json!(false)));
}

#[test]
fn what_cannot_be_looked_at_is_said_and_never_called_clean() {
    let ran = ringfence(["verify", "--pid", "4294967294"], "");
    assert!(ran.code == 2 && ran.err.contains("there is no process 4294967294"), "{}", ran.err);
    let own = std::process::id().to_string();
    let ran = ringfence(["verify", "--pid", &own], "");
    assert!(ran.code == 2 && ran.err.contains("in no container that is known here"), "{}", ran.err);
    let ran = ringfence(["verify", "--container", "no-such-container"], "");
    assert!(ran.code == 2 && ran.err.contains("no container whose ID begins with"), "{}", ran.err);
    let ran = ringfence(["verify", "--all", "--runtime-endpoint", "/nowhere/socket"], "");
    assert!(ran.code == 2 && ran.err.contains("/nowhere/socket: cannot connect"), "{}", ran.err);
    let ran = ringfence(["verify"], "");
    assert!(ran.code == 2 && ran.err.contains("--pid"), "{}", ran.err);
}

#[test]
fn a_process_of_another_user_is_not_shown_wholly_and_is_an_error() {
    let Some(pod) = Pod::start("unseen", &confined()) else { return };
    let (_, line) = pod.verify(&[]);
    let first = line[0]["pid"].to_string();
    let file = pod.file("pod.yaml");
    let ran = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"])
        .arg(env!("CARGO_BIN_EXE_ringfence"))
        .args(["verify", "--pid", &first, "-"])
        .stdin(fs::File::open(file).unwrap())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    if ran.status.code() != Some(2) || !out.contains("not shown") {
        // The binary may lie where only root can pass.
        assert!(err.contains("ermission denied"), "{out}{err}");
    }
    assert!(!out.contains("no drift"), "{out}");
}
