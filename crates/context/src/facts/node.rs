//! What is known of the node.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::capability::CapSet;

/// Facts about a node that decide what a context can become there. An unknown key of the file is an error; what is left
/// out is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct NodeFacts {
    /// The node's name in the cluster, or the machine's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The kubelet's version, such as `v1.36.2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubelet: Option<String>,
    /// The container runtime with its version, such as `containerd 2.4.0 with runc 1.1.5`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// What the runtime's handlers say that they can do, by name; the default one's name is empty.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub runtime_handlers: BTreeMap<String, RuntimeHandler>,
    /// The kernel's release, such as `6.12.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// `v1`, `v2` or `hybrid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroups: Option<String>,
    /// The controllers of the cgroup hierarchy, sorted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup_controllers: Option<Vec<String>>,
    /// The node's capabilities.
    pub capabilities: NodeCapabilities,
    /// How many files can be open.
    #[serde(skip_serializing_if = "OpenFiles::is_unknown")]
    pub open_files: OpenFiles,
    /// Whether the kubelet runs with `--seccomp-default`. Where it is not said, the kubelet's own default, no, is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seccomp_default: Option<bool>,
    /// What a seccomp filter can answer (`/proc/sys/kernel/seccomp/actions_avail`); empty where the kernel has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seccomp_actions: Option<Vec<String>>,
    /// Whether the kernel has the no_new_privs flag, which is `allowPrivilegeEscalation: false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_new_privileges: Option<bool>,
    /// Whether the kernel has AppArmor enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apparmor: Option<bool>,
    /// Whether the kernel has SELinux enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selinux: Option<bool>,
    /// `enforcing` or `permissive`, where the kernel has SELinux enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selinux_mode: Option<String>,
    /// Whether user namespaces can be used for pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_namespaces: Option<bool>,
    /// Whether mounts can be given other owners (mount_setattr(2), `MOUNT_ATTR_IDMAP`), without which a pod in a user
    /// namespace has no volumes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_mapped_mounts: Option<bool>,
    /// Sysctls of the node that workloads ask about, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctls: BTreeMap<String, String>,
    /// The kubelet's `--allowed-unsafe-sysctls`: names, or prefixes that end in `*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_unsafe_sysctls: Option<Vec<String>>,
    /// Which of these facts were looked for in vain, and why: keys such as `openFiles.pod`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unknown: BTreeMap<String, String>,
}

/// The node's capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct NodeCapabilities {
    /// The bounding set of the container runtime's process: what can be given to a container at all.
    pub bounding: Option<CapSet>,
}

/// What a handler of the container runtime can do (CRI `RuntimeHandlerFeatures`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RuntimeHandler {
    /// User namespaces and id-mapped mounts.
    pub user_namespaces: bool,
    /// Recursive read-only mounts.
    pub recursive_read_only_mounts: bool,
}

/// How many files can be open at a time: RLIMIT_NOFILE (getrlimit(2)) and what bounds it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct OpenFiles {
    /// The limits with which a process in a pod starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<Limits>,
    /// The limits of the process that looked, which says nothing of pods unless it is in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own: Option<Limits>,
    /// `fs.nr_open`: above this no process can raise its limit, whatever its capabilities (proc_sys_fs(5)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nr_open: Option<u64>,
    /// `fs.file-max`: how many files all processes together can have open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_max: Option<u64>,
}

impl OpenFiles {
    /// Whether nothing is known.
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

/// A resource limit and where it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// What counts until the process asks for more.
    pub soft: u64,
    /// The most that it can ask for without `CAP_SYS_RESOURCE`.
    pub hard: u64,
    /// Who says so.
    #[serde(default)]
    pub source: String,
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

    #[test]
    fn what_is_written_is_read_again() {
        let node = NodeFacts {
            open_files: OpenFiles {
                pod: Some(Limits { soft: 1024, hard: 524_288, source: "containerd (PID 7)".to_owned() }),
                nr_open: Some(1_048_576),
                ..OpenFiles::default()
            },
            unknown: BTreeMap::from([("runtime".to_owned(), "no socket".to_owned())]),
            ..NodeFacts::default()
        };
        let text = serde_json::to_string(&node).unwrap();
        assert_eq!(serde_json::from_str::<NodeFacts>(&text).unwrap(), node, "{text}");
        assert_eq!(serde_json::to_string(&NodeFacts::default()).unwrap(), r#"{"capabilities":{"bounding":null}}"#);
    }
}
