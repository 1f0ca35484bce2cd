//! `linux.devices`: a privileged container gets the node's devices; the others get only those that every OCI runtime
//! makes (`null`, `zero`, `full`, `random`, `urandom`, `tty`).

use oci_spec::runtime::LinuxDevice;

use super::HostFacts;

pub(super) fn devices(privileged: bool, host: &HostFacts) -> Option<Vec<LinuxDevice>> {
    (privileged && !host.devices.is_empty()).then(|| host.devices.clone())
}
