//! `volumes`: the kinds of volume that a pod may have, the node's directories (`hostPath`) among them.
//!
//! Upstream: `GetVolumeFSType`, `IsOnlyServiceAccountTokenSources` in `pkg/securitycontextconstraints/util`.

use k8s_openapi::api::core::v1::{ConfigMapProjection, DownwardAPIProjection, ProjectedVolumeSource, Volume};

use super::Objections;
use crate::Value;
use crate::constraints::SecurityContextConstraints;
use crate::violation::{Control, Fault};

/// Every kind of volume, as SCCs name them.
pub const FS_TYPES: [&str; 30] = [
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephFS",
    "cinder",
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "gitRepo",
    "glusterfs",
    "hostPath",
    "image",
    "iscsi",
    "nfs",
    "persistentVolumeClaim",
    "photonPersistentDisk",
    "portworxVolume",
    "projected",
    "quobyte",
    "rbd",
    "scaleIO",
    "secret",
    "storageOS",
    "vsphere",
];

/// The kind of a volume; the first source in the API's order if it has several. `None` when it has no source that
/// this version knows.
pub fn fs_type(v: &Volume) -> Option<&'static str> {
    let kinds = [
        (v.host_path.is_some(), "hostPath"),
        (v.empty_dir.is_some(), "emptyDir"),
        (v.gce_persistent_disk.is_some(), "gcePersistentDisk"),
        (v.aws_elastic_block_store.is_some(), "awsElasticBlockStore"),
        (v.git_repo.is_some(), "gitRepo"),
        (v.secret.is_some(), "secret"),
        (v.nfs.is_some(), "nfs"),
        (v.iscsi.is_some(), "iscsi"),
        (v.glusterfs.is_some(), "glusterfs"),
        (v.persistent_volume_claim.is_some(), "persistentVolumeClaim"),
        (v.rbd.is_some(), "rbd"),
        (v.flex_volume.is_some(), "flexVolume"),
        (v.cinder.is_some(), "cinder"),
        (v.cephfs.is_some(), "cephFS"),
        (v.flocker.is_some(), "flocker"),
        (v.downward_api.is_some(), "downwardAPI"),
        (v.fc.is_some(), "fc"),
        (v.azure_file.is_some(), "azureFile"),
        (v.config_map.is_some(), "configMap"),
        (v.vsphere_volume.is_some(), "vsphere"),
        (v.quobyte.is_some(), "quobyte"),
        (v.azure_disk.is_some(), "azureDisk"),
        (v.photon_persistent_disk.is_some(), "photonPersistentDisk"),
        (v.projected.is_some(), "projected"),
        (v.portworx_volume.is_some(), "portworxVolume"),
        (v.scale_io.is_some(), "scaleIO"),
        (v.storageos.is_some(), "storageOS"),
        (v.csi.is_some(), "csi"),
        (v.ephemeral.is_some(), "ephemeral"),
        (v.image.is_some(), "image"),
    ];
    kinds.into_iter().find_map(|(present, kind)| present.then_some(kind))
}

pub(crate) fn validate(scc: &SecurityContextConstraints, volumes: &[Volume], out: &mut Objections<'_>) {
    if scc.allows_volume(crate::constraints::ALL) {
        return;
    }
    for (i, volume) in volumes.iter().enumerate() {
        // Defaulting has given an emptyDir to volumes without a source.
        let Some(kind) = fs_type(volume) else { continue };
        if !scc.allows_volume(kind) && !allows_token(scc, volume) {
            let fault = Fault::Invalid(Value::String(kind.into()));
            let detail = format!("{kind} volumes are not allowed to be used");
            out.spec(Control::Volumes, &format!("volumes[{i}]"), fault, detail);
        }
    }
}

/// Where secrets are allowed, so is the volume with a service account's token, which once was a secret.
fn allows_token(scc: &SecurityContextConstraints, volume: &Volume) -> bool {
    scc.allows_volume("secret") && volume.projected.as_ref().is_some_and(is_service_account_token)
}

