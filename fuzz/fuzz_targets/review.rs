//! A review by a stranger: whatever the bytes are, every webhook's answer to them ends, does not panic, repeats the
//! request's uid, and refuses with a status or not at all.
#![no_main]

use k8s_openapi::api::core::v1::Pod;
use libfuzzer_sys::fuzz_target;
use ringfence_admission::{
    admit::Pipeline,
    cluster::Snapshot,
    pod_security::{Limits, PodSecurity, PodSecurityConfiguration},
    review::{AdmissionRequest, AdmissionResponse, Phase, answer, constrain, read},
};
use serde_json::{Value, json};
use std::sync::LazyLock;

const NAMESPACE: &str = "n";

static CLUSTER: LazyLock<Snapshot> = LazyLock::new(|| {
    let metadata = json!({
        "name": NAMESPACE,
        "labels": {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/audit": "nonsense"},
        "annotations": {
            "openshift.io/sa.scc.uid-range": "1000/10",
            "openshift.io/sa.scc.supplemental-groups": "2000/10",
            "openshift.io/sa.scc.mcs": "s0:c1,c0",
        },
    });
    Snapshot::of(
        "fuzz",
        [
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}),
            pod(),
            constraint("tight", false, ["MustRunAsRange", "MustRunAs", "MustRunAs"]),
            constraint("wide", true, ["RunAsAny", "RunAsAny", "RunAsAny"]),
        ],
    )
});

fn pod() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": NAMESPACE}, "spec": {"containers": []}})
}

/// The pod that is entered.
static STORED: LazyLock<Option<Pod>> = LazyLock::new(|| serde_json::from_value(pod()).ok());

/// One that fills in nearly everything, and one that takes nearly everything, for everybody.
fn constraint(name: &str, wide: bool, [user, label, group]: [&str; 3]) -> Value {
    json!({
        "apiVersion": "security.openshift.io/v1", "kind": "SecurityContextConstraints", "metadata": {"name": name},
        "priority": if wide { 0 } else { 10 },
        "groups": ["system:authenticated", "system:serviceaccounts", "system:masters"],
        "allowPrivilegedContainer": wide, "allowPrivilegeEscalation": wide,
        "allowHostPID": wide, "allowHostIPC": wide, "allowHostNetwork": wide, "allowHostPorts": wide,
        "allowHostDirVolumePlugin": wide, "readOnlyRootFilesystem": !wide,
        "allowedCapabilities": if wide { json!(["*"]) } else { json!(["NET_BIND_SERVICE"]) },
        "requiredDropCapabilities": if wide { json!([]) } else { json!(["ALL"]) },
        "runAsUser": {"type": user}, "seLinuxContext": {"type": label}, "fsGroup": {"type": group},
        "supplementalGroups": {"type": group}, "volumes": ["*"],
        "seccompProfiles": if wide { json!(["*"]) } else { json!(["runtime/default"]) },
    })
}

static POD_SECURITY: LazyLock<PodSecurity> = LazyLock::new(|| {
    let configuration = PodSecurityConfiguration::default();
    PodSecurity::new(configuration).map(|it| it.with_limits(Limits::UPSTREAM).with_hints(true)).unwrap_or_default()
});

static PIPELINE: LazyLock<Pipeline<&Snapshot>> = LazyLock::new(|| Pipeline::new(&CLUSTER, POD_SECURITY.clone()));

fuzz_target!(|data: &[u8]| {
    let Ok(mut request) = read(data) else { return };
    check(&request, &POD_SECURITY.review(&*CLUSTER, &request).response);
    // Of a namespace that is not there is not much to say.
    NAMESPACE.clone_into(&mut request.namespace);
    for phase in [Phase::Mutate, Phase::Validate] {
        let response = constrain(&PIPELINE, phase, &request, STORED.as_ref());
        assert!(response.patch.is_none() || (response.allowed && phase == Phase::Mutate));
        check(&request, &response);
    }
});

fn check(request: &AdmissionRequest, response: &AdmissionResponse) {
    assert_eq!(response.uid, request.uid);
    assert_eq!(response.allowed, response.status.is_none());
    let text = serde_json::to_string(&answer(response)).expect("every answer can be written");
    assert!(serde_json::from_str::<Value>(&text).is_ok());
}
