//! Owner, group and mode of a volume's root, and of a file in it that is mounted by `subPath`
//! (kubelet `pkg/volume/emptydir`, `pkg/volume/{configmap,secret,projected,downwardapi}`, `pkg/volume/volume_linux.go`).

use k8s_openapi::api::core::v1::{KeyToPath, Volume};

use crate::effective::{Medium, Ownership, VolumeKind};
use crate::origin::{Origin, Value};

/// The set-group-ID bit, by which new files get the directory's group.
const SETGID: u32 = 0o2000;
/// What fsGroup adds to the mode of a directory, and of a file of a volume that the kubelet fills itself.
const DIRECTORY_BITS: u32 = SETGID | 0o770;
const FILE_BITS: u32 = 0o440;

/// Owner, group and mode of the volume's root.
pub(crate) fn root(volume: &Volume, kind: &VolumeKind, fs_group: &Value<Option<u32>>) -> Value<Ownership> {
    let mode = match kind {
        VolumeKind::EmptyDir { .. } if volume.empty_dir.as_ref().is_some_and(|source| source.mode.is_some()) => {
            return Value::unknown("emptyDir.mode has an effect only where the EmptyDirVolumeMode feature is enabled");
        }
        // A ConfigMap's files lie on the node's disk; the others' in a tmpfs, which the kernel makes with a sticky bit.
        VolumeKind::EmptyDir { medium: Medium::Disk, .. } | VolumeKind::ConfigMap { .. } => 0o777,
        VolumeKind::EmptyDir { medium: Medium::Memory, .. }
        | VolumeKind::Secret { .. }
        | VolumeKind::Projected
        | VolumeKind::DownwardApi => 0o1777,
        // What the kernel gives the root of a hugetlbfs.
        VolumeKind::EmptyDir { medium: Medium::HugePages, .. } => 0o755,
        VolumeKind::HostPath { path, .. } => {
            return Value::unknown(format!("a hostPath keeps the owner, group and mode that {path} has on the node"));
        }
        VolumeKind::PersistentVolumeClaim { claim } => {
            return Value::unknown(format!("what the volume behind the claim {claim} holds is not known"));
        }
        VolumeKind::Other { type_ } => return Value::unknown(format!("what the {type_} volume holds is not known")),
    };
    match fs_group {
        Value::Known { value: Some(gid), origin } => {
            Value::known(Ownership { uid: 0, gid: *gid, mode: mode | DIRECTORY_BITS, directory: true }, origin.clone())
        }
        _ => Value::known(
            Ownership { uid: 0, gid: 0, mode, directory: true },
            Origin::kubelet("makes the directory for everyone"),
        ),
    }
}

/// Owner, group and mode of what `sub_path` names in the volume.
pub(crate) fn sub_path(
    volume: &Volume,
    kind: &VolumeKind,
    sub_path: &str,
    fs_group: &Value<Option<u32>>,
    root: Value<Ownership>,
) -> Value<Ownership> {
    let (items, default_mode): (Option<&[KeyToPath]>, Option<i32>) = match kind {
        // The kubelet makes a directory that is not there with the mode of the root; its group follows from setgid.
        VolumeKind::EmptyDir { .. } => return root,
        VolumeKind::ConfigMap { .. } => {
            let source = volume.config_map.as_ref();
            (source.and_then(|source| source.items.as_deref()), source.and_then(|source| source.default_mode))
        }
        VolumeKind::Secret { .. } => {
            let source = volume.secret.as_ref();
            (source.and_then(|source| source.items.as_deref()), source.and_then(|source| source.default_mode))
        }
        _ => return Value::unknown(format!("what lies at {sub_path} in the volume is not known")),
    };
    let Some(item) = items.and_then(|items| items.iter().find(|item| item.path == sub_path)) else {
        return Value::unknown(format!("whether the volume has a file {sub_path} is not known"));
    };
    let mode = item.mode.or(default_mode).unwrap_or(0o644) as u32 & 0o777;
    if let Value::Known { value: Some(gid), origin } = fs_group {
        return Value::known(Ownership { uid: 0, gid: *gid, mode: mode | FILE_BITS, directory: false }, origin.clone());
    }
    let origin = Origin::kubelet(if item.mode.is_some() { "the item's mode" } else { "defaultMode" });
    Value::known(Ownership { uid: 0, gid: 0, mode, directory: false }, origin)
}