/// Whether a projected volume holds only what the platform mounts for a service account.
pub fn is_service_account_token(volume: &ProjectedVolumeSource) -> bool {
    volume.sources.iter().flatten().all(|source| {
        let known =
            source.service_account_token.is_some() || source.config_map.is_some() || source.downward_api.is_some();
        let token = source
            .service_account_token
            .as_ref()
            .is_none_or(|t| t.path == "token" && t.audience.as_deref().unwrap_or_default().is_empty());
        known
            && token
            && source.config_map.as_ref().is_none_or(is_platform_certificate)
            && source.downward_api.as_ref().is_none_or(is_namespace_name)
    })
}

fn is_platform_certificate(map: &ConfigMapProjection) -> bool {
    let key = match map.name.as_str() {
        "kube-root-ca.crt" => "ca.crt",
        "openshift-service-ca.crt" => "service-ca.crt",
        _ => return false,
    };
    matches!(map.items.as_deref(), Some([item]) if item.key == key && item.path == key)
}

fn is_namespace_name(projection: &DownwardAPIProjection) -> bool {
    projection.items.iter().flatten().all(|item| {
        item.path == "namespace"
            && item.field_ref.as_ref().is_some_and(|f| {
                f.api_version.as_deref().is_none_or(|v| v.is_empty() || v == "v1")
                    && f.field_path == "metadata.namespace"
            })
    })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{
        HostPathVolumeSource, KeyToPath, ServiceAccountTokenProjection, VolumeProjection,
    };

    use super::*;

    fn scc(kinds: &[&str]) -> SecurityContextConstraints {
        SecurityContextConstraints {
            volumes: Some(kinds.iter().map(ToString::to_string).collect()),
            ..Default::default()
        }
    }

    fn objections(scc: &SecurityContextConstraints, volume: Volume) -> Vec<String> {
        let mut out = Objections::new("x");
        validate(scc, &[volume], &mut out);
        out.list.iter().map(ToString::to_string).collect()
    }

    fn token(audience: Option<&str>, map: &str) -> Volume {
        let sources = vec![
            VolumeProjection {
                service_account_token: Some(ServiceAccountTokenProjection {
                    path: "token".into(),
                    audience: audience.map(Into::into),
                    ..Default::default()
                }),
                ..Default::default()
            },
            VolumeProjection {
                config_map: Some(ConfigMapProjection {
                    name: map.into(),
                    items: Some(vec![KeyToPath { key: "ca.crt".into(), path: "ca.crt".into(), ..Default::default() }]),
                    optional: None,
                }),
                ..Default::default()
            },
        ];
        let projected = ProjectedVolumeSource { sources: Some(sources), ..Default::default() };
        Volume { name: "t".into(), projected: Some(projected), ..Default::default() }
    }

    #[test]
    fn a_kind_must_be_listed() {
        let volume =
            || Volume { name: "v".into(), host_path: Some(HostPathVolumeSource::default()), ..Default::default() };
        assert!(objections(&scc(&["hostPath"]), volume()).is_empty());
        assert!(objections(&scc(&["*"]), volume()).is_empty());
        assert_eq!(
            objections(&scc(&["none"]), volume()),
            ["provider x: .spec.volumes[0]: Invalid value: \"hostPath\": hostPath volumes are not allowed to be used"]
        );
    }

    #[test]
    fn a_service_account_token_counts_as_a_secret_and_other_projections_do_not() {
        assert!(objections(&scc(&["secret"]), token(None, "kube-root-ca.crt")).is_empty());
        assert!(!objections(&scc(&["configMap"]), token(None, "kube-root-ca.crt")).is_empty());
        assert!(!objections(&scc(&["secret"]), token(Some("vault"), "kube-root-ca.crt")).is_empty());
        assert!(!objections(&scc(&["secret"]), token(None, "other")).is_empty());
    }

    #[test]
    fn the_list_of_kinds_is_sorted_and_without_repetition() {
        assert!(FS_TYPES.windows(2).all(|w| w[0] < w[1]));
    }
}
