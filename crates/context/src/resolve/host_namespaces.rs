//! `hostPID`, `hostIPC`, `hostNetwork`, `hostUsers` and `shareProcessNamespace`: which of the node's namespaces a pod
//! shares (kubelet `kuberuntime/util/util.go`, NamespacesForPod; containerd `podsandbox/sandbox_run_linux.go`).

use super::outcome::{Outcome, Step, runc_error};
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
    refuse_sandbox(pod, outcome);
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

/// What runc says of IDs that the pod's user namespace does not map: the groups, then the group, then the user. `None`
/// where it maps them all.
fn unmapped(uid: Option<u32>, gid: Option<u32>, mut groups: impl Iterator<Item = u32>) -> Option<(Step, String)> {
    let unmapped = |id: &u32| *id >= USER_NAMESPACE_IDS;
    let (step, error) = if groups.any(|group| unmapped(&group)) {
        (Step::StartGroups, "setgroups: invalid argument".to_owned())
    } else if let Some(gid) = gid.filter(unmapped) {
        (Step::StartGroup, format!("cannot setgid to unmapped gid {gid} in user namespace"))
    } else if let Some(uid) = uid.filter(unmapped) {
        (Step::StartUser, format!("cannot setuid to unmapped uid {uid} in user namespace"))
    } else {
        return None;
    };
    Some((step, runc_error(&format!("unable to setup user: {error}"))))
}

/// runc cannot become a user whom the pod's user namespace does not map, or have such a group.
pub(crate) fn refuse_container(
    pod: &PodView<'_>,
    uid: Option<u32>,
    gid: Option<u32>,
    groups: impl Iterator<Item = u32>,
    outcome: &mut Outcome,
) {
    if pod.has_user_namespace()
        && let Some((step, error)) = unmapped(uid, gid, groups)
    {
        outcome.refuse(step, Some(Origin::pod("spec.hostUsers")), error);
    }
}

/// The sandbox runs as the pod's user, so that it fails first where the pod's own fields name such an ID.
fn refuse_sandbox(pod: &PodView<'_>, outcome: &mut Outcome) {
    let Some(context) = pod.context else { return };
    // IDs that do not fit are refused earlier.
    let id = |id: Option<i64>| id.and_then(|id| u32::try_from(id).ok());
    let gid = id(context.run_as_group);
    let groups = context.supplemental_groups.iter().flatten().copied().chain(context.fs_group);
    let groups = groups.filter_map(|group| id(Some(group))).chain(gid);
    if let Some((_, error)) = unmapped(id(context.run_as_user), gid, groups) {
        outcome.refuse(Step::SandboxStart, Some(Origin::pod("spec.hostUsers")), error);
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
    fn an_id_of_the_pod_that_the_user_namespace_does_not_map_fails_the_sandbox() {
        let spec = r#"{"containers": [], "hostUsers": false, "securityContext": {"fsGroup": 70000}}"#;
        let refusal = resolve_spec(spec, &Facts::default()).refusal.unwrap();
        assert_eq!(refusal.reason, RefusalReason::FailedCreatePodSandBox);
        assert!(refusal.message.ends_with("setgroups: invalid argument"));
    }

    #[test]
    fn sharing_processes_with_the_node_makes_sharing_them_in_the_pod_moot() {
        let spec = r#"{"containers": [], "shareProcessNamespace": true, "hostPID": true}"#;
        let effective = resolve_spec(spec, &Facts::default());
        assert!(!effective.share_process_namespace);
        assert_eq!(effective.warnings[0].code, warning_code::SHARE_PROCESS_NAMESPACE_IGNORED);
    }
}
