//! The state of a process in a container as the kernel reports it: predicted from a manifest (`computed`) or read back
//! from `/proc` (`observed`). One schema for both, so that they can be held against each other.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::capability::CapSet;

/// What a process got. A field that is `None` is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProcessState {
    /// The user ID (real, effective, saved and file-system are the same).
    pub uid: Option<u32>,
    /// The primary group ID.
    pub gid: Option<u32>,
    /// The supplementary groups as `/proc/PID/status` lists them, sorted.
    pub groups: Option<Vec<u32>>,
    /// The five capability sets.
    pub capabilities: Option<CapabilitySets>,
    /// The no_new_privs flag.
    pub no_new_privileges: Option<bool>,
    /// 0 (disabled) or 2 (filter), see seccomp(2).
    pub seccomp_mode: Option<u8>,
    /// Whether the root file system is mounted read-only.
    pub read_only_root_filesystem: Option<bool>,
    /// Whether the paths of /proc that a runtime hides (`/proc/kcore`, `/proc/keys`…) are masked.
    pub proc_masked: Option<bool>,
    /// The namespaces that are the host's or the container's own.
    pub namespaces: Option<Namespaces>,
    /// The environment variable HOME.
    pub home: Option<String>,
    /// The mount points of the declared volumes, by mount path.
    pub volumes: BTreeMap<String, VolumeState>,
    /// A file that the process made in each volume that it can write, by mount path; only observed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub created_files: BTreeMap<String, VolumeState>,
    /// The AppArmor profile of the process, when the kernel has AppArmor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_armor_profile: Option<String>,
    /// The SELinux label of the process, when the kernel has SELinux.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selinux_label: Option<String>,
}

/// The five capability sets of a thread, see capabilities(7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CapabilitySets {
    /// Kept across an execve of a file that has inheritable capabilities.
    pub inheritable: CapSet,
    /// What the thread may make effective.
    pub permitted: CapSet,
    /// What the kernel checks.
    pub effective: CapSet,
    /// The most that an execve can give.
    pub bounding: CapSet,
    /// Kept across an execve of an ordinary file by a user who is not root.
    pub ambient: CapSet,
}

/// Which of the node's namespaces a process shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Namespaces {
    /// pid_namespaces(7).
    pub pid: Namespace,
    /// ipc_namespaces(7).
    pub ipc: Namespace,
    /// network_namespaces(7).
    pub net: Namespace,
    /// uts_namespaces(7).
    pub uts: Namespace,
    /// user_namespaces(7).
    pub user: Namespace,
}

/// Whether a namespace is the node's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Namespace {
    /// The node's own namespace.
    Host,
    /// One of the pod or container.
    Own,
}

/// The root of a volume as `ls -ld` in the container shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeState {
    /// Type and permission bits as `ls -l` prints them, such as `drwxrwsrwx`.
    pub mode: String,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}
