//! What the API server fills into a pod before it judges it, as far as a control can see it.
//!
//! The policy itself takes a pod as it stands, and so does [`evaluate`](crate::evaluate). Whoever asks what a cluster
//! would answer to a manifest applies these defaults first.

use k8s_openapi::api::core::v1::{Container, EmptyDirVolumeSource, PodSpec, Volume};
use std::borrow::Cow;

/// What holds a pod's spec; some defaults are for pods alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// A pod.
    Pod,
    /// The template of a workload.
    Template,
}

/// The spec with the defaults that a control can see, cloned only if there is one to apply:
///
/// - A volume without a source becomes an `emptyDir`.
/// - In a pod on the node's network, every port of an init container or container claims the same port of the node
///   unless it claims another one.
///
/// The rules are `SetDefaults_Volume` and `SetDefaults_Pod` in `k8s.io/kubernetes/pkg/apis/core/v1/defaults.go`.
pub fn with_defaults(spec: &PodSpec, holder: Holder) -> Cow<'_, PodSpec> {
    let bare_volumes = spec.volumes.iter().flatten().any(has_no_source);
    let claims_ports = holder == Holder::Pod
        && spec.host_network == Some(true)
        && (spec.containers.iter().chain(spec.init_containers.iter().flatten()))
            .flat_map(|container| container.ports.iter().flatten())
            .any(|port| port.host_port.unwrap_or_default() == 0);
    if !bare_volumes && !claims_ports {
        return Cow::Borrowed(spec);
    }
    let mut spec = spec.clone();
    for volume in spec.volumes.iter_mut().flatten().filter(|volume| has_no_source(volume)) {
        volume.empty_dir = Some(EmptyDirVolumeSource::default());
    }
    if claims_ports {
        claim_ports(&mut spec.containers);
        claim_ports(spec.init_containers.as_deref_mut().unwrap_or_default());
    }
    Cow::Owned(spec)
}

fn has_no_source(volume: &Volume) -> bool {
    *volume == Volume { name: volume.name.clone(), ..Volume::default() }
}

fn claim_ports(containers: &mut [Container]) {
    for port in containers.iter_mut().flat_map(|container| container.ports.iter_mut().flatten()) {
        if port.host_port.unwrap_or_default() == 0 {
            port.host_port = Some(port.container_port);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::pod;
    use serde_json::json;

    #[test]
    fn makes_an_empty_dir_of_a_volume_without_a_source() {
        let pod = pod(json!({"containers": [], "volumes": [{"name": "a"}, {"name": "b", "secret": {}}]}));
        for holder in [Holder::Pod, Holder::Template] {
            let spec = with_defaults(&pod.spec, holder);
            let volumes = spec.volumes.as_ref().unwrap();
            assert!(volumes[0].empty_dir.is_some() && volumes[1].empty_dir.is_none());
        }
    }

    #[test]
    fn claims_the_ports_of_the_node_for_a_pod_on_its_network() {
        let ports =
            json!([{"containerPort": 1}, {"containerPort": 2, "hostPort": 0}, {"containerPort": 3, "hostPort": 4}]);
        let containers = json!([{"name": "a", "ports": ports}]);
        let pod = pod(json!({"hostNetwork": true, "containers": containers, "initContainers": containers}));
        let spec = with_defaults(&pod.spec, Holder::Pod);
        for container in spec.containers.iter().chain(spec.init_containers.iter().flatten()) {
            let claimed: Vec<_> = container.ports.iter().flatten().map(|port| port.host_port).collect();
            assert_eq!(claimed, [Some(1), Some(2), Some(4)]);
        }
        assert!(matches!(with_defaults(&pod.spec, Holder::Template), Cow::Borrowed(_)));
    }

    #[test]
    fn leaves_a_pod_alone_that_lacks_nothing() {
        let ports = json!([{"containerPort": 1}]);
        let pod = pod(json!({"containers": [{"name": "a", "ports": ports}], "volumes": [{"name": "a", "nfs": {}}]}));
        assert!(matches!(with_defaults(&pod.spec, Holder::Pod), Cow::Borrowed(_)));
    }
}
