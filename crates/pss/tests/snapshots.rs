//! What people get to read, for a few pods.

use k8s_openapi::api::core::v1::Pod;
use ringfence_pss::{Edit, Level, Verdict, Version, evaluate, evaluate_all};
use serde_json::{Value, json};
use std::fmt::Write as _;

fn tell(verdict: &Verdict<'_>) -> String {
    let mut text =
        format!("allowed: {}\nreason: {}\ndetail: {}\n", verdict.allowed(), verdict.reason(), verdict.detail());
    for finding in verdict.findings() {
        let hint = finding.hint();
        let edit = match hint.edit {
            Some(Edit::Set { path, value }) => format!("set {path} to {value}"),
            Some(Edit::Remove { path }) => format!("remove {path}"),
            None => "a choice".to_owned(),
        };
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n{}: {}\n  {}\n  hint: {}\n  edit: {edit}\n",
            finding.control().id,
            finding.path(),
            finding.message(),
            hint.text
        );
    }
    text
}

fn judge(level: Level, version: &str, pod: Value) -> String {
    let pod: Pod = serde_json::from_value(pod).expect("a pod");
    let spec = pod.spec.expect("a spec");
    tell(&evaluate(level, version.parse().expect("a version"), &pod.metadata, &spec))
}

fn deployment_like() -> Value {
    json!({"spec": {
        "hostNetwork": true,
        "securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]},
        "initContainers": [
            {"name": "migrate"},
            {"name": "proxy", "restartPolicy": "Always", "securityContext": {"runAsUser": 0}},
        ],
        "containers": [{
            "name": "app",
            "ports": [{"containerPort": 80, "hostPort": 80}],
            "securityContext": {"privileged": true, "capabilities": {"drop": ["NET_RAW"], "add": ["CHOWN", "SYS_ADMIN"]}},
            "livenessProbe": {"httpGet": {"host": "127.0.0.1", "port": 80}},
        }],
        "volumes": [{"name": "docker", "hostPath": {"path": "/var/run/docker.sock"}}],
    }})
}

#[test]
fn baseline_on_a_pod_with_much_wrong() {
    insta::assert_snapshot!(judge(Level::Baseline, "latest", deployment_like()));
}

#[test]
fn restricted_on_a_pod_with_much_wrong() {
    insta::assert_snapshot!(judge(Level::Restricted, "latest", deployment_like()));
}

#[test]
fn annotations_of_old() {
    let pod = json!({
        "metadata": {"annotations": {
            "container.apparmor.security.beta.kubernetes.io/app": "unconfined",
            "container.seccomp.security.alpha.kubernetes.io/app": "unconfined",
        }},
        "spec": {"containers": [{"name": "app"}]},
    });
    insta::assert_snapshot!(judge(Level::Baseline, "v1.18", pod));
}

#[test]
fn a_plain_pod_through_the_versions_of_restricted() {
    let pod: Pod =
        serde_json::from_value(json!({"spec": {"hostUsers": false, "containers": [{"name": "app"}]}})).expect("a pod");
    let spec = pod.spec.expect("a spec");
    let ranges = evaluate_all(Level::Restricted, &pod.metadata, &spec);
    let mut text = String::new();
    for range in &ranges {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{} … {}: {}", range.from, range.to, range.verdict.reason());
    }
    insta::assert_snapshot!(text);
    assert_eq!(ranges.last().map(|range| range.to), Some(Version::LATEST));
}
