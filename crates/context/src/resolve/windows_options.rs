//! `windowsOptions` and `os`: what is for Windows has no effect on Linux, and a Linux kubelet admits no Windows pod
//! (kubelet `pkg/kubelet/lifecycle/predicate.go`).

use super::outcome::{Outcome, Step};
use super::view::{ContainerView, PodView, path};
use crate::effective::warning_code;
use crate::origin::Origin;

/// Refuses a pod for another operating system.
pub(crate) fn check_pod(pod: &PodView<'_>, outcome: &mut Outcome) {
    if pod.spec.os.as_ref().is_some_and(|os| os.name != "linux") {
        outcome.refuse(
            Step::AdmitOs,
            Some(Origin::pod("spec.os.name")),
            "Failed to admit pod as the OS field doesn't match node OS",
        );
    }
    if pod.context.is_some_and(|context| context.windows_options.is_some()) && !pod.is_windows() {
        warn(path("windowsOptions"), outcome);
    }
}

/// Warns of a container's options for Windows.
pub(crate) fn check_container(pod: &PodView<'_>, container: &ContainerView<'_>, outcome: &mut Outcome) {
    if container.context.is_some_and(|context| context.windows_options.is_some()) && !pod.is_windows() {
        warn(container.path("windowsOptions"), outcome);
    }
}

fn warn(field: String, outcome: &mut Outcome) {
    outcome.warn(
        warning_code::WINDOWS_OPTIONS,
        field,
        "windowsOptions have no effect on a Linux node",
        "remove them, or set spec.os.name: windows",
    );
}

#[cfg(test)]
mod tests {
    use crate::effective::{RefusalReason, warning_code};
    use crate::facts::Facts;
    use crate::resolve::testing::{codes, container, pod, resolve_one, resolve_spec};

    #[test]
    fn windows_options_on_linux_are_a_warning() {
        let effective = resolve_one(&pod("{}"), &container(r#"{"windowsOptions": {}}"#), &Facts::default());
        assert!(codes(&effective).contains(&warning_code::WINDOWS_OPTIONS));
    }

    #[test]
    fn a_pod_for_windows_is_not_admitted() {
        let spec =
            r#"{"containers": [{"name": "a", "securityContext": {"windowsOptions": {}}}], "os": {"name": "windows"}}"#;
        let effective = resolve_spec(spec, &Facts::default());
        assert_eq!(effective.refusal.unwrap().reason, RefusalReason::PodOSNotSupported);
        assert!(!codes(&effective.containers[0]).contains(&warning_code::WINDOWS_OPTIONS));
    }
}
