//! A review by a stranger: whatever the bytes are, every webhook's answer to them ends, does not panic, repeats the
//! request's uid, and refuses with a status or not at all.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringfence_admission::{
    cluster::Snapshot,
    pod_security::{Limits, PodSecurity, PodSecurityConfiguration},
    review::{answer, read},
};
use serde_json::json;
use std::sync::LazyLock;

static CLUSTER: LazyLock<Snapshot> = LazyLock::new(|| {
    let labels = json!({"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/audit": "nonsense"});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"}, "spec": {"containers": []}});
    Snapshot::of("fuzz", [json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n", "labels": labels}}), pod])
});

static POD_SECURITY: LazyLock<PodSecurity> = LazyLock::new(|| {
    let configuration = PodSecurityConfiguration::default();
    PodSecurity::new(configuration).map(|it| it.with_limits(Limits::UPSTREAM).with_hints(true)).unwrap_or_default()
});

fuzz_target!(|data: &[u8]| {
    let Ok(request) = read(data) else { return };
    let response = POD_SECURITY.review(&*CLUSTER, &request).response;
    assert_eq!(response.uid, request.uid);
    assert_eq!(response.allowed, response.status.is_none());
    let Ok(text) = serde_json::to_string(&answer(&response)) else { panic!("an answer cannot be written") };
    assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
});
