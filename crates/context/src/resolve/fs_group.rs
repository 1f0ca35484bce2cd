//! `fsGroup` and `fsGroupChangePolicy`: on which volumes the kubelet sets group and mode.

use k8s_openapi::api::core::v1::Volume;

use super::outcome::Outcome;
use super::view::{PodView, path};
use super::volumes::kind_of;
use super::volumes::persistent::{self, Applied};
use crate::effective::{VolumeKind, warning_code};
use crate::origin::{Origin, Value};

/// Whether the kubelet manages the ownership of a volume.
enum Managed {
    /// Always, while it makes the volume. fsGroupChangePolicy plays no part.
    Ephemeral,
    /// Depends on the driver, on its CSIDriver object, or on the volume's file system and access mode.
    Depends,
    /// Never.
    No,
}

fn managed(kind: &VolumeKind) -> Managed {
    match kind {
        VolumeKind::EmptyDir { .. }
        | VolumeKind::ConfigMap { .. }
        | VolumeKind::Secret { .. }
        | VolumeKind::Projected
        | VolumeKind::DownwardApi => Managed::Ephemeral,
        VolumeKind::HostPath { .. } => Managed::No,
        VolumeKind::PersistentVolumeClaim { .. } => Managed::Depends,
        VolumeKind::Other { type_ } => match type_.as_str() {
            "gitRepo" => Managed::Ephemeral,
            "nfs" | "image" | "glusterfs" | "cephfs" | "quobyte" => Managed::No,
            _ => Managed::Depends,
        },
    }
}

/// The group that the kubelet gives a volume; the origin says why or why not.
pub(crate) fn of_volume(pod: &PodView<'_>, volume: &Volume, kind: &VolumeKind) -> Value<Option<u32>> {
    let Some((gid, origin)) = pod.get("fsGroup", |context| context.fs_group) else {
        return Value::known(None, Origin::api_default(path("fsGroup")));
    };
    match managed(kind) {
        // The kernel takes the low 32 bits, as everywhere.
        Managed::Ephemeral => Value::known(Some(gid as u32), origin),
        Managed::No => Value::known(None, Origin::kubelet("leaves the ownership of such a volume alone")),
        Managed::Depends => behind(pod, volume, gid as u32, origin),
    }
}

/// The same for a volume that outlives the pod.
fn behind(pod: &PodView<'_>, volume: &Volume, gid: u32, origin: Origin) -> Value<Option<u32>> {
    let storage = &pod.facts.storage;
    let Some(source) = persistent::source(volume, pod.metadata.namespace.as_deref(), storage) else {
        return Value::unknown(
            "whether the kubelet or the driver applies fsGroup depends on the driver's fsGroupPolicy, the file system and \
             the access mode",
        );
    };
    let read_only = volume.persistent_volume_claim.as_ref().is_some_and(|claim| claim.read_only == Some(true));
    match persistent::fs_group(&source, read_only, storage) {
        Applied::Yes(_) => Value::known(Some(gid), origin),
        Applied::No(why) => Value::known(None, Origin::kubelet(why)),
        Applied::Unknown(why) => Value::unknown(why),
    }
}

/// fsGroup where it is ignored, and fsGroupChangePolicy where there is nothing for it to decide.
pub(crate) fn warn_pod(pod: &PodView<'_>, outcome: &mut Outcome) {
    let fs_group = pod.context.and_then(|context| context.fs_group);
    let mut decides = false;
    for (index, volume) in pod.spec.volumes.iter().flatten().enumerate() {
        match managed(&kind_of(volume)) {
            Managed::No if fs_group.is_some() => outcome.warn(
                warning_code::FS_GROUP_IGNORED,
                format!("spec.volumes[{index}]"),
                format!("fsGroup does not change owner or mode of the {} volume {}", type_name(&kind_of(volume)), volume.name),
                "give the directory the right group where it is exported or made, or name its group in supplementalGroups",
            ),
            Managed::No | Managed::Ephemeral => {}
            Managed::Depends => decides = true,
        }
    }
    if let Some((policy, _)) = pod.get("fsGroupChangePolicy", |context| context.fs_group_change_policy.as_deref()) {
        let (message, hint) = if fs_group.is_none() {
            (
                format!("fsGroupChangePolicy: {policy} has no fsGroup to apply"),
                "set fsGroup, or remove fsGroupChangePolicy",
            )
        } else if !decides && !mounts_unlisted(pod) {
            (
                format!(
                    "fsGroupChangePolicy: {policy} has no effect on emptyDir, configMap, secret and the like, and the pod \
                     has no other volume that fsGroup applies to"
                ),
                "remove fsGroupChangePolicy",
            )
        } else {
            return;
        };
        outcome.warn(warning_code::FS_GROUP_CHANGE_POLICY_IGNORED, path("fsGroupChangePolicy"), message, hint);
    }
}

