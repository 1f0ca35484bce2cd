//! What the OCI runtime refuses (runc `libcontainer/configs/validate` and `libcontainer/capabilities`).

use ringfence_context::process::Namespace;

use super::{Container, Machine};
use crate::refusal::Refusal;

/// The first refusal of a container that the daemon takes.
pub(super) fn refusal(container: &Container, machine: Machine) -> Option<Refusal> {
    let failed = |why: String| {
        Some(Refusal::daemon(format!(
            "failed to create shim task: OCI runtime create failed: runc create failed: {why}: unknown"
        )))
    };
    for name in container.sysctls.keys() {
        let of_ipc = name.starts_with("kernel.") || name.starts_with("fs.mqueue.");
        if of_ipc && container.namespaces.ipc == Namespace::Host {
            return failed(format!("sysctl {name:?} is not allowed in the hosts ipc namespace"));
        }
        if name.starts_with("net.") && container.namespaces.net == Namespace::Host {
            return failed(format!("sysctl {name:?} not allowed in host network namespace"));
        }
    }
    let missing = container.granted.difference(machine.bounding);
    if container.uid == 0 && !missing.is_empty() {
        return failed("unable to start container process: unable to apply caps: operation not permitted".to_owned());
    }
    None
}
