//! Admission of one pod under the platform's SCCs.

use std::collections::BTreeMap;
use std::sync::Arc;

use divan::{AllocProfiler, Bencher, black_box};
use k8s_openapi::api::core::v1::Pod;
use ringfence_scc::{Candidates, Engine, Grant, MCS, Namespace, Operation, Rule, Subject, UID_RANGE, platform};
use serde_json::json;

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

fn candidates() -> Candidates {
    let annotations: BTreeMap<String, String> =
        [(UID_RANGE, "1000680000/10000"), (MCS, "s0:c26,c10")].map(|(k, v)| (k.into(), v.into())).into();
    Engine::new(platform::constraints()).in_namespace(&Namespace { name: "app", annotations: Some(&annotations) })
}

fn access() -> impl Fn(&Subject, &str, &str) -> Option<Grant> {
    let rule = Arc::new(Rule { binding: "ClusterRoleBinding b".into(), role: "ClusterRole r".into() });
    move |subject, scc, _| {
        let everyone = subject.groups.iter().any(|g| g == "system:authenticated");
        (everyone && platform::FOR_ALL_AUTHENTICATED.contains(&scc)).then(|| Grant::Rule(Arc::clone(&rule)))
    }
}

fn pod(host_pid: bool) -> Pod {
    let pod = json!({
        "metadata": {"name": "web-0", "namespace": "app"},
        "spec": {
            "serviceAccountName": "default",
            "hostPID": host_pid,
            "initContainers": [{"name": "init", "image": "a"}],
            "containers": [
                {"name": "web", "image": "a", "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}},
                {"name": "proxy", "image": "b", "ports": [{"containerPort": 8080}]},
            ],
            "volumes": [{"name": "config", "configMap": {"name": "c"}}, {"name": "tmp", "emptyDir": {}}],
        },
    });
    serde_json::from_value(pod).expect("a pod")
}

fn bench(bencher: Bencher<'_, '_>, pod: &Pod) {
    let candidates = candidates();
    let access = access();
    let user = Subject { name: "alice".into(), groups: vec!["system:authenticated".into()] };
    bencher.bench_local(|| candidates.admit(black_box(pod), &user, Operation::Create, &access));
}

#[divan::bench]
fn admitted_by_restricted_v2(bencher: Bencher<'_, '_>) {
    bench(bencher, &pod(false));
}

#[divan::bench]
fn refused_by_all(bencher: Bencher<'_, '_>) {
    bench(bencher, &pod(true));
}

#[divan::bench]
fn near_misses_of_a_refused_pod(bencher: Bencher<'_, '_>) {
    let (candidates, pod) = (candidates(), pod(true));
    let access = access();
    let user = Subject { name: "alice".into(), groups: vec!["system:authenticated".into()] };
    bencher.bench_local(|| candidates.near_misses(black_box(&pod), &user, &access));
}

#[divan::bench]
fn preparing_a_namespace(bencher: Bencher<'_, '_>) {
    let engine = Engine::new(platform::constraints());
    let annotations: BTreeMap<String, String> =
        [(UID_RANGE, "1000680000/10000"), (MCS, "s0:c26,c10")].map(|(k, v)| (k.into(), v.into())).into();
    bencher.bench_local(|| engine.in_namespace(&Namespace { name: "app", annotations: Some(black_box(&annotations)) }));
}