/// Whether a container mounts a volume that `spec.volumes` does not list, such as a claim that a StatefulSet makes.
fn mounts_unlisted(pod: &PodView<'_>) -> bool {
    let volumes = pod.spec.volumes.as_deref().unwrap_or_default();
    pod.containers()
        .flat_map(|container| container.mounts)
        .any(|mount| !volumes.iter().any(|volume| volume.name == mount.name))
}

/// A subPath on a volume that outlives the pod.
pub(crate) fn warn_sub_path(
    pod: &PodView<'_>,
    kind: &VolumeKind,
    sub_path: Option<&str>,
    field: &str,
    outcome: &mut Outcome,
) {
    let Some(sub_path) = sub_path else { return };
    if pod.context.and_then(|context| context.fs_group).is_some() && matches!(managed(kind), Managed::Depends) {
        outcome.warn(
            warning_code::FS_GROUP_SUB_PATH,
            format!("{field}.subPath"),
            format!(
                "fsGroup is applied to the volume's root before {sub_path} is made; a directory that is there already with \
                 another group keeps it if fsGroupChangePolicy is OnRootMismatch or the driver does not support fsGroup"
            ),
            "make the directory with the right group in an init container, or mount the volume's root",
        );
    }
}

/// The name of the field of the volume's source.
fn type_name(kind: &VolumeKind) -> &str {
    match kind {
        VolumeKind::EmptyDir { .. } => "emptyDir",
        VolumeKind::HostPath { .. } => "hostPath",
        VolumeKind::ConfigMap { .. } => "configMap",
        VolumeKind::Secret { .. } => "secret",
        VolumeKind::Projected => "projected",
        VolumeKind::DownwardApi => "downwardAPI",
        VolumeKind::PersistentVolumeClaim { .. } => "persistentVolumeClaim",
        VolumeKind::Other { type_ } => type_,
    }
}

#[cfg(test)]
mod tests {
    use crate::effective::{EffectivePod, warning_code};
    use crate::facts::Facts;
    use crate::resolve::testing::{codes, resolve_spec};

    fn with(volume: &str, mount: &str, context: &str) -> EffectivePod {
        let spec = format!(
            r#"{{"containers": [{{"name": "a", "volumeMounts": [{{"name": "v", "mountPath": "/v"{mount}}}]}}],
                "volumes": [{{"name": "v", {volume}}}], "securityContext": {context}}}"#
        );
        resolve_spec(&spec, &Facts::default())
    }

    fn warned(pod: &EffectivePod) -> Vec<&'static str> {
        pod.warnings.iter().map(|warning| warning.code).collect()
    }

    #[test]
    fn volumes_that_ignore_fs_group_are_a_warning() {
        for volume in [r#""hostPath": {"path": "/srv"}"#, r#""nfs": {"server": "s", "path": "/"}"#] {
            let pod = with(volume, "", r#"{"fsGroup": 7}"#);
            assert_eq!(warned(&pod), [warning_code::FS_GROUP_IGNORED], "{volume}");
            assert_eq!(pod.containers[0].mounts[0].fs_group.get(), Some(&None));
            assert!(warned(&with(volume, "", "{}")).is_empty());
        }
        assert!(warned(&with(r#""emptyDir": {}"#, "", r#"{"fsGroup": 7}"#)).is_empty());
    }

    #[test]
    fn on_a_claim_it_depends_on_the_driver() {
        let pod = with(r#""persistentVolumeClaim": {"claimName": "c"}"#, "", r#"{"fsGroup": 7}"#);
        assert_eq!(pod.containers[0].mounts[0].fs_group.get(), None);
    }

    #[test]
    fn a_change_policy_without_a_volume_that_it_applies_to_is_a_warning() {
        let policy = r#"{"fsGroup": 7, "fsGroupChangePolicy": "OnRootMismatch"}"#;
        let ignored = [warning_code::FS_GROUP_CHANGE_POLICY_IGNORED];
        assert_eq!(warned(&with(r#""emptyDir": {}"#, "", policy)), ignored);
        assert!(warned(&with(r#""persistentVolumeClaim": {"claimName": "c"}"#, "", policy)).is_empty());
        assert_eq!(warned(&with(r#""emptyDir": {}"#, "", r#"{"fsGroupChangePolicy": "Always"}"#)), ignored);
        let stateful_set = format!(
            r#"{{"containers": [{{"name": "a", "volumeMounts": [{{"name": "claim", "mountPath": "/v"}}]}}],
                "securityContext": {policy}}}"#
        );
        assert!(warned(&resolve_spec(&stateful_set, &Facts::default())).is_empty());
    }

    #[test]
    fn a_sub_path_of_a_claim_is_a_warning() {
        let claim = r#""persistentVolumeClaim": {"claimName": "c"}"#;
        let pod = with(claim, r#", "subPath": "data""#, r#"{"fsGroup": 7}"#);
        assert!(codes(&pod.containers[0]).contains(&warning_code::FS_GROUP_SUB_PATH));
    }
}
