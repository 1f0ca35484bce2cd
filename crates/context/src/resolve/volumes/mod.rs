//! `volumeMounts`: what is mounted in a container, whether it is read-only, and who owns it.

mod kind;
mod ownership;
pub(crate) mod persistent;
mod refuse;

use std::borrow::Cow;

use k8s_openapi::api::core::v1::{PersistentVolumeClaimVolumeSource, SELinuxOptions, Volume, VolumeMount};

use super::fs_group;
use super::outcome::Outcome;
use super::view::{ContainerView, PodView};
use crate::effective::{EffectiveMount, VolumeKind, warning_code};
use crate::origin::{Origin, Value};

pub(crate) use kind::of as kind_of;

/// The mounts of a container, in its order.
pub(crate) fn resolve(pod: &PodView<'_>, container: &ContainerView<'_>, outcome: &mut Outcome) -> Vec<EffectiveMount> {
    let volumes = pod.spec.volumes.as_deref().unwrap_or_default();
    container
        .mounts
        .iter()
        .enumerate()
        .map(|(index, mount)| {
            let field = format!("{}.volumeMounts[{index}]", container.path);
            match volumes.iter().find(|volume| volume.name == mount.name) {
                Some(volume) => of_volume(pod, mount, volume, &field, outcome),
                None => missing(pod, mount, &field, outcome),
            }
        })
        .collect()
}

fn of_volume(
    pod: &PodView<'_>,
    mount: &VolumeMount,
    volume: &Volume,
    field: &str,
    outcome: &mut Outcome,
) -> EffectiveMount {
    let kind = kind::of(volume);
    let fs_group = fs_group::of_volume(pod, volume, &kind);
    let root = ownership::root(volume, &kind, &fs_group);
    let sub_path = sub_path(mount);
    let ownership = match (&mount.sub_path_expr, sub_path.as_deref()) {
        (Some(expression), _) if !expression.is_empty() && !matches!(kind, VolumeKind::EmptyDir { .. }) => {
            Value::unknown(format!("what lies at {expression} in the volume is not known"))
        }
        (_, Some(sub_path)) => ownership::sub_path(volume, &kind, sub_path, &fs_group, root),
        (_, None) => root,
    };
    // What an expression comes to is known only to the kubelet.
    let literal = mount.sub_path_expr.as_deref().unwrap_or_default().is_empty();
    refuse::refuse(mount, sub_path.as_deref().filter(|_| literal), field, outcome);
    fs_group::warn_sub_path(pod, &kind, sub_path.as_deref(), field, outcome);
    EffectiveMount {
        volume: mount.name.clone(),
        mount_path: absolute(&mount.mount_path).into_owned(),
        sub_path,
        read_only: read_only(mount, volume, &kind, field, outcome),
        kind,
        ownership,
        fs_group,
        context_mount: context_mount(pod, volume),
    }
}

/// Which conditions keep the volume from being mounted with its SELinux label at once.
fn context_mount(pod: &PodView<'_>, volume: &Volume) -> Option<Vec<String>> {
    let set = |options: Option<&SELinuxOptions>| options.is_some_and(|options| *options != SELinuxOptions::default());
    let of_pod = set(pod.context.and_then(|context| context.se_linux_options.as_ref()));
    let labels: Vec<bool> = pod
        .containers()
        .filter(|container| container.mounts.iter().any(|mount| mount.name == volume.name))
        .map(|container| of_pod || set(container.context.and_then(|context| context.se_linux_options.as_ref())))
        .collect();
    if !labels.contains(&true) {
        return None;
    }
    let source = persistent::source(volume, pod.metadata.namespace.as_deref(), &pod.facts.storage)?;
    let policy = pod.context.and_then(|context| context.se_linux_change_policy.as_deref());
    Some(persistent::unmet_for_context_mount(&source, &labels, policy == Some("Recursive"), &pod.facts.storage))
}

/// `subPath`, or `subPathExpr`; an empty one is none.
fn sub_path(mount: &VolumeMount) -> Option<String> {
    [&mount.sub_path_expr, &mount.sub_path].into_iter().flatten().find(|path| !path.is_empty()).cloned()
}

/// The kubelet puts a slash before a relative path.
fn absolute(path: &str) -> Cow<'_, str> {
    if path.starts_with('/') { Cow::Borrowed(path) } else { Cow::Owned(format!("/{path}")) }
}

