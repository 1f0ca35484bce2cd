//! Single changes to a pod, each answering one kind of objection and none asking for more than the pod had.

use std::fmt;

use k8s_openapi::api::core::v1::{EmptyDirVolumeSource, Pod, PodSecurityContext, PodSpec, SecurityContext, Volume};

use crate::Value;
use crate::go::json_string;
use crate::pod::{self, ContainerAt, containers};
use crate::strategy::volumes::fs_type;

/// A field of the manifest, as it is and as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The path, such as `spec.containers[0].securityContext.runAsUser`.
    pub path: String,
    /// The value now; `None` if the field is absent.
    pub from: Option<Value>,
    /// The value wanted; `None` to remove the field.
    pub to: Option<Value>,
    /// The changes themselves, for [`apply`].
    changes: Vec<Change>,
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.from, &self.to) {
            (_, None) => write!(f, "remove {}", self.path),
            (None, Some(to)) => write!(f, "set {}: {to}", self.path),
            (Some(from), Some(to)) => write!(f, "change {} from {from} to {to}", self.path),
        }
    }
}

/// Carries edits out on a pod.
pub fn apply(pod: &mut Pod, edits: &[Edit]) {
    for change in edits.iter().flat_map(|edit| &edit.changes) {
        change.apply(pod);
    }
}

/// A field that is removed, so that the SCC fills it or leaves it empty. `None` is the pod's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    FsGroup,
    HostNetwork,
    HostPid,
    HostIpc,
    RunAsUser(Option<ContainerAt>),
    SeLinuxOptions(Option<ContainerAt>),
    SeccompProfile(Option<ContainerAt>),
    Privileged(ContainerAt),
    ReadOnlyRootFilesystem(ContainerAt),
    AllowPrivilegeEscalation(ContainerAt),
    HostPort(ContainerAt, usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Remove(Field),
    RemoveAnnotation(String),
    RemoveGroup(i64),
    /// An empty list, where one group at least is wanted, gives way to a generated one.
    RemoveGroups,
    RemoveSysctl(String),
    RemoveCapability(ContainerAt, String),
    /// The volume's contents then live no longer than the pod.
    EmptyDir(usize),
    HostUsersFalse,
    RunAsNonRoot(Option<ContainerAt>),
}

impl Change {
    /// How much of what the pod wants the change takes away: least where the SCC fills in a value of its own.
    pub(super) fn weight(&self) -> u32 {
        match self {
            Self::HostUsersFalse | Self::RunAsNonRoot(_) | Self::RemoveGroups => 1,
            Self::Remove(field) => match field {
                Field::FsGroup | Field::AllowPrivilegeEscalation(_) | Field::SeLinuxOptions(_) => 1,
                Field::RunAsUser(_) | Field::SeccompProfile(_) | Field::ReadOnlyRootFilesystem(_) => 2,
                Field::HostPort(..) => 3,
                Field::HostNetwork | Field::HostPid | Field::HostIpc => 4,
                Field::Privileged(_) => 6,
            },
            Self::RemoveAnnotation(_) | Self::RemoveGroup(_) => 2,
            Self::RemoveSysctl(_) | Self::RemoveCapability(..) => 3,
            Self::EmptyDir(_) => 5,
        }
    }

    pub(super) fn apply(&self, pod: &mut Pod) {
        if let Self::RemoveAnnotation(key) = self {
            if let Some(annotations) = &mut pod.metadata.annotations {
                annotations.remove(key);
            }
            return;
        }
        let Some(spec) = &mut pod.spec else { return };
        match self {
            Self::RemoveAnnotation(_) => {}
            Self::Remove(field) => field.remove(spec),
            Self::HostUsersFalse => spec.host_users = Some(false),
            Self::RunAsNonRoot(None) => spec.security_context.get_or_insert_default().run_as_non_root = Some(true),
            Self::RunAsNonRoot(Some(at)) => with_context(spec, *at, |c| c.run_as_non_root = Some(true)),
            Self::RemoveGroups => with_pod_context(spec, |c| c.supplemental_groups = None),
            Self::RemoveGroup(group) => with_pod_context(spec, |c| {
                c.supplemental_groups.iter_mut().for_each(|list| list.retain(|g| g != group));
                c.supplemental_groups = c.supplemental_groups.take().filter(|list| !list.is_empty());
            }),
            Self::RemoveSysctl(name) => with_pod_context(spec, |c| {
                c.sysctls.iter_mut().for_each(|list| list.retain(|s| s.name != *name));
                c.sysctls = c.sysctls.take().filter(|list| !list.is_empty());
            }),
            Self::RemoveCapability(at, cap) => with_context(spec, *at, |c| {
                let Some(capabilities) = &mut c.capabilities else { return };
                capabilities.add.iter_mut().for_each(|list| list.retain(|c| c != cap));
                capabilities.add = capabilities.add.take().filter(|list| !list.is_empty());
            }),
            Self::EmptyDir(index) => {
                if let Some(volume) = spec.volumes.as_mut().and_then(|v| v.get_mut(*index)) {
                    let name = std::mem::take(&mut volume.name);
                    let empty_dir = Some(EmptyDirVolumeSource::default());
                    *volume = Volume { name, empty_dir, ..Default::default() };
                }
            }
        }
    }

