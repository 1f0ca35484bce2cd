//! Which change answers an objection.

use k8s_openapi::api::core::v1::{Pod, PodSpec, SecurityContext};

use super::change::{Change, Field};
use crate::Value;
use crate::constraints::SecurityContextConstraints;
use crate::pod::{self, ContainerAt, containers};
use crate::strategy::seccomp_profiles::{CONTAINER_ANNOTATION, POD_ANNOTATION};
use crate::violation::{Control, Fault, Violation};

impl Change {
    /// What answers an objection, if anything does.
    pub(super) fn answering(violation: &Violation, pod: &Pod, scc: &SecurityContextConstraints) -> Option<Self> {
        let spec = pod.spec.as_ref()?;
        let at = container_of(&violation.field, spec);
        let own = at.and_then(|at| containers(spec).find(|c| c.at == at)).and_then(|c| c.context);
        let shared = spec.security_context.as_ref();
        // The container's own field if it has one, else the pod's.
        let place = |is_set: fn(&SecurityContext) -> bool| at.filter(|_| own.is_some_and(is_set));
        Some(match violation.control {
            Control::FsGroup => Self::Remove(Field::FsGroup),
            Control::SupplementalGroups => {
                // "unable to validate empty groups…" names none.
                match violation.detail.split(' ').next().and_then(|n| n.parse().ok()) {
                    Some(group) => Self::RemoveGroup(group),
                    None => Self::RemoveGroups,
                }
            }
            Control::SeccompProfiles => seccomp(violation, pod, spec),
            Control::SeLinuxContext => Self::Remove(Field::SeLinuxOptions(place(|c| c.se_linux_options.is_some()))),
            Control::AllowHostNetwork => Self::Remove(Field::HostNetwork),
            Control::AllowHostPid => Self::Remove(Field::HostPid),
            Control::AllowHostIpc => Self::Remove(Field::HostIpc),
            Control::AllowHostPorts => {
                let (at, port) = port_of(&violation.field, spec)?;
                let written = containers(spec).find(|c| c.at == at)?.ports.get(port)?.host_port.unwrap_or(0) > 0;
                // A port that only the node's network makes the node's.
                if written { Self::Remove(Field::HostPort(at, port)) } else { Self::Remove(Field::HostNetwork) }
            }
            Control::UserNamespaceLevel => Self::HostUsersFalse,
            Control::AllowedUnsafeSysctls | Control::ForbiddenSysctls => {
                let sysctls = shared?.sysctls.as_ref()?;
                Self::RemoveSysctl(sysctls.get(index(&violation.field)?)?.name.clone())
            }
            Control::Volumes | Control::AllowedFlexVolumes => {
                if !scc.allows_volume("emptyDir") {
                    return None;
                }
                Self::EmptyDir(index(&violation.field)?)
            }
            Control::RunAsUser if violation.field.ends_with("runAsNonRoot") => {
                Self::RunAsNonRoot(place(|c| c.run_as_non_root.is_some()))
            }
            Control::RunAsUser => Self::Remove(Field::RunAsUser(place(|c| c.run_as_user.is_some()))),
            Control::AllowPrivilegedContainer => Self::Remove(Field::Privileged(at?)),
            Control::AllowedCapabilities => match &violation.fault {
                Fault::Invalid(Value::String(cap)) => Self::RemoveCapability(at?, cap.clone()),
                _ => return None,
            },
            Control::RequiredDropCapabilities => return None,
            Control::ReadOnlyRootFilesystem => Self::Remove(Field::ReadOnlyRootFilesystem(at?)),
            Control::AllowPrivilegeEscalation => Self::Remove(Field::AllowPrivilegeEscalation(at?)),
        })
    }
}

fn seccomp(violation: &Violation, pod: &Pod, spec: &PodSpec) -> Change {
    let annotation = violation.field.strip_prefix("metadata.annotations[").and_then(|f| f.strip_suffix(']'));
    if let Some(key) = annotation.filter(|key| pod::annotation(pod, key).is_some()) {
        return Change::RemoveAnnotation(key.into());
    }
    if let Some(at) = container_of(&violation.field, spec) {
        return Change::Remove(Field::SeccompProfile(Some(at)));
    }
    // What a container inherits is the pod's annotation if there is one, because it has overwritten the field.
    let inherited = violation.path.contains(CONTAINER_ANNOTATION) || violation.path.contains(POD_ANNOTATION);
    if inherited && pod::annotation(pod, POD_ANNOTATION).is_some_and(|a| !a.is_empty()) {
        return Change::RemoveAnnotation(POD_ANNOTATION.into());
    }
    Change::Remove(Field::SeccompProfile(None))
}

/// The container that a path is below.
fn container_of(field: &str, spec: &PodSpec) -> Option<ContainerAt> {
    let below = field.strip_prefix("spec.")?;
    containers(spec).map(|c| c.at).find(|at| below.strip_prefix(&at.to_string()).is_some_and(|r| r.starts_with('.')))
}

fn port_of(field: &str, spec: &PodSpec) -> Option<(ContainerAt, usize)> {
    let at = container_of(field, spec)?;
    let port = field.split(".ports[").nth(1)?.split(']').next()?.parse().ok()?;
    Some((at, port))
}

/// The first index of a path: `spec.volumes[2]` is 2.
fn index(field: &str) -> Option<usize> {
    field.split('[').nth(1)?.split(']').next()?.parse().ok()
}
