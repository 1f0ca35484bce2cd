//! The volume with the service account's token, which the `ServiceAccount` plugin mounts into every container.

use crate::cluster::Platform;
use k8s_openapi::api::core::v1::{
    ConfigMapProjection, Container, DownwardAPIProjection, DownwardAPIVolumeFile, KeyToPath, ObjectFieldSelector,
    PodSpec, ProjectedVolumeSource, ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
};

const PREFIX: &str = "kube-api-access-";
const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// An hour, and seven seconds by which such tokens are told from others.
const EXPIRATION_SECONDS: i64 = 3607;
/// 0644
const MODE: i32 = 420;

/// Mounts the token into every container that has nothing there, and adds its volume if it was needed.
pub(super) fn mount(spec: &mut PodSpec, platform: Platform, identity: &str) {
    let volumes = spec.volumes.get_or_insert_default();
    let existing = volumes.iter().find(|volume| volume.name.starts_with(PREFIX)).map(|volume| volume.name.clone());
    let name = existing.clone().unwrap_or_else(|| format!("{PREFIX}{}", suffix(identity)));
    let mut needed = false;
    for container in spec.init_containers.iter_mut().flatten().chain(&mut spec.containers) {
        needed |= mount_into(container, &name);
    }
    if needed && existing.is_none() {
        volumes.push(Volume { name, projected: Some(source(platform)), ..Volume::default() });
    }
    if volumes.is_empty() {
        spec.volumes = None;
    }
}

fn mount_into(container: &mut Container, volume: &str) -> bool {
    let mounts = container.volume_mounts.get_or_insert_default();
    let taken = mounts.iter().any(|mount| mount.mount_path == MOUNT_PATH);
    if !taken {
        mounts.push(VolumeMount {
            name: volume.to_owned(),
            read_only: Some(true),
            mount_path: MOUNT_PATH.to_owned(),
            ..VolumeMount::default()
        });
    }
    !taken
}

/// Five characters such as the API server makes up, but always the same for a pod.
fn suffix(identity: &str) -> String {
    const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    // FNV-1a.
    let mut hash = identity
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let mut suffix = String::with_capacity(5);
    for _ in 0..5 {
        let at = (hash % ALPHABET.len() as u64) as usize;
        suffix.push(char::from(ALPHABET.get(at).copied().unwrap_or(b'x')));
        hash /= ALPHABET.len() as u64;
    }
    suffix
}

fn source(platform: Platform) -> ProjectedVolumeSource {
    let token = VolumeProjection {
        service_account_token: Some(ServiceAccountTokenProjection {
            path: "token".to_owned(),
            expiration_seconds: Some(EXPIRATION_SECONDS),
            ..ServiceAccountTokenProjection::default()
        }),
        ..VolumeProjection::default()
    };
    let namespace = VolumeProjection {
        downward_api: Some(DownwardAPIProjection {
            items: Some(vec![DownwardAPIVolumeFile {
                path: "namespace".to_owned(),
                field_ref: Some(ObjectFieldSelector {
                    api_version: Some("v1".to_owned()),
                    field_path: "metadata.namespace".to_owned(),
                }),
                ..DownwardAPIVolumeFile::default()
            }]),
        }),
        ..VolumeProjection::default()
    };
    let mut sources = vec![token, config_map("kube-root-ca.crt", "ca.crt"), namespace];
    if platform == Platform::OpenShift {
        sources.push(config_map("openshift-service-ca.crt", "service-ca.crt"));
    }
    ProjectedVolumeSource { default_mode: Some(MODE), sources: Some(sources), ..ProjectedVolumeSource::default() }
}

fn config_map(name: &str, key: &str) -> VolumeProjection {
    let item = KeyToPath { key: key.to_owned(), path: key.to_owned(), ..KeyToPath::default() };
    VolumeProjection {
        config_map: Some(ConfigMapProjection { name: name.to_owned(), items: Some(vec![item]), optional: None }),
        ..VolumeProjection::default()
    }
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "JSON written in place reads best without a reference before it")]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn mounted(spec: Value) -> PodSpec {
        let mut spec: PodSpec = serde_json::from_value(spec).unwrap();
        mount(&mut spec, Platform::Kubernetes, "app/web");
        spec
    }

    #[test]
    fn every_container_gets_the_same_volume() {
        let spec = mounted(json!({"initContainers": [{"name": "i"}], "containers": [{"name": "a"}, {"name": "b"}]}));
        let volumes = spec.volumes.unwrap();
        assert_eq!(volumes.len(), 1);
        assert!(volumes[0].name.starts_with("kube-api-access-") && volumes[0].name.len() == 21);
        for container in spec.init_containers.unwrap().iter().chain(&spec.containers) {
            let mounts = container.volume_mounts.as_ref().unwrap();
            assert_eq!((mounts.len(), mounts[0].name.as_str()), (1, volumes[0].name.as_str()));
        }
    }

    #[test]
    fn a_mount_that_is_there_already_is_left_alone() {
        let mount = json!([{"name": "own", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]);
        let spec = mounted(json!({"containers": [{"name": "a", "volumeMounts": mount}]}));
        assert_eq!((spec.volumes, spec.containers[0].volume_mounts.as_ref().unwrap().len()), (None, 1));
    }

    #[test]
    fn a_token_volume_that_is_there_already_is_used() {
        let spec = mounted(json!({"containers": [{"name": "a"}], "volumes": [{"name": "kube-api-access-own"}]}));
        assert_eq!(spec.volumes.unwrap().len(), 1);
        assert_eq!(spec.containers[0].volume_mounts.as_ref().unwrap()[0].name, "kube-api-access-own");
    }

    #[test]
    fn openshift_adds_its_own_certificate_authority() {
        let sources = |platform| source(platform).sources.unwrap().len();
        assert_eq!((sources(Platform::Kubernetes), sources(Platform::OpenShift)), (3, 4));
    }
}