/// Whether the mount is read-only: as asked for, or because the kubelet fills the volume itself.
fn read_only(
    mount: &VolumeMount,
    volume: &Volume,
    kind: &VolumeKind,
    field: &str,
    outcome: &mut Outcome,
) -> Value<bool> {
    let filled = match kind {
        VolumeKind::ConfigMap { .. } => Some("ConfigMap"),
        VolumeKind::Secret { .. } => Some("Secret"),
        VolumeKind::Projected => Some("projected"),
        VolumeKind::DownwardApi => Some("downwardAPI"),
        VolumeKind::Other { type_ } if type_ == "image" => Some("image"),
        _ => None,
    };
    if let Some(filled) = filled {
        if mount.read_only == Some(false) {
            outcome.warn(
                warning_code::MOUNT_READ_ONLY,
                format!("{field}.readOnly"),
                format!("a {filled} volume is mounted read-only, whatever readOnly says"),
                "copy the files to an emptyDir in an init container if they must be writable",
            );
        }
        return Value::known(true, Origin::kubelet(format!("a {filled} volume is read-only")));
    }
    if mount.read_only == Some(true) {
        return Value::known(true, Origin::container(format!("{field}.readOnly")));
    }
    let source = volume
        .persistent_volume_claim
        .as_ref()
        .and_then(|source| source.read_only)
        .or_else(|| volume.nfs.as_ref().and_then(|source| source.read_only))
        .or_else(|| volume.csi.as_ref().and_then(|source| source.read_only));
    if source == Some(true) {
        return Value::known(true, Origin::pod(format!("spec.volumes[{}].readOnly", volume.name)));
    }
    match mount.read_only {
        Some(_) => Value::known(false, Origin::container(format!("{field}.readOnly"))),
        None => Value::known(false, Origin::api_default(format!("{field}.readOnly"))),
    }
}

