//! `restrictedVolumes`: volumes come from the cluster, not from the node or from storage that the pod names.

use super::host_path_volumes;
use crate::{
    control::{Control, Revision, documented},
    field::{Field, Remedy},
    finding::{Finding, Findings, Value},
    level::Level,
    pod::Pod,
    version::Version,
    words,
};
use k8s_openapi::api::core::v1::Volume;

const fn source(path: &'static str) -> Field {
    Field {
        path,
        allowed: "configMap, csi, downwardAPI, emptyDir, ephemeral, image, persistentVolumeClaim, projected, secret",
        hint: "persistentVolumeClaim for storage, which an administrator provides; emptyDir: {} for scratch space",
        remedy: Remedy::Choose,
        example: "{}",
        inherits: None,
    }
}

static HOST_PATH: Field = source("spec.volumes[*].hostPath");
static GCE_PERSISTENT_DISK: Field = source("spec.volumes[*].gcePersistentDisk");
static AWS_ELASTIC_BLOCK_STORE: Field = source("spec.volumes[*].awsElasticBlockStore");
static GIT_REPO: Field = source("spec.volumes[*].gitRepo");
static NFS: Field = source("spec.volumes[*].nfs");
static ISCSI: Field = source("spec.volumes[*].iscsi");
static GLUSTERFS: Field = source("spec.volumes[*].glusterfs");
static RBD: Field = source("spec.volumes[*].rbd");
static FLEX_VOLUME: Field = source("spec.volumes[*].flexVolume");
static CINDER: Field = source("spec.volumes[*].cinder");
static CEPHFS: Field = source("spec.volumes[*].cephfs");
static FLOCKER: Field = source("spec.volumes[*].flocker");
static FC: Field = source("spec.volumes[*].fc");
static AZURE_FILE: Field = source("spec.volumes[*].azureFile");
static VSPHERE_VOLUME: Field = source("spec.volumes[*].vsphereVolume");
static QUOBYTE: Field = source("spec.volumes[*].quobyte");
static AZURE_DISK: Field = source("spec.volumes[*].azureDisk");
static PHOTON_PERSISTENT_DISK: Field = source("spec.volumes[*].photonPersistentDisk");
static PORTWORX_VOLUME: Field = source("spec.volumes[*].portworxVolume");
static SCALE_IO: Field = source("spec.volumes[*].scaleIO");
static STORAGEOS: Field = source("spec.volumes[*].storageos");

/// A volume without a source. The policy calls its type unknown; a cluster never gets to, since the API server makes an
/// emptyDir of it first.
static UNKNOWN: Field = source("spec.volumes[*]");

documented! {
    /// ## What it does
    ///
    /// Allows volumes of the types `configMap`, `csi`, `downwardAPI`, `emptyDir`, `ephemeral`, `image`,
    /// `persistentVolumeClaim`, `projected` and `secret`, and no others. It stands in for `hostPathVolumes`.
    ///
    /// ## Why is this bad
    ///
    /// The other types name storage in the pod itself: files of the node, disks, network shares. Whoever may write a
    /// pod could reach any of them with the node's rights. A claim leaves that choice to those who run the cluster.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// spec:
    ///   containers:
    ///     - name: app
    ///       image: registry.example/app:1
    ///   volumes:
    ///     - name: data
    ///       nfs:
    ///         server: files.example
    ///         path: /exports/app
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// spec:
    ///   containers:
    ///     - name: app
    ///       image: registry.example/app:1
    ///   volumes:
    ///     - name: data
    ///       persistentVolumeClaim:
    ///         claimName: app
    /// ```
    pub static CONTROL: Control = Control {
        id: "restrictedVolumes",
        level: Level::Restricted,
        title: "Only volumes of the cluster may be mounted",
        fields: &[
            &HOST_PATH,
            &GCE_PERSISTENT_DISK,
            &AWS_ELASTIC_BLOCK_STORE,
            &GIT_REPO,
            &NFS,
            &ISCSI,
            &GLUSTERFS,
            &RBD,
            &FLEX_VOLUME,
            &CINDER,
            &CEPHFS,
            &FLOCKER,
            &FC,
            &AZURE_FILE,
            &VSPHERE_VOLUME,
            &QUOBYTE,
            &AZURE_DISK,
            &PHOTON_PERSISTENT_DISK,
            &PORTWORX_VOLUME,
            &SCALE_IO,
            &STORAGEOS,
            &UNKNOWN,
        ],
        revisions: &[Revision {
            since: Version::v1(0),
            overrides: &["hostPathVolumes"],
            change: "volumes that are not of the cluster are refused",
            check: restricted_volumes_1_0,
            detail,
        }],
        reason: |_| "restricted volume types",
        docs: DOCS,
    };
}

fn restricted_volumes_1_0<'p>(pod: &Pod<'p>, out: &mut Findings<'p>) {
    for (i, volume) in pod.spec.volumes.as_deref().unwrap_or_default().iter().enumerate() {
        if !is_allowed(volume) {
            let (field, value) =
                refused_source(volume).map_or((&UNKNOWN, Value::Missing), |field| (field, Value::Object));
            out.volume(field, i, &volume.name, value);
            if std::ptr::eq(field, &raw const HOST_PATH) {
                out.also_of(&host_path_volumes::CONTROL);
            }
        }
    }
}

