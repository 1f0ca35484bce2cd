//! The SCCs that OpenShift installs on every cluster, for when a dump has none.
//!
//! Facts of the releases that have `restricted-v3`. Most differ little from another, which is
//! why each is written as its difference from it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::constraints::{GroupStrategyOptions, IDRange, RunAsUserStrategyOptions, SecurityContextConstraints};

/// Without these the API server lets nobody create a pod: it takes their absence for a list that it has not read
/// completely.
pub const REQUIRED: [&str; 10] = [
    "anyuid",
    "hostaccess",
    "hostmount-anyuid",
    "hostnetwork",
    "hostnetwork-v2",
    "nonroot",
    "nonroot-v2",
    "privileged",
    "restricted",
    "restricted-v2",
];

/// The SCCs that a cluster's own bindings let `system:authenticated` use.
pub const FOR_ALL_AUTHENTICATED: [&str; 2] = ["restricted-v2", "restricted-v3"];

/// The cluster role that gives the right to one of these SCCs.
pub fn cluster_role(scc: &str) -> String {
    format!("system:openshift:scc:{scc}")
}

/// The SCCs of [`REQUIRED`] that are not among these, sorted.
pub fn missing(constraints: &[SecurityContextConstraints]) -> Vec<&'static str> {
    REQUIRED.into_iter().filter(|name| !constraints.iter().any(|scc| scc.name() == *name)).collect()
}

/// Every SCC of the platform, sorted by name.
pub fn constraints() -> Vec<SecurityContextConstraints> {
    vec![
        anyuid(),
        hostaccess(),
        hostmount_anyuid(),
        hostnetwork(),
        v2(hostnetwork()),
        nonroot(),
        v2(nonroot()),
        privileged(),
        restricted(),
        v2(restricted()),
        restricted_v3(),
    ]
}

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

fn named(name: &str, scc: SecurityContextConstraints) -> SecurityContextConstraints {
    SecurityContextConstraints { metadata: ObjectMeta { name: Some(name.into()), ..Default::default() }, ..scc }
}

fn groups(type_: &str) -> GroupStrategyOptions {
    GroupStrategyOptions { type_: type_.into(), ranges: Vec::new() }
}

fn user(type_: &str) -> RunAsUserStrategyOptions {
    RunAsUserStrategyOptions { type_: type_.into(), ..Default::default() }
}

/// The namespace's users, groups and label; nothing of the node.
fn restricted() -> SecurityContextConstraints {
    let mut scc = SecurityContextConstraints {
        api_version: "security.openshift.io/v1".into(),
        kind: "SecurityContextConstraints".into(),
        allow_privilege_escalation: Some(true),
        required_drop_capabilities: strings(&["KILL", "MKNOD", "SETUID", "SETGID"]),
        run_as_user: user("MustRunAsRange"),
        fs_group: groups("MustRunAs"),
        supplemental_groups: groups("RunAsAny"),
        volumes: Some(strings(&[
            "configMap",
            "csi",
            "downwardAPI",
            "emptyDir",
            "ephemeral",
            "image",
            "persistentVolumeClaim",
            "projected",
            "secret",
        ])),
        ..Default::default()
    };
    scc.se_linux_context.type_ = "MustRunAs".into();
    named("restricted", scc)
}

/// What the second version adds to any of them: no escalation, no capability but one, the default seccomp profile.
fn v2(scc: SecurityContextConstraints) -> SecurityContextConstraints {
    let name = format!("{}-v2", scc.name());
    named(
        &name,
        SecurityContextConstraints {
            allow_privilege_escalation: Some(false),
            required_drop_capabilities: strings(&["ALL"]),
            allowed_capabilities: strings(&["NET_BIND_SERVICE"]),
            seccomp_profiles: strings(&["runtime/default"]),
            ..scc
        },
    )
}

/// A user namespace of its own, and in it any user but root.
fn restricted_v3() -> SecurityContextConstraints {
    let (min, max) = (1000, 65534);
    let own = || GroupStrategyOptions { type_: "MustRunAs".into(), ranges: vec![IDRange { min, max }] };
    named(
        "restricted-v3",
        SecurityContextConstraints {
            user_namespace_level: "RequirePodLevel".into(),
            run_as_user: RunAsUserStrategyOptions {
                uid_range_min: Some(min),
                uid_range_max: Some(max),
                ..user("MustRunAsRange")
            },
            fs_group: own(),
            supplemental_groups: own(),
            ..v2(restricted())
        },
    )
}

