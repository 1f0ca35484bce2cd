//! The four pods of the Kubernetes task "Configure a Security Context for a Pod or Container".
#![allow(clippy::unwrap_used, reason = "the functions that make a test's pods may panic too")]
#![allow(clippy::needless_pass_by_value, reason = "json!() makes the values on the spot")]

use std::fmt::Write as _;

use k8s_openapi::api::core::v1::Pod;
use ringfence_context::capability::CapSet;
use ringfence_context::effective::EffectivePod;
use ringfence_context::facts::{Facts, ImagesFile, NodeCapabilities, NodeFacts};
use ringfence_context::origin::Value;
use ringfence_context::resolve;
use serde_json::{Value as Json, json};

fn facts() -> Facts {
    let passwd = "root:x:0:0:root:/root:/bin/sh\n";
    let images: ImagesFile = serde_json::from_value(json!({"images": [
        {"name": "busybox:1.28", "passwd": passwd, "group": "root:x:0:\nwheel:x:10:root\n"},
        {"name": "gcr.io/google-samples/hello-app:2.0", "passwd": passwd, "group": "root:x:0:\n"},
    ]}))
    .unwrap();
    let mut facts = Facts {
        node: Some(NodeFacts {
            runtime: Some("containerd 2.4.0".to_owned()),
            capabilities: NodeCapabilities { bounding: Some(CapSet::ALL) },
            apparmor: Some(false),
            selinux: Some(false),
            ..NodeFacts::default()
        }),
        ..Facts::default()
    };
    facts.add_images(images).unwrap();
    facts
}

fn resolved(name: &str, spec: Json) -> EffectivePod {
    let pod: Pod =
        serde_json::from_value(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}))
            .unwrap();
    resolve(&pod.metadata, &pod.spec.unwrap(), &facts())
}

fn first() -> EffectivePod {
    resolved(
        "security-context-demo",
        json!({
            "securityContext": {"runAsUser": 1000, "runAsGroup": 3000, "fsGroup": 2000},
            "volumes": [{"name": "sec-ctx-vol", "emptyDir": {}}],
            "containers": [{
                "name": "sec-ctx-demo",
                "image": "busybox:1.28",
                "command": ["sh", "-c", "sleep 1h"],
                "volumeMounts": [{"name": "sec-ctx-vol", "mountPath": "/data/demo"}],
                "securityContext": {"allowPrivilegeEscalation": false},
            }],
        }),
    )
}

fn hello(pod: &str, container: &str, pod_context: Json, context: Json) -> EffectivePod {
    resolved(
        pod,
        json!({
            "securityContext": pod_context,
            "containers": [{
                "name": container,
                "image": "gcr.io/google-samples/hello-app:2.0",
                "securityContext": context,
            }],
        }),
    )
}

/// Each value with where it comes from, one a line.
fn table(pod: &EffectivePod) -> String {
    fn line<T: std::fmt::Debug>(table: &mut String, field: &str, value: &Value<T>) {
        match value {
            Value::Known { value, origin } => writeln!(table, "{field}: {value:?} <- {origin}"),
            Value::Unknown { unknown } => writeln!(table, "{field}: unknown <- {unknown}"),
        }
        .unwrap();
    }
    let mut table = String::new();
    for container in &pod.containers {
        line(&mut table, "uid", &container.user.uid);
        line(&mut table, "gid", &container.user.gid);
        for group in &container.user.certain_groups {
            writeln!(table, "group: {} <- {}", group.gid, group.origin).unwrap();
        }
        if let Some(sets) = container.capabilities.sets.get() {
            writeln!(
                table,
                "permitted: {}, effective: {}, bounding: {}",
                sets.permitted, sets.effective, sets.bounding
            )
            .unwrap();
        }
        line(&mut table, "capabilities", &container.capabilities.granted);
        line(&mut table, "no_new_privs", &container.no_new_privileges);
        line(&mut table, "seccomp", &container.seccomp);
        line(&mut table, "apparmor", &container.app_armor);
        line(&mut table, "selinux", &container.selinux);
        line(&mut table, "privileged", &container.privileged);
        line(&mut table, "read-only root", &container.read_only_root_filesystem);
        line(&mut table, "procMount", &container.proc_mount);
        line(&mut table, "HOME", &container.home);
        for mount in &container.mounts {
            let ownership = mount.ownership.get().unwrap();
            writeln!(
                table,
                "{}: {ownership} {} {} <- {}",
                mount.mount_path,
                ownership.uid,
                ownership.gid,
                mount.ownership.origin().unwrap()
            )
            .unwrap();
        }
        for warning in &container.warnings {
            writeln!(table, "{}: {} ({})", warning.code, warning.message, warning.field).unwrap();
        }
        assert_eq!(container.refusal, None);
    }
    table
}

#[test]
fn the_first_pod_runs_as_1000_with_group_3000_and_a_volume_of_group_2000() {
    insta::assert_snapshot!(table(&first()));
}

#[test]
fn the_second_pods_container_overrides_the_user() {
    let pod = hello(
        "security-context-demo-2",
        "sec-ctx-demo-2",
        json!({"runAsUser": 1000}),
        json!({"runAsUser": 2000, "allowPrivilegeEscalation": false}),
    );
    insta::assert_snapshot!(table(&pod));
}

#[test]
fn the_third_pod_has_the_default_capabilities() {
    insta::assert_snapshot!(table(&hello("security-context-demo-3", "sec-ctx-3", json!(null), json!(null))));
}

#[test]
fn the_fourth_pod_adds_two_capabilities() {
    let pod = hello(
        "security-context-demo-4",
        "sec-ctx-4",
        json!(null),
        json!({"capabilities": {"add": ["NET_ADMIN", "SYS_TIME"]}}),
    );
    insta::assert_snapshot!(table(&pod));
}

#[test]
fn the_effective_pod_is_json_of_this_shape() {
    insta::assert_json_snapshot!(first());
}

#[test]
fn the_predicted_state_is_json_of_this_shape() {
    insta::assert_json_snapshot!(first().containers[0].process());
}