fn is_allowed(volume: &Volume) -> bool {
    volume.config_map.is_some()
        || volume.csi.is_some()
        || volume.downward_api.is_some()
        || volume.empty_dir.is_some()
        || volume.ephemeral.is_some()
        || volume.image.is_some()
        || volume.persistent_volume_claim.is_some()
        || volume.projected.is_some()
        || volume.secret.is_some()
}

/// The first of its sources, in upstream's order; the API allows one.
fn refused_source(volume: &Volume) -> Option<&'static Field> {
    let sources = [
        (volume.host_path.is_some(), &HOST_PATH),
        (volume.gce_persistent_disk.is_some(), &GCE_PERSISTENT_DISK),
        (volume.aws_elastic_block_store.is_some(), &AWS_ELASTIC_BLOCK_STORE),
        (volume.git_repo.is_some(), &GIT_REPO),
        (volume.nfs.is_some(), &NFS),
        (volume.iscsi.is_some(), &ISCSI),
        (volume.glusterfs.is_some(), &GLUSTERFS),
        (volume.rbd.is_some(), &RBD),
        (volume.flex_volume.is_some(), &FLEX_VOLUME),
        (volume.cinder.is_some(), &CINDER),
        (volume.cephfs.is_some(), &CEPHFS),
        (volume.flocker.is_some(), &FLOCKER),
        (volume.fc.is_some(), &FC),
        (volume.azure_file.is_some(), &AZURE_FILE),
        (volume.vsphere_volume.is_some(), &VSPHERE_VOLUME),
        (volume.quobyte.is_some(), &QUOBYTE),
        (volume.azure_disk.is_some(), &AZURE_DISK),
        (volume.photon_persistent_disk.is_some(), &PHOTON_PERSISTENT_DISK),
        (volume.portworx_volume.is_some(), &PORTWORX_VOLUME),
        (volume.scale_io.is_some(), &SCALE_IO),
        (volume.storageos.is_some(), &STORAGEOS),
    ];
    sources.into_iter().find_map(|(is_set, field)| is_set.then_some(field))
}

fn detail(found: &[Finding<'_>], out: &mut String) {
    let own = found.iter().filter(|finding| finding.control().id == CONTROL.id);
    let volumes = words::volumes(own.clone(), out);
    let name = |finding: &Finding<'_>| if finding.is_at(&UNKNOWN) { "unknown" } else { finding.field().name() };
    let types = words::set(own.map(name));
    out.push_str(words::plural(" uses ", " use ", volumes));
    out.push_str(words::plural("restricted volume type ", "restricted volume types ", types.len()));
    words::quoted(types, out);
}

#[cfg(test)]
mod tests {
    use crate::{
        Level, Version, evaluate,
        testing::{by, paths, pod},
    };
    use serde_json::json;

    #[test]
    fn refuses_types_that_are_not_of_the_cluster_and_names_each_once() {
        let volumes = json!([
            {"name": "a", "nfs": {"server": "x", "path": "/"}},
            {"name": "b", "emptyDir": {}},
            {"name": "c", "nfs": {"server": "y", "path": "/"}},
            {"name": "d"},
        ]);
        let pod = pod(json!({"containers": [], "volumes": volumes}));
        assert_eq!(
            by("restrictedVolumes", "v1.0", &pod),
            r#"restricted volume types (volumes "a", "c", "d" use restricted volume types "nfs", "unknown")"#
        );
        assert_eq!(
            paths("restrictedVolumes", "v1.0", &pod),
            ["spec.volumes[0].nfs", "spec.volumes[2].nfs", "spec.volumes[3]"]
        );
    }

    #[test]
    fn finds_that_a_volume_of_the_nodes_files_breaks_the_baseline_control_too() {
        let pod = pod(json!({"containers": [], "volumes": [{"name": "a", "hostPath": {"path": "/"}}]}));
        let verdict = evaluate(Level::Restricted, Version::LATEST, &pod.metadata, &pod.spec);
        assert_eq!(verdict.detail(), r#"restricted volume types (volume "a" uses restricted volume type "hostPath")"#);
        let controls: Vec<_> = verdict.findings().iter().map(|finding| finding.control().id).collect();
        assert_eq!(controls, ["restrictedVolumes", "hostPathVolumes"]);
    }

    #[test]
    fn allows_what_the_cluster_provides() {
        let volumes = json!([
            {"name": "a", "configMap": {}}, {"name": "b", "secret": {}}, {"name": "c", "projected": {}},
            {"name": "d", "csi": {"driver": "x"}}, {"name": "e", "persistentVolumeClaim": {"claimName": "x"}},
            {"name": "f", "ephemeral": {}}, {"name": "g", "image": {}}, {"name": "h", "downwardAPI": {}},
        ]);
        assert_eq!(by("restrictedVolumes", "latest", &pod(json!({"containers": [], "volumes": volumes}))), "");
    }
}
