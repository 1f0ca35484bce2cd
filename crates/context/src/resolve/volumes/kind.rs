//! What a volume is, by the one field of its source that is set.

use k8s_openapi::api::core::v1::Volume;

use crate::effective::{Medium, VolumeKind};
use crate::resolve::quantity::bytes;

/// What a volume is. A volume without a source is an emptyDir, as the API defaults it.
pub(crate) fn of(volume: &Volume) -> VolumeKind {
    if let Some(source) = &volume.empty_dir {
        let medium = match source.medium.as_deref() {
            None | Some("") => Medium::Disk,
            Some("Memory") => Medium::Memory,
            Some(_) => Medium::HugePages,
        };
        return VolumeKind::EmptyDir {
            medium,
            size_limit: source.size_limit.as_ref().and_then(|limit| bytes(&limit.0)),
        };
    }
    if let Some(source) = &volume.host_path {
        return VolumeKind::HostPath { path: source.path.clone(), type_: source.type_.clone().unwrap_or_default() };
    }
    if let Some(source) = &volume.config_map {
        return VolumeKind::ConfigMap { name: source.name.clone() };
    }
    if let Some(source) = &volume.secret {
        return VolumeKind::Secret { name: source.secret_name.clone().unwrap_or_default() };
    }
    if volume.projected.is_some() {
        return VolumeKind::Projected;
    }
    if volume.downward_api.is_some() {
        return VolumeKind::DownwardApi;
    }
    if let Some(source) = &volume.persistent_volume_claim {
        return VolumeKind::PersistentVolumeClaim { claim: source.claim_name.clone() };
    }
    match other(volume) {
        Some(type_) => VolumeKind::Other { type_: type_.to_owned() },
        None => VolumeKind::EmptyDir { medium: Medium::Disk, size_limit: None },
    }
}

/// The name of the field of any further source.
fn other(volume: &Volume) -> Option<&'static str> {
    [
        (volume.nfs.is_some(), "nfs"),
        (volume.csi.is_some(), "csi"),
        (volume.ephemeral.is_some(), "ephemeral"),
        (volume.image.is_some(), "image"),
        (volume.iscsi.is_some(), "iscsi"),
        (volume.fc.is_some(), "fc"),
        (volume.git_repo.is_some(), "gitRepo"),
        (volume.aws_elastic_block_store.is_some(), "awsElasticBlockStore"),
        (volume.azure_disk.is_some(), "azureDisk"),
        (volume.azure_file.is_some(), "azureFile"),
        (volume.cephfs.is_some(), "cephfs"),
        (volume.cinder.is_some(), "cinder"),
        (volume.flex_volume.is_some(), "flexVolume"),
        (volume.flocker.is_some(), "flocker"),
        (volume.gce_persistent_disk.is_some(), "gcePersistentDisk"),
        (volume.glusterfs.is_some(), "glusterfs"),
        (volume.photon_persistent_disk.is_some(), "photonPersistentDisk"),
        (volume.portworx_volume.is_some(), "portworxVolume"),
        (volume.quobyte.is_some(), "quobyte"),
        (volume.rbd.is_some(), "rbd"),
        (volume.scale_io.is_some(), "scaleIO"),
        (volume.storageos.is_some(), "storageos"),
        (volume.vsphere_volume.is_some(), "vsphereVolume"),
    ]
    .into_iter()
    .find_map(|(set, name)| set.then_some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(json: &str) -> VolumeKind {
        of(&serde_json::from_str(json).expect("a volume"))
    }

    #[test]
    fn each_source_has_its_kind() {
        assert_eq!(
            kind(r#"{"name": "v", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}}"#),
            VolumeKind::EmptyDir { medium: Medium::Memory, size_limit: Some(64 << 20) }
        );
        assert_eq!(
            kind(r#"{"name": "v", "emptyDir": {"medium": "HugePages-2Mi"}}"#),
            VolumeKind::EmptyDir { medium: Medium::HugePages, size_limit: None }
        );
        assert_eq!(
            kind(r#"{"name": "v", "nfs": {"server": "s", "path": "/"}}"#),
            VolumeKind::Other { type_: "nfs".to_owned() }
        );
        assert_eq!(
            kind(r#"{"name": "v", "secret": {"secretName": "s"}}"#),
            VolumeKind::Secret { name: "s".to_owned() }
        );
    }

    #[test]
    fn a_volume_without_a_source_is_an_empty_dir() {
        assert_eq!(kind(r#"{"name": "v"}"#), VolumeKind::EmptyDir { medium: Medium::Disk, size_limit: None });
    }
}
