//! What is known of the node.

use serde::{Deserialize, Serialize};

use crate::capability::CapSet;

/// Facts about a node that decide what a context can become there. An unknown key of the file is an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct NodeFacts {
    /// The kubelet's version, such as `v1.36.2`.
    pub kubelet: Option<String>,
    /// The container runtime with its version, such as `containerd 2.4.0 with runc 1.1.5`.
    pub runtime: Option<String>,
    /// `v1`, `v2` or `hybrid`.
    pub cgroups: Option<String>,
    /// The node's capabilities.
    pub capabilities: NodeCapabilities,
    /// Whether the kubelet runs with `--seccomp-default`. Where it is not said, the kubelet's own default, no, is taken.
    pub seccomp_default: Option<bool>,
    /// Whether the kernel has AppArmor enabled.
    pub apparmor: Option<bool>,
    /// Whether the kernel has SELinux enabled.
    pub selinux: Option<bool>,
    /// Whether user namespaces can be used for pods.
    pub user_namespaces: Option<bool>,
    /// The kubelet's `--allowed-unsafe-sysctls`: names, or prefixes that end in `*`.
    pub allowed_unsafe_sysctls: Option<Vec<String>>,
}

/// The node's capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct NodeCapabilities {
    /// The bounding set of the container runtime's process: what can be given to a container at all.
    pub bounding: Option<CapSet>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_file_is_read_with_its_capabilities_in_hexadecimal() {
        let node: NodeFacts = serde_json::from_str(
            r#"{"kubelet": "v1.36.2", "capabilities": {"bounding": "000001fffeffffff"}, "selinux": false}"#,
        )
        .unwrap();
        assert_eq!(node.capabilities.bounding, Some(CapSet(0x1ff_feff_ffff)));
        assert_eq!(node.selinux, Some(false));
        assert_eq!(node.apparmor, None);
    }

    #[test]
    fn a_misspelt_key_is_an_error_that_lists_the_right_ones() {
        let error = serde_json::from_str::<NodeFacts>(r#"{"appArmor": false}"#).unwrap_err();
        assert!(error.to_string().contains("unknown field `appArmor`, expected one of"), "{error}");
    }
}
