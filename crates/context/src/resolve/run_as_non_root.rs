//! `runAsNonRoot`: the kubelet refuses root, and an image user whom it cannot check, before it asks the runtime
//! (`kuberuntime/security_context_others.go`, verifyRunAsNonRoot).

use super::outcome::{Outcome, Step};
use super::run_as_user::{MAX_ID, UserRequest};
use super::view::{ContainerView, PodView};
use crate::effective::warning_code;
use crate::origin::Origin;

/// Whether the container must not run as root, and who says so.
pub(crate) fn required(pod: &PodView<'_>, container: &ContainerView<'_>) -> Option<(bool, Origin)> {
    container
        .get("runAsNonRoot", |context| context.run_as_non_root)
        .or_else(|| pod.get("runAsNonRoot", |context| context.run_as_non_root))
}

/// Refuses what the kubelet refuses. The messages leave out the pod and container that the kubelet names behind them in
/// parentheses.
pub(crate) fn refuse(pod: &PodView<'_>, container: &ContainerView<'_>, user: &UserRequest, outcome: &mut Outcome) {
    let Some((required, origin)) = required(pod, container) else { return };
    if !required {
        let undone = matches!(origin, Origin::Container { .. })
            && pod.context.and_then(|context| context.run_as_non_root) == Some(true);
        let message = if undone {
            "runAsNonRoot: false undoes the pod's runAsNonRoot: true for this container"
        } else {
            "runAsNonRoot: false permits what is permitted anyway"
        };
        if let Origin::Container { field } | Origin::Pod { field } = origin
            && (undone || matches!(user, UserRequest::Uid(uid, _) if *uid != 0))
        {
            outcome.warn(
                warning_code::RUN_AS_NON_ROOT_FALSE,
                field,
                message,
                "remove it, or set it to true where the user is not root",
            );
        }
        return;
    }
    let message = match user {
        UserRequest::Uid(0, Origin::Image { .. }) => "container has runAsNonRoot and image will run as root".to_owned(),
        UserRequest::Uid(0, _) => "container's runAsUser breaks non-root policy".to_owned(),
        UserRequest::Uid(uid, Origin::Image { .. }) if !(0..=MAX_ID).contains(uid) => format!(
            "container has runAsNonRoot and image has an invalid user id ({uid}). (Must be 1-({MAX_ID})): must be between \
             0 and {MAX_ID}, inclusive"
        ),
        UserRequest::Name(name, _) => {
            format!(
                "container has runAsNonRoot and image has non-numeric user ({name}), cannot verify user is non-root"
            )
        }
        UserRequest::UnknownImage => {
            if let Origin::Container { field } | Origin::Pod { field } = origin {
                outcome.warn(
                    warning_code::RUN_AS_NON_ROOT_DEPENDS_ON_IMAGE,
                    field,
                    "runAsNonRoot without runAsUser: the container starts only if the image's USER is a number other than \
                     0, and the image is not known",
                    "set runAsUser, or describe the image with --images",
                );
            }
            return;
        }
        UserRequest::Uid(..) => return,
    };
    outcome.refuse(Step::ConfigRunAsNonRoot, Some(origin), message);
}

#[cfg(test)]
mod tests {
    use crate::effective::{RefusalReason, warning_code};
    use crate::facts::Facts;
    use crate::resolve::testing::{busybox, codes, container, pod, resolve_one};

    fn refused(pod_context: &str, container_context: &str, facts: &Facts) -> Option<String> {
        let refusal = resolve_one(&pod(pod_context), &container(container_context), facts).refusal?;
        assert_eq!(refusal.reason, RefusalReason::CreateContainerConfigError);
        Some(refusal.message)
    }

    #[test]
    fn run_as_user_0_breaks_it() {
        assert_eq!(
            refused(r#"{"runAsNonRoot": true}"#, r#"{"runAsUser": 0}"#, &busybox("1000")).as_deref(),
            Some("container's runAsUser breaks non-root policy")
        );
    }

    #[test]
    fn an_image_that_runs_as_root_breaks_it() {
        for user in ["", "0", "0:1000", ":audio"] {
            assert_eq!(
                refused(r#"{"runAsNonRoot": true}"#, "{}", &busybox(user)).as_deref(),
                Some("container has runAsNonRoot and image will run as root"),
                "{user:?}"
            );
        }
    }

    #[test]
    fn a_named_image_user_cannot_be_verified_even_where_the_image_does_not_know_it() {
        assert_eq!(
            refused("{}", r#"{"runAsNonRoot": true}"#, &busybox("ghost:audio")).as_deref(),
            Some("container has runAsNonRoot and image has non-numeric user (ghost), cannot verify user is non-root")
        );
    }

    #[test]
    fn an_image_user_out_of_range_is_refused_before_the_runtime_sees_it() {
        assert_eq!(
            refused("{}", r#"{"runAsNonRoot": true}"#, &busybox("2147483648")).as_deref(),
            Some(
                "container has runAsNonRoot and image has an invalid user id (2147483648). (Must be 1-(2147483647)): must \
                 be between 0 and 2147483647, inclusive"
            )
        );
    }

    #[test]
    fn the_containers_value_overrides_the_pods_both_ways() {
        assert_eq!(refused(r#"{"runAsNonRoot": true}"#, r#"{"runAsNonRoot": false}"#, &busybox("")), None);
        assert!(refused(r#"{"runAsNonRoot": false}"#, r#"{"runAsNonRoot": true}"#, &busybox("")).is_some());
    }

    #[test]
    fn with_an_unknown_image_it_is_a_warning() {
        let effective = resolve_one(&pod(r#"{"runAsNonRoot": true}"#), &container("{}"), &Facts::default());
        assert_eq!(effective.refusal, None);
        assert!(codes(&effective).contains(&warning_code::RUN_AS_NON_ROOT_DEPENDS_ON_IMAGE));
    }

    #[test]
    fn false_is_a_warning_where_it_undoes_the_pods() {
        let effective =
            resolve_one(&pod(r#"{"runAsNonRoot": true}"#), &container(r#"{"runAsNonRoot": false}"#), &busybox(""));
        assert!(codes(&effective).contains(&warning_code::RUN_AS_NON_ROOT_FALSE));
    }
}