    fn path(&self) -> String {
        let context = |at: &Option<ContainerAt>, field: &str| match at {
            None => format!("spec.securityContext.{field}"),
            Some(at) => format!("spec.{at}.securityContext.{field}"),
        };
        match self {
            Self::Remove(field) => match field {
                Field::FsGroup => context(&None, "fsGroup"),
                Field::HostNetwork => "spec.hostNetwork".into(),
                Field::HostPid => "spec.hostPID".into(),
                Field::HostIpc => "spec.hostIPC".into(),
                Field::RunAsUser(at) => context(at, "runAsUser"),
                Field::SeLinuxOptions(at) => context(at, "seLinuxOptions"),
                Field::SeccompProfile(at) => context(at, "seccompProfile"),
                Field::Privileged(at) => context(&Some(*at), "privileged"),
                Field::ReadOnlyRootFilesystem(at) => context(&Some(*at), "readOnlyRootFilesystem"),
                Field::AllowPrivilegeEscalation(at) => context(&Some(*at), "allowPrivilegeEscalation"),
                Field::HostPort(at, port) => format!("spec.{at}.ports[{port}].hostPort"),
            },
            Self::RemoveAnnotation(key) => format!("metadata.annotations[{key}]"),
            Self::RemoveGroup(_) | Self::RemoveGroups => context(&None, "supplementalGroups"),
            Self::RemoveSysctl(_) => context(&None, "sysctls"),
            Self::RemoveCapability(at, _) => context(&Some(*at), "capabilities.add"),
            Self::EmptyDir(index) => format!("spec.volumes[{index}]"),
            Self::HostUsersFalse => "spec.hostUsers".into(),
            Self::RunAsNonRoot(at) => context(at, "runAsNonRoot"),
        }
    }

    /// The value at the change's path.
    fn value(&self, pod: &Pod) -> Option<Value> {
        if let Self::RemoveAnnotation(key) = self {
            return pod::annotation(pod, key).map(|v| Value::String(v.into()));
        }
        let spec = pod.spec.as_ref()?;
        let shared = spec.security_context.as_ref();
        let own = |at: &ContainerAt| containers(spec).find(|c| c.at == *at).and_then(|c| c.context);
        let int = |n: Option<i64>| n.map(Value::Int);
        let flag = |b: Option<bool>| b.map(Value::Bool);
        match self {
            Self::RemoveAnnotation(_) => None,
            Self::Remove(Field::FsGroup) => int(shared?.fs_group),
            Self::Remove(Field::HostNetwork) => flag(spec.host_network),
            Self::Remove(Field::HostPid) => flag(spec.host_pid),
            Self::Remove(Field::HostIpc) => flag(spec.host_ipc),
            Self::Remove(Field::RunAsUser(None)) => int(shared?.run_as_user),
            Self::Remove(Field::RunAsUser(Some(at))) => int(own(at)?.run_as_user),
            Self::Remove(Field::SeLinuxOptions(at)) => {
                let options = match at {
                    None => shared?.se_linux_options.as_ref(),
                    Some(at) => own(at)?.se_linux_options.as_ref(),
                }?;
                let parts = [
                    ("level", &options.level),
                    ("role", &options.role),
                    ("type", &options.type_),
                    ("user", &options.user),
                ];
                Some(object(&parts.map(|(key, value)| (key, value.as_deref()))))
            }
            Self::Remove(Field::SeccompProfile(at)) => {
                let profile = match at {
                    None => shared?.seccomp_profile.as_ref(),
                    Some(at) => own(at)?.seccomp_profile.as_ref(),
                }?;
                Some(object(&[
                    ("type", Some(profile.type_.as_str())),
                    ("localhostProfile", profile.localhost_profile.as_deref()),
                ]))
            }
            Self::Remove(Field::Privileged(at)) => flag(own(at)?.privileged),
            Self::Remove(Field::ReadOnlyRootFilesystem(at)) => flag(own(at)?.read_only_root_filesystem),
            Self::Remove(Field::AllowPrivilegeEscalation(at)) => flag(own(at)?.allow_privilege_escalation),
            Self::Remove(Field::HostPort(at, port)) => {
                let ports = containers(spec).find(|c| c.at == *at)?.ports;
                ports.get(*port)?.host_port.map(|p| Value::Int(p.into()))
            }
            Self::RemoveGroup(_) | Self::RemoveGroups => shared?.supplemental_groups.clone().map(Value::Ints),
            Self::RemoveSysctl(_) => {
                let sysctls = shared?.sysctls.as_ref()?.iter();
                Some(Value::Strings(sysctls.map(|s| format!("{}={}", s.name, s.value)).collect()))
            }
            Self::RemoveCapability(at, _) => own(at)?.capabilities.as_ref()?.add.clone().map(Value::Strings),
            Self::EmptyDir(index) => {
                let kind = fs_type(spec.volumes.as_ref()?.get(*index)?)?;
                Some(Value::Json(json_string(kind)))
            }
            Self::HostUsersFalse => flag(spec.host_users),
            Self::RunAsNonRoot(None) => flag(shared?.run_as_non_root),
            Self::RunAsNonRoot(Some(at)) => flag(own(at)?.run_as_non_root),
        }
    }
}