/// A mount of a volume that the pod does not have itself: a claim that a StatefulSet makes, or a mistake.
fn missing(pod: &PodView<'_>, mount: &VolumeMount, field: &str, outcome: &mut Outcome) -> EffectiveMount {
    let templates = pod.facts.claim_templates.as_ref();
    if templates.is_some_and(|names| names.contains(&mount.name)) {
        let claim = PersistentVolumeClaimVolumeSource { claim_name: mount.name.clone(), read_only: None };
        let volume = Volume { name: mount.name.clone(), persistent_volume_claim: Some(claim), ..Volume::default() };
        return of_volume(pod, mount, &volume, field, outcome);
    }
    if templates.is_some() {
        outcome.warn(
            warning_code::VOLUME_MISSING,
            format!("{field}.name"),
            format!("the pod has no volume {}", mount.name),
            "add it to spec.volumes, or correct the name",
        );
    }
    let unknown = || "the volume is not among the pod's".to_owned();
    EffectiveMount {
        volume: mount.name.clone(),
        mount_path: absolute(&mount.mount_path).into_owned(),
        sub_path: sub_path(mount),
        read_only: Value::known(mount.read_only == Some(true), Origin::container(format!("{field}.readOnly"))),
        kind: VolumeKind::Other { type_: "missing".to_owned() },
        ownership: Value::unknown(unknown()),
        fs_group: Value::unknown(unknown()),
        context_mount: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effective::EffectiveContainer;
    use crate::facts::Facts;
    use crate::resolve::testing::{codes, resolve_spec};

    fn mounted(volume: &str, mount: &str, context: &str) -> EffectiveContainer {
        let spec = format!(
            r#"{{"containers": [{{"name": "a", "volumeMounts": [{{"name": "v", "mountPath": "/v"{mount}}}]}}],
                "volumes": [{{"name": "v", {volume}}}], "securityContext": {context}}}"#
        );
        resolve_spec(&spec, &Facts::default()).containers.remove(0)
    }

    fn mode(volume: &str, mount: &str, context: &str) -> Option<(String, u32)> {
        let state = mounted(volume, mount, context).process();
        state.volumes.get("/v").map(|volume| (volume.mode.clone(), volume.gid))
    }

    #[test]
    fn an_empty_dir_is_for_everyone_until_fs_group_takes_it() {
        assert_eq!(mode(r#""emptyDir": {}"#, "", "{}"), Some(("drwxrwxrwx".to_owned(), 0)));
        assert_eq!(mode(r#""emptyDir": {}"#, "", r#"{"fsGroup": 2000}"#), Some(("drwxrwsrwx".to_owned(), 2000)));
        assert_eq!(mode(r#""emptyDir": {}"#, "", r#"{"fsGroup": 0}"#), Some(("drwxrwsrwx".to_owned(), 0)));
        let memory = r#""emptyDir": {"medium": "Memory"}"#;
        assert_eq!(mode(memory, "", "{}"), Some(("drwxrwxrwt".to_owned(), 0)));
        assert_eq!(mode(memory, "", r#"{"fsGroup": 2000}"#), Some(("drwxrwsrwt".to_owned(), 2000)));
        let huge = r#""emptyDir": {"medium": "HugePages"}"#;
        assert_eq!(mode(huge, "", "{}"), Some(("drwxr-xr-x".to_owned(), 0)));
        assert_eq!(mode(huge, "", r#"{"fsGroup": 2000}"#), Some(("drwxrwsr-x".to_owned(), 2000)));
    }

    #[test]
    fn a_sub_path_of_an_empty_dir_is_like_its_root() {
        let sub_path = r#", "subPath": "a/b""#;
        assert_eq!(mode(r#""emptyDir": {}"#, sub_path, r#"{"fsGroup": 2000}"#), Some(("drwxrwsrwx".to_owned(), 2000)));
    }

    #[test]
    fn volumes_that_the_kubelet_fills_are_read_only_and_belong_to_fs_group() {
        let config = r#""configMap": {"name": "c"}"#;
        assert_eq!(mode(config, "", r#"{"fsGroup": 7}"#), Some(("drwxrwsrwx".to_owned(), 7)));
        assert_eq!(mode(r#""secret": {"secretName": "s"}"#, "", "{}"), Some(("drwxrwxrwt".to_owned(), 0)));
        assert_eq!(mounted(config, "", "{}").mounts[0].read_only.get(), Some(&true));
        let warned = mounted(config, r#", "readOnly": false"#, "{}");
        assert!(codes(&warned).contains(&warning_code::MOUNT_READ_ONLY));
    }

    #[test]
    fn a_file_of_a_secret_has_its_mode_and_is_readable_for_fs_group() {
        let secret = r#""secret": {"secretName": "s", "defaultMode": 256, "items": [{"key": "k", "path": "key.pem"}]}"#;
        let sub_path = r#", "subPath": "key.pem""#;
        assert_eq!(mode(secret, sub_path, "{}"), Some(("-r--------".to_owned(), 0)));
        assert_eq!(mode(secret, sub_path, r#"{"fsGroup": 7}"#), Some(("-r--r-----".to_owned(), 7)));
        assert_eq!(mode(secret, r#", "subPath": "other""#, "{}"), None);
    }

    #[test]
    fn what_lies_on_the_node_or_behind_a_claim_is_unknown() {
        assert_eq!(mode(r#""hostPath": {"path": "/srv"}"#, "", "{}"), None);
        assert_eq!(mode(r#""persistentVolumeClaim": {"claimName": "c"}"#, "", "{}"), None);
    }

    #[test]
    fn a_mount_is_read_only_where_the_mount_or_the_claim_says_so() {
        let read_only = |volume: &str, mount: &str| *mounted(volume, mount, "{}").mounts[0].read_only.get().unwrap();
        assert!(read_only(r#""emptyDir": {}"#, r#", "readOnly": true"#));
        assert!(!read_only(r#""emptyDir": {}"#, ""));
        assert!(read_only(r#""persistentVolumeClaim": {"claimName": "c", "readOnly": true}"#, ""));
    }

    #[test]
    fn a_mount_without_a_volume_is_a_warning_unless_a_claim_template_may_supply_it() {
        let resolved = |claim_templates: Option<&[&str]>| {
            let claim_templates = claim_templates.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
            let spec = r#"{"containers": [{"name": "a", "volumeMounts": [{"name": "w", "mountPath": "w"}]}]}"#;
            resolve_spec(spec, &Facts { claim_templates, ..Facts::default() }).containers.remove(0)
        };
        let pod = resolved(Some(&[]));
        assert!(codes(&pod).contains(&warning_code::VOLUME_MISSING));
        assert_eq!(pod.mounts[0].mount_path, "/w");
        let stateful_set = resolved(Some(&["w"]));
        assert_eq!(stateful_set.mounts[0].kind, VolumeKind::PersistentVolumeClaim { claim: "w".to_owned() });
        for container in [stateful_set, resolved(None)] {
            assert!(!codes(&container).contains(&warning_code::VOLUME_MISSING));
        }
    }
}
