//! The four pods of the walk-through, each really started under runc and read back. Needs root and runc.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic too")]

mod support;

use ringfence_context::capability::CapSet;
use ringfence_context::process::ProcessState;
use ringfence_runtime::external::External;
use serde_json::json;

fn observe(pod: serde_json::Value) -> Option<ProcessState> {
    let Ok(runc) = External::find("runc") else {
        eprintln!("passed over: there is no runc");
        return None;
    };
    if !support::is_root() {
        eprintln!("passed over: not root");
        return None;
    }
    let observed = support::probe(&runc, &support::pod(pod), &support::facts(), None).unwrap_or_else(|error| {
        panic!("{error}: {:?}", std::error::Error::source(&error).map(ToString::to_string));
    });
    assert_eq!(observed.not_shown, [].into());
    Some(observed.state)
}

#[test]
fn the_pods_user_group_and_volume_are_as_declared() {
    let Some(state) = observe(json!({
        "metadata": {"name": "security-context-demo"},
        "spec": {
            "securityContext": {"runAsUser": 1000, "runAsGroup": 3000, "fsGroup": 2000},
            "volumes": [{"name": "sec-ctx-vol", "emptyDir": {}}],
            "containers": [{
                "name": "sec-ctx-demo", "image": "local/root:1", "command": ["sh", "-c", "sleep 1h"],
                "volumeMounts": [{"name": "sec-ctx-vol", "mountPath": "/data/demo"}],
                "securityContext": {"allowPrivilegeEscalation": false}
            }]
        }
    })) else {
        return;
    };
    assert_eq!((state.uid, state.gid), (Some(1000), Some(3000)));
    assert!(state.groups.unwrap().contains(&2000));
    assert_eq!(state.no_new_privileges, Some(true));
    let volume = &state.volumes["/data/demo"];
    assert_eq!((volume.mode.as_str(), volume.uid, volume.gid), ("drwxrwsrwx", 0, 2000));
    let file = &state.created_files["/data/demo"];
    assert_eq!((file.uid, file.gid), (1000, 2000));
    let namespaces = state.namespaces.unwrap();
    assert_eq!(
        serde_json::to_value(namespaces).unwrap(),
        json!({"pid": "own", "ipc": "own", "net": "own", "uts": "own", "user": "host"})
    );
    assert_eq!(state.proc_masked, Some(true));
}

#[test]
fn the_containers_user_overrides_the_pods() {
    let Some(state) = observe(json!({
        "metadata": {"name": "security-context-demo-2"},
        "spec": {
            "securityContext": {"runAsUser": 1000},
            "containers": [{"name": "c", "image": "local/root:1", "securityContext": {"runAsUser": 2000, "allowPrivilegeEscalation": false}}]
        }
    })) else {
        return;
    };
    assert_eq!(state.uid, Some(2000));
    assert_eq!(state.capabilities.unwrap().permitted, CapSet::EMPTY);
}

#[test]
fn without_a_capabilities_field_the_default_set_is_given() {
    let Some(state) = observe(json!({
        "metadata": {"name": "security-context-demo-3"},
        "spec": {"containers": [{"name": "c", "image": "local/root:1"}]}
    })) else {
        return;
    };
    let sets = state.capabilities.unwrap();
    assert_eq!((sets.permitted, sets.effective), (CapSet(0xa804_25fb), CapSet(0xa804_25fb)));
    assert_eq!(state.seccomp_mode, Some(0));
}

#[test]
fn capabilities_that_are_added_are_given() {
    let Some(state) = observe(json!({
        "metadata": {"name": "security-context-demo-4"},
        "spec": {"containers": [{
            "name": "c", "image": "local/root:1",
            "securityContext": {"capabilities": {"add": ["NET_ADMIN", "SYS_TIME"]}, "readOnlyRootFilesystem": true,
                "seccompProfile": {"type": "RuntimeDefault"}}
        }]}
    })) else {
        return;
    };
    let sets = state.capabilities.unwrap();
    assert_eq!((sets.permitted, sets.effective), (CapSet(0xaa04_35fb), CapSet(0xaa04_35fb)));
    assert_eq!(state.read_only_root_filesystem, Some(true));
    assert_eq!(state.seccomp_mode, Some(2));
}
