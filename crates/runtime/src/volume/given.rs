//! Directories of this machine in place of volumes that only a cluster can provide: claims, CSI volumes, generic ephemeral
//! volumes and network file systems.

use std::collections::BTreeMap;
use std::path::PathBuf;

use k8s_openapi::api::core::v1::Pod;
use ringfence_context::effective::{EffectivePod, VolumeKind};

use super::{VolumeError, invalid};

/// Refuses a directory for a volume that the pod does not have, or that is made here.
pub(super) fn check(
    pod: &Pod,
    effective: &EffectivePod,
    given: Option<&BTreeMap<String, PathBuf>>,
) -> Result<(), VolumeError> {
    let declared = pod.spec.as_ref().and_then(|spec| spec.volumes.as_deref()).unwrap_or_default();
    let mounts = || effective.containers.iter().flat_map(|container| &container.mounts);
    for (name, dir) in given.into_iter().flatten() {
        match mounts().find(|mount| mount.volume == *name).map(|mount| &mount.kind) {
            Some(VolumeKind::PersistentVolumeClaim { .. } | VolumeKind::Other { .. }) => {}
            Some(_) => return Err(invalid(name, "it is made here, and takes no directory")),
            None if declared.iter().any(|volume| volume.name == *name) => {
                return Err(invalid(name, "no container mounts it, so that it needs no directory"));
            }
            None => {
                let others = mounts().map(|mount| mount.volume.as_str());
                let mut names: Vec<&str> = declared.iter().map(|volume| volume.name.as_str()).chain(others).collect();
                names.sort_unstable();
                names.dedup();
                let there =
                    if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
                return Err(invalid(name, format!("the pod has no volume of this name; {there}")));
            }
        }
        if !dir.is_dir() {
            return Err(invalid(name, format!("{} is no directory", dir.display())));
        }
    }
    Ok(())
}
