//! `procMount`: which paths of /proc and /sys the runtime hides or makes read-only (kubelet `pkg/securitycontext/util.go`,
//! ConvertToRuntimeMaskedPaths; containerd `pkg/oci/spec_opts.go`, WithPrivileged).

use super::outcome::Outcome;
use super::view::{ContainerView, PodView};
use crate::effective::{ProcMount, warning_code};
use crate::origin::{Origin, Value};

/// The paths that are hidden. A kubelet adds `/sys/devices/system/cpu/cpuN/thermal_throttle` for the processors that have
/// one.
pub(crate) const MASKED: [&str; 12] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];

/// The paths that are read-only.
pub(crate) const READONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// How /proc is mounted.
pub(crate) fn resolve(pod: &PodView<'_>, container: &ContainerView<'_>, outcome: &mut Outcome) -> Value<ProcMount> {
    let declared = container.get("procMount", |context| context.proc_mount.as_deref());
    if container.privileged() {
        if let Some(("Default", Origin::Container { field })) = &declared {
            outcome.warn(
                warning_code::PROC_MOUNT_IGNORED_WHEN_PRIVILEGED,
                field.clone(),
                "nothing of /proc is hidden from a privileged container",
                "remove privileged, or procMount",
            );
        }
        return Value::known(ProcMount::Unmasked, Origin::container(container.path("privileged")));
    }
    match declared {
        Some(("Unmasked", origin)) => {
            if !pod.has_user_namespace() {
                outcome.warn(
                    warning_code::PROC_MOUNT_UNMASKED,
                    container.path("procMount"),
                    "procMount: Unmasked shows the node's /proc files to the container; the API takes it only with \
                     hostUsers: false",
                    "set spec.hostUsers: false, or remove procMount",
                );
            }
            Value::known(ProcMount::Unmasked, origin)
        }
        Some((_, origin)) => Value::known(ProcMount::Default, origin),
        None => Value::known(ProcMount::Default, Origin::api_default("procMount")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Facts;
    use crate::resolve::testing::{codes, container, pod, resolve_one};

    #[test]
    fn proc_is_masked_unless_it_is_unmasked_or_the_container_privileged() {
        for (context, masked) in [
            ("{}", true),
            (r#"{"procMount": "Default"}"#, true),
            (r#"{"procMount": "Unmasked"}"#, false),
            (r#"{"privileged": true}"#, false),
            (r#"{"privileged": true, "procMount": "Default"}"#, false),
        ] {
            let effective = resolve_one(&pod("{}"), &container(context), &Facts::default());
            assert_eq!(effective.masked_paths.is_empty(), !masked, "{context}");
            assert_eq!(effective.readonly_paths.is_empty(), !masked, "{context}");
            assert_eq!(effective.process().proc_masked, Some(masked), "{context}");
        }
    }

    #[test]
    fn unmasked_without_a_user_namespace_is_a_warning() {
        let effective = resolve_one(&pod("{}"), &container(r#"{"procMount": "Unmasked"}"#), &Facts::default());
        assert!(codes(&effective).contains(&warning_code::PROC_MOUNT_UNMASKED));
    }
}
