//! `allowHostNetwork`, `allowHostPID`, `allowHostIPC`, `allowHostPorts`: what a pod may take of its node. The
//! directories of the node are in [`super::volumes`].
//!
//! The API server names a host namespace once for the pod and again for each container, and each port once for every
//! container of the pod; the messages are kept so, because people search for them.

use k8s_openapi::api::core::v1::PodSpec;

use super::Objections;
use crate::constraints::SecurityContextConstraints;
use crate::pod::{ContainerAt, containers};
use crate::violation::Control;

/// `at` is `None` for the pod's own turn.
pub(crate) fn validate_namespaces(
    scc: &SecurityContextConstraints,
    spec: &PodSpec,
    at: Option<ContainerAt>,
    out: &mut Objections<'_>,
) {
    if !scc.allow_host_network && spec.host_network == Some(true) {
        out.pod_setting(Control::AllowHostNetwork, at, "hostNetwork", "Host network is not allowed to be used");
    }
    if let Some(at) = at {
        validate_ports(scc, spec, at, out);
    }
    if !scc.allow_host_pid && spec.host_pid == Some(true) {
        out.pod_setting(Control::AllowHostPid, at, "hostPID", "Host PID is not allowed to be used");
    }
    if !scc.allow_host_ipc && spec.host_ipc == Some(true) {
        out.pod_setting(Control::AllowHostIpc, at, "hostIPC", "Host IPC is not allowed to be used");
    }
}

fn validate_ports(scc: &SecurityContextConstraints, spec: &PodSpec, at: ContainerAt, out: &mut Objections<'_>) {
    if scc.allow_host_ports {
        return;
    }
    for owner in containers(spec) {
        for (i, port) in owner.ports.iter().enumerate() {
            if let Some(value) = port.host_port.filter(|p| *p > 0) {
                out.port(at, &owner, i, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{Container, ContainerPort};

    use super::*;
    use crate::pod::ContainerKind;

    fn spec() -> PodSpec {
        let port = ContainerPort { container_port: 80, host_port: Some(8080), ..Default::default() };
        let container = |name: &str, ports| Container { name: name.into(), ports, ..Default::default() };
        PodSpec {
            host_pid: Some(true),
            containers: vec![container("a", None), container("b", Some(vec![port]))],
            ..Default::default()
        }
    }

    fn objections(scc: &SecurityContextConstraints, at: Option<ContainerAt>) -> Vec<String> {
        let mut out = Objections::new("x");
        validate_namespaces(scc, &spec(), at, &mut out);
        out.list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_host_namespace_is_named_for_the_pod_and_for_each_container() {
        let at = ContainerAt { kind: ContainerKind::Regular, index: 0 };
        let scc = SecurityContextConstraints { allow_host_ports: true, ..Default::default() };
        let text = "Invalid value: true: Host PID is not allowed to be used";
        assert_eq!(objections(&scc, None), [format!("provider x: .spec.hostPID: {text}")]);
        assert_eq!(objections(&scc, Some(at)), [format!("provider x: .containers[0].hostPID: {text}")]);
    }

    #[test]
    fn a_port_of_one_container_is_named_at_every_container() {
        let scc = SecurityContextConstraints { allow_host_pid: true, ..Default::default() };
        let text = "Invalid value: 8080: Host ports are not allowed to be used";
        for index in 0..2 {
            let at = ContainerAt { kind: ContainerKind::Regular, index };
            assert_eq!(
                objections(&scc, Some(at)),
                [format!("provider x: .containers[{index}].containers[1].hostPort: {text}")]
            );
        }
    }

    #[test]
    fn what_is_allowed_is_not_named() {
        let scc = SecurityContextConstraints { allow_host_pid: true, allow_host_ports: true, ..Default::default() };
        assert!(objections(&scc, Some(ContainerAt { kind: ContainerKind::Regular, index: 0 })).is_empty());
    }
}
