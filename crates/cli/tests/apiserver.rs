//! Commands against real API servers: what they answer is what those do.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "apiserver/access.rs"]
mod access;
mod common;
#[path = "apiserver/kubernetes.rs"]
mod kubernetes;
#[path = "apiserver/node.rs"]
mod node;
#[path = "apiserver/openshift.rs"]
mod openshift;
#[path = "common/policy_reports.rs"]
mod policy_reports;
#[path = "apiserver/report.rs"]
mod report;
#[path = "common/serving.rs"]
mod serving;
#[path = "apiserver/waivers.rs"]
mod waivers;

use std::path::Path;
use std::process::Command;

use common::{Ran, ringfence};
use serde_json::{Value, json};

/// Runs a command with a kubeconfig.
fn with(kubeconfig: &Path, args: &[&str], stdin: &str) -> Ran {
    ringfence(args.iter().copied().chain(["--kubeconfig", kubeconfig.to_str().unwrap()]), stdin)
}

/// What kubectl of the same directory prints; `None`, which is then said, where there is none.
fn kubectl(kubeconfig: &Path, args: &[&str]) -> Option<String> {
    let program = Path::new(&std::env::var_os("KUBEBUILDER_ASSETS")?).join("kubectl");
    if !program.is_file() {
        println!("skipped: there is no {}", program.display());
        return None;
    }
    let output = Command::new(program).arg("--kubeconfig").arg(kubeconfig).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

fn namespace(name: &str, labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

fn account(namespace: &str, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}})
}

fn pod(namespace: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": spec})
}

/// A binding of a role of either kind, within a namespace or for the whole cluster.
fn binding(name: &str, namespace: Option<&str>, role: (&str, &str), user: &str) -> Value {
    const GROUP: &str = "rbac.authorization.k8s.io";
    let kind = if namespace.is_some() { "RoleBinding" } else { "ClusterRoleBinding" };
    let mut metadata = json!({ "name": name });
    if let Some(namespace) = namespace {
        metadata["namespace"] = namespace.into();
    }
    json!({"apiVersion": format!("{GROUP}/v1"), "kind": kind, "metadata": metadata,
        "roleRef": {"apiGroup": GROUP, "kind": role.0, "name": role.1},
        "subjects": [{"apiGroup": GROUP, "kind": "User", "name": user}]})
}

/// Objects as documents of one file.
fn documents(objects: &[Value]) -> String {
    objects.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n---\n")
}
