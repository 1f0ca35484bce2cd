//! Mounts that the kubelet refuses (`kubelet_pods.go`, makeMounts).

use k8s_openapi::api::core::v1::VolumeMount;

use crate::origin::Origin;
use crate::resolve::outcome::{Outcome, Step};

/// Refuses a path that leads out of the volume, and recursive read-only where the mount is not read-only.
pub(super) fn refuse(mount: &VolumeMount, sub_path: Option<&str>, field: &str, outcome: &mut Outcome) {
    let message = if let Some(path) = sub_path.filter(|path| path.starts_with('/')) {
        format!("error SubPath `{path}` must not be an absolute path")
    } else if let Some(path) = sub_path.filter(|path| path.split('/').any(|element| element == "..")) {
        format!("unable to provision SubPath `{path}`: must not contain '..'")
    } else if let Some(why) = recursive(mount) {
        format!(
            "failed to resolve recursive read-only mode: volume \"{}\" requested recursive read-only mode, but it is {why}",
            mount.name
        )
    } else {
        return;
    };
    outcome.refuse(Step::ConfigMounts, Some(Origin::container(field)), message);
}

fn recursive(mount: &VolumeMount) -> Option<String> {
    mount.recursive_read_only.as_deref().filter(|mode| *mode != "Disabled")?;
    if mount.read_only != Some(true) {
        return Some("not read-only".to_owned());
    }
    let propagation = mount.mount_propagation.as_deref().filter(|propagation| *propagation != "None")?;
    Some(format!("not compatible with propagation \"{propagation}\""))
}

#[cfg(test)]
mod tests {
    use crate::effective::RefusalReason;
    use crate::facts::Facts;
    use crate::resolve::testing::resolve_spec;

    fn refused(mount: &str) -> Option<String> {
        let spec = format!(
            r#"{{"containers": [{{"name": "a", "volumeMounts": [{{"name": "v", "mountPath": "/v"{mount}}}]}}],
                "volumes": [{{"name": "v", "emptyDir": {{}}}}]}}"#
        );
        let refusal = resolve_spec(&spec, &Facts::default()).containers.remove(0).refusal?;
        assert_eq!(refusal.reason, RefusalReason::CreateContainerConfigError);
        Some(refusal.message)
    }

    #[test]
    fn a_sub_path_stays_in_its_volume() {
        assert_eq!(refused(r#", "subPath": "/a""#).as_deref(), Some("error SubPath `/a` must not be an absolute path"));
        assert_eq!(
            refused(r#", "subPath": "a/../b""#).as_deref(),
            Some("unable to provision SubPath `a/../b`: must not contain '..'")
        );
        assert_eq!(refused(r#", "subPath": "a..b""#), None);
    }

    #[test]
    fn recursive_read_only_needs_read_only_and_no_propagation() {
        assert_eq!(
            refused(r#", "recursiveReadOnly": "Enabled""#).as_deref(),
            Some(
                "failed to resolve recursive read-only mode: volume \"v\" requested recursive read-only mode, but it is not \
                 read-only"
            )
        );
        assert!(
            refused(r#", "readOnly": true, "recursiveReadOnly": "Enabled", "mountPropagation": "HostToContainer""#)
                .is_some()
        );
        assert_eq!(refused(r#", "readOnly": true, "recursiveReadOnly": "Enabled""#), None);
    }
}
