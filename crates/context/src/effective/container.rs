//! The effective context of one container.

use serde::Serialize;

use super::{EffectiveMount, Refusal, Resources, Warning};
use crate::capability::CapSet;
use crate::origin::{Origin, Value};
use crate::process::{CapabilitySets, Namespaces};

/// The effective context of one container: what its process will get, and from where each value comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveContainer {
    /// The container's name.
    pub name: String,
    /// Which list it is in, and whether it is a sidecar.
    pub kind: ContainerKind,
    /// The path of the container from the pod, such as `spec.containers[0]`.
    pub path: String,
    /// The image, as written.
    pub image: Option<String>,
    /// User, group and supplementary groups.
    pub user: User,
    /// What was asked for and the five sets that come of it.
    pub capabilities: Capabilities,
    /// The no_new_privs flag, that is `allowPrivilegeEscalation: false` (PR_SET_NO_NEW_PRIVS(2const)).
    pub no_new_privileges: Value<bool>,
    /// The seccomp profile.
    pub seccomp: Value<Seccomp>,
    /// The AppArmor profile.
    pub app_armor: Value<AppArmor>,
    /// The SELinux label.
    pub selinux: Value<SeLinux>,
    /// `privileged`.
    pub privileged: Value<bool>,
    /// `readOnlyRootFilesystem`.
    pub read_only_root_filesystem: Value<bool>,
    /// `procMount`.
    pub proc_mount: Value<ProcMount>,
    /// Paths that the runtime hides.
    pub masked_paths: Vec<String>,
    /// Paths that the runtime makes read-only.
    pub readonly_paths: Vec<String>,
    /// Which of the node's namespaces the container shares; each with its origin in the order pid, ipc, net, uts, user.
    pub namespaces: Namespaces,
    /// Where each of the namespaces comes from, in the order pid, ipc, net, uts, user.
    pub namespace_origins: [Origin; 5],
    /// The HOME that the process sees.
    pub home: Value<String>,
    /// The volumes mounted in the container.
    pub mounts: Vec<EffectiveMount>,
    /// What it may use; none where nothing in the pod's `resources` says anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Why the container will not start, if it will not.
    pub refusal: Option<Refusal>,
    /// Declarations that do not do what they seem to.
    pub warnings: Vec<Warning>,
}

/// Which list of the pod a container is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ContainerKind {
    /// `spec.initContainers` without a restart policy: runs to completion before the others.
    Init,
    /// `spec.initContainers` with `restartPolicy: Always`.
    Sidecar,
    /// `spec.containers`.
    Main,
    /// `spec.ephemeralContainers`.
    Ephemeral,
}

/// The IDs of the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The user ID.
    pub uid: Value<u32>,
    /// The primary group ID.
    pub gid: Value<u32>,
    /// Every supplementary group with its origin, in the order in which they are found; the kernel's set is the
    /// deduplicated one. `Unknown` where the image's /etc/group matters and is not known.
    pub groups: Value<Vec<Group>>,
    /// The supplementary groups that are certain, also where `groups` is not known because the image may add some.
    pub certain_groups: Vec<Group>,
}

/// A supplementary group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The group ID.
    pub gid: u32,
    /// Where it comes from: supplementalGroups, fsGroup, the image's /etc/group, the primary group…
    pub origin: Origin,
}

/// Capabilities as asked for, as the runtime reads that, and as the kernel leaves them after execve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// `capabilities.add` as written, each with its field.
    pub add: Vec<(String, Origin)>,
    /// `capabilities.drop` as written, each with its field.
    pub drop: Vec<(String, Origin)>,
    /// The set that the runtime is told to give: default, or all, plus what is added, less what is dropped.
    pub granted: Value<CapSet>,
    /// What is granted by name and the node's bounding set lacks; it keeps the container from starting.
    pub missing: CapSet,
    /// The five sets of the process after execve.
    pub sets: Value<CapabilitySets>,
}

impl Capabilities {
    /// Whether the manifest adds this capability, by its name or with ALL, and does not drop it by name again. `drop: ALL`
    /// takes the default ones only. The name is without `CAP_`.
    pub fn adds(&self, name: &str) -> bool {
        let named =
            |all: &[(String, Origin)], name: &str| all.iter().any(|(found, _)| found.eq_ignore_ascii_case(name));
        (named(&self.add, name) || named(&self.add, "ALL")) && !named(&self.drop, name)
    }
}

/// A seccomp profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum Seccomp {
    /// No filter.
    Unconfined,
    /// The runtime's own filter, which depends on the granted capabilities.
    RuntimeDefault,
    /// A profile of the node.
    Localhost {
        /// Relative to the kubelet's seccomp directory.
        path: String,
    },
}

/// An AppArmor profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum AppArmor {
    /// The node has no AppArmor, so nothing is applied.
    Unavailable,
    /// No profile.
    Unconfined,
    /// The runtime's own profile.
    RuntimeDefault,
    /// A profile loaded on the node.
    Localhost {
        /// The profile's name.
        profile: String,
    },
}

/// An SELinux label, as far as it is asked for; the runtime fills in the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum SeLinux {
    /// The node has no SELinux, so nothing is applied.
    Unavailable,
    /// Nothing asked for: the runtime picks a type and a category pair.
    Runtime,
    /// What is asked for.
    Label {
        /// `seLinuxOptions.user`.
        user: Option<String>,
        /// `seLinuxOptions.role`.
        role: Option<String>,
        /// `seLinuxOptions.type`.
        #[serde(rename = "type_")]
        type_: Option<String>,
        /// `seLinuxOptions.level`.
        level: Option<String>,
    },
    /// Privileged: the runtime confines it no further.
    Unconfined,
}

/// How /proc is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ProcMount {
    /// With the runtime's masked and read-only paths.
    Default,
    /// Without them.
    Unmasked,
}
