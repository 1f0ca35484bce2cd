//! A pod that passes costs no heap allocation, at any level and version.

// Counting allocations takes an allocator, and implementing one is unsafe.
#![allow(unsafe_code)]

use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use ringfence_pss::{Level, Version, evaluate};
use serde_json::json;
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; the counter neither allocates nor has a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: `at` came from `alloc` above, with this layout.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

/// Every field that a control reads is there, with a value that passes.
fn passing() -> Pod {
    let context = json!({
        "allowPrivilegeEscalation": false, "privileged": false, "runAsNonRoot": true, "runAsUser": 1000,
        "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}, "procMount": "Default",
        "seccompProfile": {"type": "RuntimeDefault"}, "appArmorProfile": {"type": "Localhost", "localhostProfile": "x"},
        "seLinuxOptions": {"type": "container_t", "level": "s0"}, "windowsOptions": {"hostProcess": false},
    });
    let action = json!({"port": 80, "host": ""});
    let probe = json!({"httpGet": action, "tcpSocket": action});
    let container = |name: &str| {
        json!({
            "name": name, "securityContext": context, "ports": [{"containerPort": 80, "hostPort": 0}],
            "livenessProbe": probe, "readinessProbe": probe, "startupProbe": probe,
            "lifecycle": {"preStop": probe, "postStart": probe},
        })
    };
    let pod = json!({
        "metadata": {"annotations": {
            "container.apparmor.security.beta.kubernetes.io/a": "runtime/default",
            "seccomp.security.alpha.kubernetes.io/pod": "runtime/default",
            "container.seccomp.security.alpha.kubernetes.io/a": "localhost/x",
        }},
        "spec": {
            "containers": [container("a"), container("b")],
            "initContainers": [container("init")],
            "ephemeralContainers": [container("debug")],
            "volumes": [{"name": "a", "emptyDir": {}}, {"name": "b", "configMap": {"name": "b"}}],
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"},
                "appArmorProfile": {"type": "RuntimeDefault"}, "seLinuxOptions": {"type": "container_t"},
                "sysctls": [{"name": "kernel.shm_rmid_forced", "value": "1"}],
            },
            "hostNetwork": false, "hostPID": false, "hostIPC": false,
        },
    });
    serde_json::from_value(pod).expect("a pod")
}

#[test]
fn a_pod_that_passes_costs_no_allocation() {
    let pod = passing();
    let spec = pod.spec.expect("a spec");
    let versions = (0..=38).map(Version::v1).chain([Version::LATEST]);
    for version in versions {
        for level in Level::ALL {
            let mut allowed = false;
            let count = allocations(|| allowed = evaluate(level, version, &pod.metadata, &spec).allowed());
            assert!(allowed, "{level} {version}");
            assert_eq!(count, 0, "{level} {version}");
        }
    }
}

#[test]
fn the_counter_counts() {
    let pod: Pod = serde_json::from_value(json!({"spec": {"hostPID": true}})).expect("a pod");
    let (metadata, spec) = (ObjectMeta::default(), pod.spec.expect("a spec"));
    assert!(allocations(|| drop(evaluate(Level::Baseline, Version::LATEST, &metadata, &spec))) > 0);
}
