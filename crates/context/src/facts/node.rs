//! What is known of the node.

use serde::{Deserialize, Serialize};

use crate::capability::CapSet;

/// Facts about a node that decide what a context can become there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeFacts {
    /// The kubelet's version, such as `v1.36.2`.
    pub kubelet: Option<String>,
    /// The container runtime with its version, such as `containerd 2.4.0 with runc 1.1.5`.
    pub runtime: Option<String>,
    /// `v1`, `v2` or `hybrid`.
    pub cgroups: Option<String>,
    /// The node's capabilities.
    pub capabilities: NodeCapabilities,
    /// Whether the kubelet runs with `--seccomp-default`.
    pub seccomp_default: Option<bool>,
    /// Whether the kernel has AppArmor enabled.
    pub apparmor: Option<bool>,
    /// Whether the kernel has SELinux enabled.
    pub selinux: Option<bool>,
    /// Whether user namespaces can be used for pods.
    pub user_namespaces: Option<bool>,
}

/// The node's capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeCapabilities {
    /// The bounding set of the container runtime's process: what can be given to a container at all.
    pub bounding: Option<CapSet>,
}
