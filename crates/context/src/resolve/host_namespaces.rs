//! `hostPID`, `hostIPC`, `hostNetwork`, `hostUsers` and `shareProcessNamespace`: which of the node's namespaces a pod
//! shares (kubelet `kuberuntime/util/util.go`, NamespacesForPod; containerd `podsandbox/sandbox_run_linux.go`).

use super::outcome::{Outcome, Step};
use super::view::PodView;
use crate::effective::warning_code;
use crate::origin::Origin;
use crate::process::{Namespace, Namespaces};

/// The namespaces of every container of a pod, and where each comes from in the order pid, ipc, net, uts, user.
pub(crate) fn resolve(pod: &PodView<'_>) -> (Namespaces, [Origin; 5]) {
    let spec = pod.spec;
    let host = |asked: Option<bool>| if asked == Some(true) { Namespace::Host } else { Namespace::Own };
    let origin = |asked: Option<bool>, field: &str| {
        if asked.is_some() {
            Origin::pod(format!("spec.{field}"))
        } else {
            Origin::api_default(format!("spec.{field}"))
        }
    };
    let namespaces = Namespaces {
        pid: host(spec.host_pid),
        ipc: host(spec.host_ipc),
        net: host(spec.host_network),
        // The hostname goes with the network.
        uts: host(spec.host_network),
        user: if pod.has_user_namespace() { Namespace::Own } else { Namespace::Host },
    };
    let origins = [
        origin(spec.host_pid, "hostPID"),
        origin(spec.host_ipc, "hostIPC"),
        origin(spec.host_network, "hostNetwork"),
        origin(spec.host_network, "hostNetwork"),
        origin(spec.host_users, "hostUsers"),
    ];
    (namespaces, origins)
}

/// Whether the containers share one PID namespace.
pub(crate) fn shares_processes(pod: &PodView<'_>) -> bool {
    pod.spec.share_process_namespace == Some(true) && pod.spec.host_pid != Some(true)
}

/// What the kubelet refuses, and combinations without effect.
pub(crate) fn check_pod(pod: &PodView<'_>, outcome: &mut Outcome) {
    let spec = pod.spec;
    if spec.share_process_namespace == Some(true) && spec.host_pid == Some(true) {
        outcome.warn(
            warning_code::SHARE_PROCESS_NAMESPACE_IGNORED,
            "spec.shareProcessNamespace",
            "with hostPID the containers see every process of the node; the API refuses both together",
            "remove one of hostPID and shareProcessNamespace",
        );
    }
    if !pod.has_user_namespace() {
        return;
    }
    if pod.node.and_then(|node| node.user_namespaces) == Some(false) {
        outcome.refuse(
            Step::SandboxUserNamespace,
            Some(Origin::pod("spec.hostUsers")),
            "can't set `spec.hostUsers: false`, runtime does not support user namespaces",
        );
    }
    for (asked, field) in [(spec.host_network, "hostNetwork"), (spec.host_ipc, "hostIPC"), (spec.host_pid, "hostPID")] {
        if asked == Some(true) {
            outcome.warn(
                warning_code::HOST_USERS,
                format!("spec.{field}"),
                format!("hostUsers: false gives the pod's IDs no meaning on the node, and {field} shares the node's namespace"),
                format!("remove {field}, or hostUsers: false"),
            );
        }
    }
}

/// How many user and group IDs a pod's user namespace has, unless the kubelet is configured otherwise
/// (kubelet `pkg/kubelet/userns`).
const USER_NAMESPACE_IDS: u32 = 65536;

/// runc cannot become a user whom the pod's user namespace does not map, or have such a group.
pub(crate) fn refuse_unmapped(
    pod: &PodView<'_>,
    uid: Option<u32>,
    gid: Option<u32>,
    groups: impl Iterator<Item = u32>,
    outcome: &mut Outcome,
) {
    if !pod.has_user_namespace() {
        return;
    }
    let origin = || Some(Origin::pod("spec.hostUsers"));
    let unmapped = |id: &u32| *id >= USER_NAMESPACE_IDS;
    let refuse = |step, error: String, outcome: &mut Outcome| {
        outcome.refuse(step, origin(), super::outcome::runc_error(&format!("unable to setup user: {error}")));
    };
    if groups.into_iter().any(|group| unmapped(&group)) {
        refuse(Step::StartGroups, "setgroups: invalid argument".to_owned(), outcome);
    }
    if let Some(gid) = gid.filter(unmapped) {
        refuse(Step::StartGroup, format!("cannot setgid to unmapped gid {gid} in user namespace"), outcome);
    }
    if let Some(uid) = uid.filter(unmapped) {
        refuse(Step::StartUser, format!("cannot setuid to unmapped uid {uid} in user namespace"), outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effective::RefusalReason;
    use crate::facts::Facts;
    use crate::resolve::testing::{on_node, resolve_spec};

    #[test]
    fn everything_but_the_user_namespace_is_the_pods_own_by_default() {
        let effective = resolve_spec(r#"{"containers": []}"#, &Facts::default());
        let Namespaces { pid, ipc, net, uts, user } = effective.namespaces;
        assert_eq!([pid, ipc, net, uts], [Namespace::Own; 4]);
        assert_eq!(user, Namespace::Host);
    }

    #[test]
    fn the_hostname_goes_with_the_network() {
        let effective = resolve_spec(r#"{"containers": [], "hostNetwork": true}"#, &Facts::default());
        assert_eq!((effective.namespaces.net, effective.namespaces.uts), (Namespace::Host, Namespace::Host));
    }

    #[test]
    fn host_users_false_gives_a_user_namespace_where_the_runtime_can() {
        let spec = r#"{"containers": [{"name": "a"}], "hostUsers": false}"#;
        let effective = resolve_spec(spec, &Facts::default());
        assert_eq!((effective.namespaces.user, effective.refusal), (Namespace::Own, None));
        let refusal = resolve_spec(spec, &on_node(Facts::default(), r#"{"userNamespaces": false}"#)).refusal.unwrap();
        assert_eq!(refusal.reason, RefusalReason::FailedCreatePodSandBox);
        assert_eq!(refusal.message, "can't set `spec.hostUsers: false`, runtime does not support user namespaces");
    }

    #[test]
    fn an_id_that_the_user_namespace_does_not_map_fails_the_start() {
        let spec = r#"{"containers": [{"name": "a", "securityContext": {"runAsUser": 65536, "runAsGroup": 1}}],
            "hostUsers": false}"#;
        let effective = resolve_spec(spec, &Facts::default());
        let refusal = effective.containers[0].refusal.as_ref().unwrap();
        assert_eq!(refusal.reason, RefusalReason::StartError);
        assert!(refusal.message.ends_with("cannot setuid to unmapped uid 65536 in user namespace"));
    }

    #[test]
    fn sharing_processes_with_the_node_makes_sharing_them_in_the_pod_moot() {
        let spec = r#"{"containers": [], "shareProcessNamespace": true, "hostPID": true}"#;
        let effective = resolve_spec(spec, &Facts::default());
        assert!(!effective.share_process_namespace);
        assert_eq!(effective.warnings[0].code, warning_code::SHARE_PROCESS_NAMESPACE_IGNORED);
    }
}
