//! `linux.resources`: the device rules. Limits of CPU and memory are not part of a security context.

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxResources};

/// Nothing but the runtime's default devices, or everything for a privileged container.
pub(super) fn resources(privileged: bool) -> LinuxResources {
    let mut rule = LinuxDeviceCgroup::default();
    rule.set_allow(privileged);
    rule.set_access(Some("rwm".to_owned()));
    let mut resources = LinuxResources::default();
    resources.set_devices(Some(vec![rule]));
    resources
}
