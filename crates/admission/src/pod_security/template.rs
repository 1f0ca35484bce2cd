//! What of a pod decides its verdict, so that pods that are alike are kept, and judged, once.

use k8s_openapi::api::core::v1::{
    CSIVolumeSource, ConfigMapVolumeSource, Container, ContainerPort, DownwardAPIVolumeSource, EmptyDirVolumeSource,
    EphemeralContainer, EphemeralVolumeSource, Lifecycle, LifecycleHandler, PersistentVolumeClaimVolumeSource, Pod,
    PodSpec, Probe, ProjectedVolumeSource, SecretProjection, SecretVolumeSource, Volume, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use ringfence_scc::{REQUIRED_SCC, fs_type, is_service_account_token};

/// Annotations that stood for fields once, and the constraint that took the pod, which alike pods share.
const PREFIXES: [&str; 4] = [
    "openshift.io/scc",
    "seccomp.security.alpha.kubernetes.io/",
    "container.seccomp.security.alpha.kubernetes.io/",
    "container.apparmor.security.beta.kubernetes.io/",
];

/// What security context constraints read beside what the controls do: the service account, by which they are chosen,
/// the constraint that is asked for, and which kinds of volume there are.
pub fn template_for_constraints(pod: Pod) -> Pod {
    let spec = pod.spec.as_ref();
    let required = pod.metadata.annotations.as_ref().and_then(|all| all.get(REQUIRED_SCC).cloned());
    let account = spec.and_then(|spec| spec.service_account_name.clone().or_else(|| spec.service_account.clone()));
    let mut kinds: Vec<Volume> = Vec::new();
    for volume in spec.and_then(|spec| spec.volumes.as_ref()).into_iter().flatten().filter_map(kind_of_volume) {
        if !kinds.contains(&volume) {
            kinds.push(volume);
        }
    }
    let mut template = template(pod);
    if let Some(required) = required {
        template.metadata.annotations.get_or_insert_default().insert(REQUIRED_SCC.to_owned(), required);
    }
    if let Some(spec) = &mut template.spec {
        spec.service_account_name = account;
        // Volumes that the controls do not read go by their kind: pods share it, whatever their volumes are called.
        kinds.extend(spec.volumes.take().unwrap_or_default());
        spec.volumes = (!kinds.is_empty()).then_some(kinds);
    }
    template
}

/// The pod without its name, its owner, and all that no control reads.
pub fn template(pod: Pod) -> Pod {
    let annotations = pod.metadata.annotations.map(|mut all| {
        all.retain(|key, _| PREFIXES.iter().any(|prefix| key.starts_with(prefix)));
        all
    });
    let annotations = annotations.filter(|all| !all.is_empty());
    let spec = pod.spec.map(|spec| PodSpec {
        containers: spec.containers.into_iter().map(container).collect(),
        init_containers: spec.init_containers.map(|all| all.into_iter().map(container).collect()),
        ephemeral_containers: spec.ephemeral_containers.map(|all| all.into_iter().map(ephemeral).collect()),
        host_ipc: spec.host_ipc,
        host_network: spec.host_network,
        host_pid: spec.host_pid,
        host_users: spec.host_users,
        os: spec.os,
        runtime_class_name: spec.runtime_class_name,
        security_context: spec.security_context,
        volumes: spec.volumes.map(|all| all.into_iter().filter_map(volume).collect()),
        ..PodSpec::default()
    });
    Pod { metadata: ObjectMeta { annotations, ..ObjectMeta::default() }, spec, status: None }
}

fn container(container: Container) -> Container {
    Container {
        lifecycle: container.lifecycle.and_then(lifecycle),
        liveness_probe: container.liveness_probe.and_then(probe),
        name: container.name,
        ports: container.ports.map(ports),
        readiness_probe: container.readiness_probe.and_then(probe),
        restart_policy: container.restart_policy,
        security_context: container.security_context,
        startup_probe: container.startup_probe.and_then(probe),
        ..Container::default()
    }
}

fn ephemeral(container: EphemeralContainer) -> EphemeralContainer {
    EphemeralContainer {
        lifecycle: container.lifecycle.and_then(lifecycle),
        liveness_probe: container.liveness_probe.and_then(probe),
        name: container.name,
        ports: container.ports.map(ports),
        readiness_probe: container.readiness_probe.and_then(probe),
        restart_policy: container.restart_policy,
        security_context: container.security_context,
        startup_probe: container.startup_probe.and_then(probe),
        ..EphemeralContainer::default()
    }
}

fn ports(ports: Vec<ContainerPort>) -> Vec<ContainerPort> {
    let of_the_node = ports.into_iter().filter(|port| port.host_port.is_some());
    of_the_node.map(|port| ContainerPort { host_port: port.host_port, ..ContainerPort::default() }).collect()
}

/// Only where a probe goes counts, if it goes anywhere.
fn probe(probe: Probe) -> Option<Probe> {
    let goes = probe.http_get.is_some() || probe.tcp_socket.is_some();
    goes.then(|| Probe { http_get: probe.http_get, tcp_socket: probe.tcp_socket, ..Probe::default() })
}

fn lifecycle(lifecycle: Lifecycle) -> Option<Lifecycle> {
    let handler = |handler: LifecycleHandler| {
        let goes = handler.http_get.is_some() || handler.tcp_socket.is_some();
        goes.then(|| LifecycleHandler {
            http_get: handler.http_get,
            tcp_socket: handler.tcp_socket,
            ..LifecycleHandler::default()
        })
    };
    let kept = Lifecycle {
        post_start: lifecycle.post_start.and_then(handler),
        pre_stop: lifecycle.pre_stop.and_then(handler),
        stop_signal: None,
    };
    (kept.post_start.is_some() || kept.pre_stop.is_some()).then_some(kept)
}

/// A volume that [`volume`] does not keep, without its name and what is in it. Which kind counts follows
/// [`ringfence_scc::fs_type`].
fn kind_of_volume(from: &Volume) -> Option<Volume> {
    if !is_allowed(from) {
        return None;
    }
    let mut kind = Volume::default();
    match fs_type(from)? {
        "configMap" => kind.config_map = Some(ConfigMapVolumeSource::default()),
        "csi" => kind.csi = Some(CSIVolumeSource::default()),
        "downwardAPI" => kind.downward_api = Some(DownwardAPIVolumeSource::default()),
        "emptyDir" => kind.empty_dir = Some(EmptyDirVolumeSource::default()),
        "ephemeral" => kind.ephemeral = Some(EphemeralVolumeSource::default()),
        "persistentVolumeClaim" => kind.persistent_volume_claim = Some(PersistentVolumeClaimVolumeSource::default()),
        "secret" => kind.secret = Some(SecretVolumeSource::default()),
        "projected" => {
            // A service account's token is taken where secrets are, and anything else, such as a secret, is not.
            let is_token = from.projected.as_ref().is_some_and(is_service_account_token);
            let other = || vec![VolumeProjection { secret: Some(SecretProjection::default()), ..Default::default() }];
            let sources = (!is_token).then(other);
            kind.projected = Some(ProjectedVolumeSource { sources, ..ProjectedVolumeSource::default() });
        }
        // A volume with several sources is of the first kind, which an API server would not take; it is kept whole.
        _ => return Some(Volume { name: String::new(), ..from.clone() }),
    }
    Some(kind)
}

/// The kinds of volume that every level allows need not be kept. Each pod's token volume has a name of its own.
fn volume(volume: Volume) -> Option<Volume> {
    (!is_allowed(&volume)).then_some(volume)
}

fn is_allowed(volume: &Volume) -> bool {
    let allowed = volume.config_map.is_some()
        || volume.csi.is_some()
        || volume.downward_api.is_some()
        || volume.empty_dir.is_some()
        || volume.ephemeral.is_some()
        || volume.persistent_volume_claim.is_some()
        || volume.projected.is_some()
        || volume.secret.is_some();
    allowed && volume.host_path.is_none()
}
