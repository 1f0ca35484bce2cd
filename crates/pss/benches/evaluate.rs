//! How long a pod takes to judge. `PODS=FILE` names pods to judge as well, one JSON object a line; times are per pod
//! then too, but of one pass over all of them divided by their number.

use divan::{Bencher, black_box, counter::ItemsCount};
use k8s_openapi::api::core::v1::Pod;
use ringfence_pss::{Level, Version, evaluate};
use serde_json::{Value, json};
use std::fs;

const LEVELS: [Level; 2] = [Level::Baseline, Level::Restricted];

fn main() {
    divan::main();
}

fn pod(pod: Value) -> Pod {
    serde_json::from_value(pod).expect("a pod")
}

fn passing() -> Pod {
    let context = json!({
        "allowPrivilegeEscalation": false, "runAsNonRoot": true, "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    pod(json!({"spec": {
        "containers": [{"name": "a", "securityContext": context}, {"name": "b", "securityContext": context}],
        "initContainers": [{"name": "init", "securityContext": context}],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }}))
}

fn failing() -> Pod {
    pod(json!({"spec": {
        "hostNetwork": true,
        "containers": [
            {"name": "a", "securityContext": {"privileged": true}, "ports": [{"containerPort": 1, "hostPort": 1}]},
            {"name": "b", "securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}, "runAsUser": 0}},
        ],
        "volumes": [{"name": "root", "hostPath": {"path": "/"}}],
    }}))
}

#[divan::bench(args = LEVELS)]
fn pass(bencher: Bencher<'_, '_>, level: Level) {
    verdicts(bencher, level, &[passing()]);
}

#[divan::bench(args = LEVELS)]
fn fail(bencher: Bencher<'_, '_>, level: Level) {
    verdicts(bencher, level, &[failing()]);
}

#[divan::bench(args = LEVELS)]
fn fail_with_reason_and_detail(bencher: Bencher<'_, '_>, level: Level) {
    messages(bencher, level, &[failing()]);
}

#[divan::bench(args = LEVELS)]
fn pods_of_a_file(bencher: Bencher<'_, '_>, level: Level) {
    verdicts(bencher, level, &given());
}

#[divan::bench(args = LEVELS)]
fn pods_of_a_file_with_reason_and_detail(bencher: Bencher<'_, '_>, level: Level) {
    messages(bencher, level, &given());
}

fn verdicts(bencher: Bencher<'_, '_>, level: Level, pods: &[Pod]) {
    bencher.counter(ItemsCount::new(pods.len())).bench(|| {
        for Pod { metadata, spec, .. } in pods {
            if let Some(spec) = spec {
                black_box(evaluate(level, Version::LATEST, black_box(metadata), black_box(spec)));
            }
        }
    });
}

fn messages(bencher: Bencher<'_, '_>, level: Level, pods: &[Pod]) {
    bencher.counter(ItemsCount::new(pods.len())).bench(|| {
        for Pod { metadata, spec, .. } in pods {
            if let Some(spec) = spec {
                let verdict = evaluate(level, Version::LATEST, black_box(metadata), black_box(spec));
                black_box((verdict.reason(), verdict.detail()));
            }
        }
    });
}

/// The pods of the file that `PODS` names, or none.
fn given() -> Vec<Pod> {
    let Some(path) = std::env::var_os("PODS") else { return Vec::new() };
    let lines = fs::read_to_string(path).expect("PODS names a file");
    lines.lines().map(|line| serde_json::from_str(line).expect("a pod a line")).collect()
}