/// Any user but root, any group.
fn nonroot() -> SecurityContextConstraints {
    named(
        "nonroot",
        SecurityContextConstraints {
            run_as_user: user("MustRunAsNonRoot"),
            fs_group: groups("RunAsAny"),
            ..restricted()
        },
    )
}

/// Any user and group; tried before the others.
fn anyuid() -> SecurityContextConstraints {
    named(
        "anyuid",
        SecurityContextConstraints {
            priority: Some(10),
            required_drop_capabilities: strings(&["MKNOD"]),
            run_as_user: user("RunAsAny"),
            fs_group: groups("RunAsAny"),
            groups: strings(&["system:cluster-admins"]),
            ..restricted()
        },
    )
}

/// The node's network and ports.
fn hostnetwork() -> SecurityContextConstraints {
    named(
        "hostnetwork",
        SecurityContextConstraints {
            allow_host_network: true,
            allow_host_ports: true,
            supplemental_groups: groups("MustRunAs"),
            ..restricted()
        },
    )
}

/// Any user, and the node's directories; made for recycling volumes.
fn hostmount_anyuid() -> SecurityContextConstraints {
    let mut scc = SecurityContextConstraints {
        priority: None,
        allow_host_dir_volume_plugin: true,
        users: strings(&["system:serviceaccount:openshift-infra:pv-recycler-controller"]),
        groups: Vec::new(),
        ..anyuid()
    };
    add_volumes(&mut scc, &["hostPath", "nfs"]);
    named("hostmount-anyuid", scc)
}

/// Everything of the node except privileges.
fn hostaccess() -> SecurityContextConstraints {
    let mut scc = SecurityContextConstraints {
        allow_host_dir_volume_plugin: true,
        allow_host_ipc: true,
        allow_host_network: true,
        allow_host_pid: true,
        allow_host_ports: true,
        ..restricted()
    };
    add_volumes(&mut scc, &["hostPath"]);
    named("hostaccess", scc)
}

/// Everything.
fn privileged() -> SecurityContextConstraints {
    let mut scc = SecurityContextConstraints {
        allow_privileged_container: true,
        allowed_capabilities: strings(&["*"]),
        required_drop_capabilities: Vec::new(),
        allowed_unsafe_sysctls: strings(&["*"]),
        run_as_user: user("RunAsAny"),
        fs_group: groups("RunAsAny"),
        seccomp_profiles: strings(&["*"]),
        volumes: Some(strings(&["*"])),
        users: strings(&["system:admin", "system:serviceaccount:openshift-infra:build-controller"]),
        groups: strings(&["system:cluster-admins", "system:nodes", "system:masters"]),
        ..hostaccess()
    };
    scc.se_linux_context.type_ = "RunAsAny".into();
    named("privileged", scc)
}

fn add_volumes(scc: &mut SecurityContextConstraints, more: &[&str]) {
    let list = scc.volumes.get_or_insert_default();
    list.extend(strings(more));
    list.sort_unstable();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::constraints::{decode, validate};
    use crate::{Engine, why_before};

    #[test]
    fn they_are_what_a_cluster_has() {
        let fixture: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../tests/fixtures/platform.json")).unwrap();
        let expected: Vec<_> = fixture.iter().map(|v| decode(v).unwrap()).collect();
        let built_in = constraints();
        assert_eq!(built_in.len(), expected.len());
        for (ours, theirs) in built_in.iter().zip(&expected) {
            assert_eq!(ours, theirs, "{}", theirs.name());
        }
    }

    #[test]
    fn they_are_valid_and_complete() {
        let mut all = constraints();
        assert!(missing(&all).is_empty());
        for scc in &mut all {
            scc.set_defaults();
            assert_eq!(validate(scc), [], "{}", scc.name());
        }
        all.retain(|scc| scc.name() != "anyuid");
        assert_eq!(missing(&all), ["anyuid"]);
    }

    #[test]
    fn their_order_is_that_of_a_fresh_cluster() {
        let engine = Engine::new(constraints());
        let order: Vec<String> = engine
            .constraints()
            .windows(2)
            .map(|w| format!("{} {} than {}", w[0].name(), why_before(&w[0], &w[1]).unwrap(), w[1].name()))
            .collect();
        insta::assert_snapshot!(order.join("\n"));
    }
}
