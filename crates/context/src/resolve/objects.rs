//! ConfigMaps and Secrets that the pod names and that do not exist, where it is known which do.

use k8s_openapi::api::core::v1::PodSpec;

use super::outcome::{Outcome, Step};
use super::view::{ContainerView, PodView};
use crate::origin::Origin;

/// Whether an object exists; `None` where that is not known.
fn exists(pod: &PodView<'_>, kind: &str, name: &str) -> Option<bool> {
    Some(pod.facts.objects.as_ref()?.contains(&format!("{kind}/{name}")))
}

fn not_found(kind: &str, name: &str) -> String {
    format!("{} \"{name}\" not found", kind.to_lowercase())
}

/// Volumes of objects that do not exist keep the pod waiting. Only volumes that a container mounts are set up.
pub(crate) fn refuse_volumes(pod: &PodView<'_>, outcome: &mut Outcome) {
    if pod.facts.objects.is_none() {
        return;
    }
    for (index, volume) in pod.spec.volumes.iter().flatten().enumerate() {
        let source = match (&volume.config_map, &volume.secret) {
            (Some(source), _) => Some(("ConfigMap", source.name.as_str(), source.optional)),
            (_, Some(source)) => Some(("Secret", source.secret_name.as_deref().unwrap_or_default(), source.optional)),
            _ => None,
        };
        if let Some((kind, name, optional)) = source
            && optional != Some(true)
            && exists(pod, kind, name) == Some(false)
            && is_mounted(pod.spec, &volume.name)
        {
            outcome.refuse(
                Step::MountVolumes,
                Some(Origin::pod(format!("spec.volumes[{index}]"))),
                format!("MountVolume.SetUp failed for volume \"{}\" : {}", volume.name, not_found(kind, name)),
            );
        }
    }
}

fn is_mounted(spec: &PodSpec, volume: &str) -> bool {
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    containers
        .flat_map(|container| container.volume_mounts.iter().flatten())
        .chain(
            spec.ephemeral_containers.iter().flatten().flat_map(|container| container.volume_mounts.iter().flatten()),
        )
        .any(|mount| mount.name == volume)
}

/// Environment variables from objects that do not exist are refused by the kubelet.
pub(crate) fn refuse_environment(pod: &PodView<'_>, container: &ContainerView<'_>, outcome: &mut Outcome) {
    if pod.facts.objects.is_none() {
        return;
    }
    let mut check = |kind: &str, name: &str, optional: Option<bool>, field: String| {
        if optional != Some(true) && exists(pod, kind, name) == Some(false) {
            outcome.refuse(
                Step::ConfigEnvironment,
                Some(Origin::container(format!("{}.{field}", container.path))),
                not_found(kind, name),
            );
        }
    };
    for (index, source) in container.env_from.iter().enumerate() {
        if let Some(reference) = &source.config_map_ref {
            check("ConfigMap", &reference.name, reference.optional, format!("envFrom[{index}].configMapRef"));
        } else if let Some(reference) = &source.secret_ref {
            check("Secret", &reference.name, reference.optional, format!("envFrom[{index}].secretRef"));
        }
    }
    for (index, variable) in container.env.iter().enumerate() {
        let Some(source) = &variable.value_from else { continue };
        if let Some(key) = &source.config_map_key_ref {
            check("ConfigMap", &key.name, key.optional, format!("env[{index}].valueFrom.configMapKeyRef"));
        } else if let Some(key) = &source.secret_key_ref {
            check("Secret", &key.name, key.optional, format!("env[{index}].valueFrom.secretKeyRef"));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::effective::{EffectivePod, RefusalReason};
    use crate::facts::Facts;
    use crate::resolve::testing::resolve_spec;

    fn knowing(objects: &[&str], spec: &str) -> EffectivePod {
        let objects = Some(objects.iter().map(|object| (*object).to_owned()).collect());
        resolve_spec(spec, &Facts { objects, ..Facts::default() })
    }

    #[test]
    fn a_variable_from_a_config_map_that_does_not_exist_is_refused_by_the_kubelet() {
        let spec = r#"{"containers": [{"name": "a", "envFrom": [{"configMapRef": {"name": "c"}}]}]}"#;
        assert_eq!(knowing(&["ConfigMap/c"], spec).containers[0].refusal, None);
        let refusal = knowing(&[], spec).containers.remove(0).refusal.unwrap();
        assert_eq!(refusal.reason, RefusalReason::CreateContainerConfigError);
        assert_eq!(refusal.message, "configmap \"c\" not found");
        assert_eq!(resolve_spec(spec, &Facts::default()).containers[0].refusal, None);
    }

    #[test]
    fn a_volume_of_a_secret_that_does_not_exist_keeps_the_pod_waiting_if_it_is_mounted() {
        let mounted = r#"{"containers": [{"name": "a", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
            "volumes": [{"name": "v", "secret": {"secretName": "s"}}]}"#;
        let refusal = knowing(&[], mounted).refusal.unwrap();
        assert_eq!(refusal.reason, RefusalReason::FailedMount);
        assert_eq!(refusal.message, "MountVolume.SetUp failed for volume \"v\" : secret \"s\" not found");
        let unmounted = r#"{"containers": [], "volumes": [{"name": "v", "secret": {"secretName": "s"}}]}"#;
        assert_eq!(knowing(&[], unmounted).refusal, None);
    }
}
