//! Mounts of a command line as volumes of a pod.

use k8s_openapi::api::core::v1::{
    EmptyDirVolumeSource, HostPathVolumeSource, PersistentVolumeClaimVolumeSource, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{Notes, note};
use crate::options::Options;
use crate::value::{Mount, MountKind, Propagation, bytes};

/// The volumes and where the container sees them.
pub(super) fn to_pod(options: &Options, notes: &mut Notes) -> (Vec<Volume>, Vec<VolumeMount>) {
    let mut made = Made::default();
    for (path, given) in options.tmpfs_mounts() {
        let mut size = None;
        for option in given.split(',').filter(|option| !option.is_empty()) {
            match option.strip_prefix("size=").map(bytes) {
                Some(Ok(bytes)) => size = Some(Quantity(bytes.to_string())),
                _ => note(
                    notes,
                    format!("--tmpfs {path}:{option}"),
                    "an emptyDir has a size and no other mount option; its owner is root, its mode 1777, and programs in it can be executed",
                ),
            }
        }
        let memory = EmptyDirVolumeSource {
            medium: Some("Memory".to_owned()),
            size_limit: size,
            ..EmptyDirVolumeSource::default()
        };
        made.add("tmpfs", path, false, None, |volume| volume.empty_dir = Some(memory));
    }
    if let Some(size) = options.shm_size.filter(|size| *size > 0) {
        let memory = EmptyDirVolumeSource {
            medium: Some("Memory".to_owned()),
            size_limit: Some(Quantity(size.to_string())),
            ..EmptyDirVolumeSource::default()
        };
        made.add("shm", "/dev/shm", false, None, |volume| volume.empty_dir = Some(memory));
    }
    for mount in &options.mounts {
        one(mount, options.privileged, &mut made, notes);
    }
    (made.volumes, made.mounts)
}

fn one(mount: &Mount, privileged: bool, made: &mut Made, notes: &mut Notes) {
    let propagation = match mount.propagation {
        Some(Propagation::Shared | Propagation::RShared) => {
            if !privileged {
                note(
                    notes,
                    format!("{}: rshared", mount.target),
                    "a pod spreads mounts to the node from privileged containers alone",
                );
            }
            privileged.then_some("Bidirectional")
        }
        Some(Propagation::Slave | Propagation::RSlave) => Some("HostToContainer"),
        _ => None,
    };
    if let Some(label) = mount.relabel {
        note(
            notes,
            format!("{}: {label}", mount.target),
            "a pod's volumes take the SELinux label of seLinuxOptions; hostPath volumes are not relabelled",
        );
    }
    match &mount.kind {
        MountKind::Tmpfs { .. } => {}
        MountKind::Bind { source, non_recursive, .. } => {
            if *non_recursive {
                note(notes, format!("{}: bind-nonrecursive", mount.target), "a hostPath is mounted with all below it");
            }
            let host = HostPathVolumeSource { path: source.clone(), type_: None };
            made.add("host", &mount.target, mount.read_only, propagation, |volume| volume.host_path = Some(host));
        }
        MountKind::Volume { name: Some(name) } => {
            note(
                notes,
                format!("--volume {name}"),
                "docker keeps it; here it is a claim of this name, which has to be there",
            );
            let claim = PersistentVolumeClaimVolumeSource {
                claim_name: name.to_lowercase().replace(['_', '.'], "-"),
                read_only: None,
            };
            made.add("volume", &mount.target, mount.read_only, propagation, |volume| {
                volume.persistent_volume_claim = Some(claim);
            });
        }
        MountKind::Volume { name: None } => {
            made.add("volume", &mount.target, mount.read_only, propagation, |volume| {
                volume.empty_dir = Some(EmptyDirVolumeSource::default());
            });
        }
    }
}

#[derive(Default)]
struct Made {
    volumes: Vec<Volume>,
    mounts: Vec<VolumeMount>,
}

impl Made {
    fn add(
        &mut self,
        kind: &str,
        path: &str,
        read_only: bool,
        propagation: Option<&str>,
        set: impl FnOnce(&mut Volume),
    ) {
        let name = format!("{kind}-{}", self.volumes.len());
        let mut volume = Volume { name: name.clone(), ..Volume::default() };
        set(&mut volume);
        self.volumes.push(volume);
        self.mounts.push(VolumeMount {
            name,
            mount_path: path.to_owned(),
            read_only: read_only.then_some(true),
            mount_propagation: propagation.map(str::to_owned),
            ..VolumeMount::default()
        });
    }
}
