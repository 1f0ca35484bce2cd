//! `ringfence sync --watch` against real API servers, with the rights that `deploy/rbac/controllers.yaml` grants.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod common;
#[path = "controllers/labels.rs"]
mod labels;
#[path = "common/policy_reports.rs"]
mod policy_reports;
#[path = "controllers/ranges.rs"]
mod ranges;
#[path = "controllers/replicas.rs"]
mod replicas;
#[path = "controllers/reports.rs"]
mod reports;
#[path = "controllers/running.rs"]
mod running;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::{lines, ringfence, root};
use ringfence_testing::{ApiServer, Flavour};
use running::PATIENCE;
use serde_json::{Value, json};

/// A plain API server with security context constraints, of which service accounts may use the strict one, and with
/// the controllers' rights.
fn server() -> Option<ApiServer> {
    let server = ApiServer::start(Flavour::Kubernetes)?;
    server.define_constraints();
    server.create(&namespace("ringfence-system", &json!({})));
    apply(&server, "deploy/rbac/controllers.yaml");
    server.create_all(&[
        constraint("strict", &["system:authenticated"], &json!({})),
        constraint("anyuid", &[], &json!({"runAsUser": {"type": "RunAsAny"}})),
        constraint("privileged", &[], &json!({"allowPrivilegedContainer": true})),
    ]);
    Some(server)
}

/// Creates what a file of the repository has.
fn apply(server: &ApiServer, file: &str) {
    let path = root().join(file);
    let read = ringfence(["read", "-o", "jsonl", path.to_str().unwrap()], "");
    assert_eq!((read.code, &*read.err), (0, ""));
    for line in lines(&read) {
        server.create(&line["json"]);
    }
}

fn namespace(name: &str, labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

fn account(namespace: &str, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}})
}

/// As strict as can be, but for the changes.
fn constraint(name: &str, groups: &[&str], changes: &Value) -> Value {
    let mut scc = json!({"apiVersion": "security.openshift.io/v1", "kind": "SecurityContextConstraints",
        "metadata": {"name": name}, "groups": groups, "users": [], "allowPrivilegeEscalation": false,
        "requiredDropCapabilities": ["ALL"], "volumes": ["configMap"], "seLinuxContext": {"type": "MustRunAs"},
        "seccompProfiles": ["runtime/default"], "runAsUser": {"type": "MustRunAsRange"},
        "fsGroup": {"type": "MustRunAs"}, "supplementalGroups": {"type": "MustRunAs"}});
    scc.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    scc
}

/// The namespace now.
fn get(server: &ApiServer, name: &str) -> Value {
    server.admin().get(&format!("/api/v1/namespaces/{name}")).body
}

/// Its pod-security labels: those of levels by the mode, those of versions left out.
fn levels(server: &ApiServer, name: &str) -> BTreeMap<String, String> {
    let namespace = get(server, name);
    let labels = namespace["metadata"]["labels"].as_object().cloned().unwrap_or_default();
    let level = |(key, value): (String, Value)| {
        let mode = key.strip_prefix("pod-security.kubernetes.io/")?.to_owned();
        (!mode.ends_with("-version")).then(|| (mode, value.as_str().unwrap_or_default().to_owned()))
    };
    labels.into_iter().filter_map(level).collect()
}

/// All three modes at these levels.
fn modes(enforce: &str, others: &str) -> BTreeMap<String, String> {
    [("enforce", enforce), ("audit", others), ("warn", others)].map(|(k, v)| (k.to_owned(), v.to_owned())).into()
}

fn annotation(server: &ApiServer, name: &str, key: &str) -> Option<String> {
    get(server, name)["metadata"]["annotations"][key].as_str().map(str::to_owned)
}

/// Waits until it is so; fails with what it is, if it never is.
fn eventually<T: PartialEq + std::fmt::Debug>(what: &str, wanted: &T, mut is: impl FnMut() -> T) {
    let begun = Instant::now();
    loop {
        let now = is();
        if now == *wanted {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: it stays {now:#?}");
        sleep(Duration::from_millis(50));
    }
}

/// kubectl of the same directory; `None`, which is then said, where there is none.
fn kubectl(kubeconfig: &Path, args: &[&str]) -> Option<Output> {
    let program = Path::new(&std::env::var_os("KUBEBUILDER_ASSETS")?).join("kubectl");
    if !program.is_file() {
        println!("skipped: there is no {}", program.display());
        return None;
    }
    Some(Command::new(program).arg("--kubeconfig").arg(kubeconfig).args(args).output().unwrap())
}
