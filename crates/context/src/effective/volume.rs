//! The volumes of a container: what they are, and who owns them.

use serde::Serialize;

use crate::origin::Value;

/// A volume mounted in a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveMount {
    /// The volume's name.
    pub volume: String,
    /// Where it is mounted.
    pub mount_path: String,
    /// `subPath`, or `subPathExpr` before its variables are put in.
    pub sub_path: Option<String>,
    /// Whether it is mounted read-only.
    pub read_only: Value<bool>,
    /// What the volume is.
    pub kind: VolumeKind,
    /// Owner, group and mode of the mount's root as the process sees it.
    pub ownership: Value<Ownership>,
    /// Whether the kubelet applies fsGroup to this volume; the origin says why or why not.
    pub fs_group: Value<Option<u32>>,
    /// Where containers with seLinuxOptions use a volume of the cluster: the conditions that keep it from being mounted
    /// with its label at once, so that it is labelled file by file. Empty if all hold; `None` where nothing is labelled
    /// or nothing is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_mount: Option<Vec<String>>,
}

/// Owner, group and permission bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Ownership {
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Permission bits with setuid, setgid and sticky bits; the file type is `directory`.
    pub mode: u32,
    /// Whether it is a directory.
    pub directory: bool,
}

/// What a volume is, as far as ownership and running it here go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum VolumeKind {
    /// An empty directory.
    EmptyDir {
        /// On the node's disk or in memory.
        medium: Medium,
        /// `sizeLimit` in bytes.
        #[serde(rename = "sizeLimit")]
        size_limit: Option<u64>,
    },
    /// A path of the node.
    HostPath {
        /// The path.
        path: String,
        /// `DirectoryOrCreate`, `Directory`, `FileOrCreate`, `File`, `Socket`, `CharDevice`, `BlockDevice` or empty.
        type_: String,
    },
    /// A ConfigMap.
    ConfigMap {
        /// Its name.
        name: String,
    },
    /// A Secret.
    Secret {
        /// Its name.
        name: String,
    },
    /// Several sources in one directory.
    Projected,
    /// Fields of the pod.
    DownwardApi,
    /// A persistent volume claim, by its name.
    PersistentVolumeClaim {
        /// The claim's name.
        claim: String,
    },
    /// Anything else, by the name of its field (`nfs`, `csi`, `ephemeral`, `image`…).
    Other {
        /// The field's name.
        type_: String,
    },
}

/// Where an emptyDir lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Medium {
    /// The node's disk.
    Disk,
    /// A tmpfs.
    Memory,
    /// Huge pages.
    HugePages,
}
