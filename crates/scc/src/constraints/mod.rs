//! `SecurityContextConstraints` of `security.openshift.io/v1`: the object itself.
//!
//! Field names, nullability and defaults are those of `openshift/api`, `security/v1/types.go`.

mod decode;
mod defaults;
mod validate;

use k8s_openapi::api::core::v1::SELinuxOptions;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};

pub use decode::{DecodeError, decode};
pub use validate::{validate, validate_update};

use decode::null_as_default;

/// The wildcard in `allowedCapabilities`, `volumes`, `seccompProfiles` and the lists of sysctls.
pub const ALL: &str = "*";

/// A set of conditions that a pod must run with in order to be accepted.
#[allow(clippy::struct_excessive_bools, reason = "the fields are the API's")]
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecurityContextConstraints {
    /// Always `security.openshift.io/v1` once decoded.
    #[serde(default = "api_version")]
    pub api_version: String,
    /// Always `SecurityContextConstraints` once decoded.
    #[serde(default = "kind")]
    pub kind: String,
    /// The name, and the description in the annotation `kubernetes.io/description`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: ObjectMeta,
    /// Higher comes first; absent counts as 0.
    #[serde(default)]
    pub priority: Option<i32>,
    /// Whether a container may be privileged.
    #[serde(default, deserialize_with = "null_as_default")]
    pub allow_privileged_container: bool,
    /// Capabilities added to every container that does not drop them.
    #[serde(default, deserialize_with = "null_as_default")]
    pub default_add_capabilities: Vec<String>,
    /// Capabilities that every container must drop; they are dropped for it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub required_drop_capabilities: Vec<String>,
    /// Capabilities that a container may add; `*` is every one.
    #[serde(default, deserialize_with = "null_as_default")]
    pub allowed_capabilities: Vec<String>,
    /// Whether `hostPath` volumes are allowed; kept in step with `volumes` by [`Self::set_defaults`].
    #[serde(default, deserialize_with = "null_as_default")]
    pub allow_host_dir_volume_plugin: bool,
    /// The kinds of volume allowed; absent is every kind, empty is none.
    #[serde(default)]
    pub volumes: Option<Vec<String>>,
    /// The drivers allowed for `flexVolume`; empty is every driver.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub allowed_flex_volumes: Vec<AllowedFlexVolume>,
    /// Whether a pod may use the node's network.
    #[serde(default, deserialize_with = "null_as_default")]
    pub allow_host_network: bool,
    /// Whether a container may claim ports of the node.
    #[serde(default, deserialize_with = "null_as_default")]
    pub allow_host_ports: bool,
    /// Whether a pod may share the node's process identifiers.
    #[serde(default, rename = "allowHostPID", deserialize_with = "null_as_default")]
    pub allow_host_pid: bool,
    /// Whether a pod may share the node's IPC namespace.
    #[serde(default, rename = "allowHostIPC", deserialize_with = "null_as_default")]
    pub allow_host_ipc: bool,
    /// `AllowHostLevel` (also when empty) or `RequirePodLevel`, which wants `hostUsers: false`.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub user_namespace_level: String,
    /// What `allowPrivilegeEscalation` becomes in a container that does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_allow_privilege_escalation: Option<bool>,
    /// Whether a container may set `allowPrivilegeEscalation`; absent counts as true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_privilege_escalation: Option<bool>,
    /// How SELinux labels are chosen and checked.
    #[serde(default, deserialize_with = "null_as_default")]
    pub se_linux_context: SELinuxContextStrategyOptions,
    /// How `runAsUser` is chosen and checked.
    #[serde(default, deserialize_with = "null_as_default")]
    pub run_as_user: RunAsUserStrategyOptions,
    /// How `supplementalGroups` are chosen and checked.
    #[serde(default, deserialize_with = "null_as_default")]
    pub supplemental_groups: GroupStrategyOptions,
    /// How `fsGroup` is chosen and checked.
    #[serde(default, deserialize_with = "null_as_default")]
    pub fs_group: GroupStrategyOptions,
    /// Whether every container must have a read-only root file system; it is set where absent.
    #[serde(default, deserialize_with = "null_as_default")]
    pub read_only_root_filesystem: bool,
    /// Users (service accounts by their full name) who may use this, beside those that RBAC lets.
    #[serde(default, deserialize_with = "null_as_default")]
    pub users: Vec<String>,
    /// Groups whose members may use this, beside those that RBAC lets.
    #[serde(default, deserialize_with = "null_as_default")]
    pub groups: Vec<String>,
    /// Allowed seccomp profiles in the form of the old annotations; the first that is no wildcard is the default.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub seccomp_profiles: Vec<String>,
    /// Sysctls allowed beyond the safe ones; a trailing `*` makes a prefix.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub allowed_unsafe_sysctls: Vec<String>,
    /// Sysctls refused even if safe; a trailing `*` makes a prefix.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub forbidden_sysctls: Vec<String>,
}

/// One driver of `allowedFlexVolumes`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AllowedFlexVolume {
    /// The driver's name, such as `example/lvm`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub driver: String,
}

/// `seLinuxContext`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SELinuxContextStrategyOptions {
    /// `MustRunAs` or `RunAsAny`.
    #[serde(default, rename = "type", deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub type_: String,
    /// The label of `MustRunAs`; a missing level comes from the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub se_linux_options: Option<SELinuxOptions>,
}

/// `runAsUser`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunAsUserStrategyOptions {
    /// `MustRunAs`, `MustRunAsRange`, `MustRunAsNonRoot` or `RunAsAny`.
    #[serde(default, rename = "type", deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub type_: String,
    /// The user of `MustRunAs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<i64>,
    /// The first user of `MustRunAsRange`; with no bound at all the range is the namespace's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid_range_min: Option<i64>,
    /// The last user of `MustRunAsRange`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid_range_max: Option<i64>,
}

/// `fsGroup` and `supplementalGroups`, which have the same shape.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GroupStrategyOptions {
    /// `MustRunAs` or `RunAsAny`.
    #[serde(default, rename = "type", deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub type_: String,
    /// The groups of `MustRunAs`; with none they come from the namespace.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<IDRange>,
}

/// Group identifiers from `min` to `max`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct IDRange {
    /// The first identifier.
    #[serde(default, deserialize_with = "null_as_default")]
    pub min: i64,
    /// The last identifier.
    #[serde(default, deserialize_with = "null_as_default")]
    pub max: i64,
}

impl IDRange {
    /// Whether `id` lies in the range.
    pub fn contains(self, id: i64) -> bool {
        (self.min..=self.max).contains(&id)
    }
}

impl SecurityContextConstraints {
    /// The name, empty if there is none.
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// Whether privilege may be escalated: absent means yes.
    pub fn allows_privilege_escalation(&self) -> bool {
        self.allow_privilege_escalation.unwrap_or(true)
    }

    /// Whether `volumes` lists this kind, or `*`. An absent list allows nothing here: apply
    /// [`Self::set_defaults`] first.
    pub fn allows_volume(&self, fs_type: &str) -> bool {
        self.volumes.iter().flatten().any(|v| v == fs_type || v == ALL)
    }

    /// Whether a pod must have a user namespace of its own.
    pub fn requires_user_namespace(&self) -> bool {
        self.user_namespace_level == "RequirePodLevel"
    }
}

fn api_version() -> String {
    "security.openshift.io/v1".into()
}

fn kind() -> String {
    "SecurityContextConstraints".into()
}
