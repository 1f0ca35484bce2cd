//! The user of the pod's sandbox: the pod's `runAsUser` and `runAsGroup`, without the containers'.
//!
//! A group without a user fails here, although the API accepts it and although every container could run
//! (containerd `podsandbox/sandbox_run_linux.go` and `internal/cri/util/util.go`, GenerateUserString).

use super::outcome::{Outcome, Step};
use super::run_as_user::{MAX_ID, quoted};
use super::view::PodView;

/// Refuses what keeps the sandbox from being made.
pub(crate) fn refuse(pod: &PodView<'_>, outcome: &mut Outcome) {
    let user = pod.get("runAsUser", |context| context.run_as_user);
    let group = pod.get("runAsGroup", |context| context.run_as_group);
    let out_of_range = |id: i64| !(0..=MAX_ID).contains(&id);
    match (user, group) {
        (None, Some((group, origin))) => {
            let message = format!("user group \"{group}\" is specified without user");
            outcome.refuse(Step::SandboxUser, Some(origin), message);
        }
        (Some((user, origin)), group) if out_of_range(user) => {
            let quoted = quoted(&user.to_string(), group.map(|(group, _)| group));
            outcome.refuse(Step::SandboxUser, Some(origin), format!("invalid USER value {quoted}: uid out of range"));
        }
        (Some((user, _)), Some((group, origin))) if out_of_range(group) => {
            let quoted = quoted(&user.to_string(), Some(group));
            outcome.refuse(Step::SandboxUser, Some(origin), format!("invalid USER value {quoted}: gid out of range"));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::effective::RefusalReason;
    use crate::resolve::testing::{busybox, container, pod, resolve_one};

    #[test]
    fn a_group_of_the_pod_without_a_user_of_the_pod_makes_no_sandbox() {
        let effective =
            resolve_one(&pod(r#"{"runAsGroup": 3000}"#), &container(r#"{"runAsUser": 1000}"#), &busybox("1000"));
        let refusal = effective.refusal.unwrap();
        assert_eq!(refusal.reason, RefusalReason::FailedCreatePodSandBox);
        assert_eq!(refusal.message, "user group \"3000\" is specified without user");
    }

    #[test]
    fn a_group_of_the_container_needs_no_user_because_the_kubelet_always_names_one() {
        let effective = resolve_one(&pod("{}"), &container(r#"{"runAsGroup": 3000}"#), &busybox("app"));
        assert_eq!((effective.user.uid.get(), effective.user.gid.get()), (Some(&1500), Some(&3000)));
        assert_eq!(effective.refusal, None);
    }

    #[test]
    fn the_sandbox_fails_before_the_kubelet_looks_at_the_container() {
        let effective = resolve_one(&pod(r#"{"runAsGroup": 0, "runAsNonRoot": true}"#), &container("{}"), &busybox(""));
        assert_eq!(effective.refusal.unwrap().reason, RefusalReason::FailedCreatePodSandBox);
    }
}