impl Field {
    fn remove(self, spec: &mut PodSpec) {
        match self {
            Self::FsGroup => with_pod_context(spec, |c| c.fs_group = None),
            Self::HostNetwork => spec.host_network = None,
            Self::HostPid => spec.host_pid = None,
            Self::HostIpc => spec.host_ipc = None,
            Self::RunAsUser(None) => with_pod_context(spec, |c| c.run_as_user = None),
            Self::RunAsUser(Some(at)) => with_context(spec, at, |c| c.run_as_user = None),
            Self::SeLinuxOptions(None) => with_pod_context(spec, |c| c.se_linux_options = None),
            Self::SeLinuxOptions(Some(at)) => with_context(spec, at, |c| c.se_linux_options = None),
            Self::SeccompProfile(None) => with_pod_context(spec, |c| c.seccomp_profile = None),
            Self::SeccompProfile(Some(at)) => with_context(spec, at, |c| c.seccomp_profile = None),
            Self::Privileged(at) => with_context(spec, at, |c| c.privileged = None),
            Self::ReadOnlyRootFilesystem(at) => with_context(spec, at, |c| c.read_only_root_filesystem = None),
            Self::AllowPrivilegeEscalation(at) => with_context(spec, at, |c| c.allow_privilege_escalation = None),
            Self::HostPort(at, port) => {
                if let Some(port) = pod::ports_mut(spec, at).and_then(|ports| ports.get_mut(port)) {
                    port.host_port = None;
                }
            }
        }
    }
}

/// The changes as edits, those to one path in one.
pub(super) fn edits(pod: &Pod, changes: &[Change]) -> Vec<Edit> {
    let mut after = pod.clone();
    for change in changes {
        change.apply(&mut after);
    }
    let mut edits: Vec<Edit> = Vec::new();
    for change in changes {
        let path = change.path();
        match edits.iter_mut().find(|edit| edit.path == path) {
            Some(edit) => edit.changes.push(change.clone()),
            None => edits.push(Edit {
                path,
                from: change.value(pod),
                to: change.value(&after),
                changes: vec![change.clone()],
            }),
        }
    }
    edits
}

fn with_pod_context(spec: &mut PodSpec, change: impl FnOnce(&mut PodSecurityContext)) {
    if let Some(context) = &mut spec.security_context {
        change(context);
    }
}

fn with_context(spec: &mut PodSpec, at: ContainerAt, change: impl FnOnce(&mut SecurityContext)) {
    if let Some(Some(context)) = pod::context_mut(spec, at) {
        change(context);
    }
}

fn object(parts: &[(&str, Option<&str>)]) -> Value {
    let parts = parts.iter().filter_map(|(key, value)| value.map(|v| format!("\"{key}\":{}", json_string(v))));
    Value::Json(format!("{{{}}}", parts.collect::<Vec<_>>().join(",")))
}
