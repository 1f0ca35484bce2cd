//! What the launcher refuses to start, because starting without it would not be what was asked for.

use oci_spec::runtime::LinuxNamespaceType;

use super::{Asked, CALLER, KERNEL, LAUNCHER, unsupported};
use crate::cgroup;
use crate::engine::StartError;
use crate::launcher::facts::SYS_ADMIN;

pub(super) fn refuse(asked: &Asked<'_>) -> Result<(), StartError> {
    let Asked { spec, process, linux, .. } = asked;
    let fields = [
        (spec.hooks().is_some(), "hooks"),
        (spec.solaris().is_some(), "solaris"),
        (spec.windows().is_some(), "windows"),
        (spec.vm().is_some(), "vm"),
        (spec.zos().is_some(), "zos"),
        (process.command_line().is_some(), "process.commandLine"),
        (process.io_priority().is_some(), "process.ioPriority"),
        (process.scheduler().is_some(), "process.scheduler"),
        (process.exec_cpu_affinity().is_some(), "process.execCPUAffinity"),
        (process.user().username().is_some(), "process.user.username"),
        (linux.net_devices().as_ref().is_some_and(|devices| !devices.is_empty()), "linux.netDevices"),
        (linux.intel_rdt().is_some(), "linux.intelRdt"),
        (linux.memory_policy().is_some(), "linux.memoryPolicy"),
        (linux.personality().is_some(), "linux.personality"),
        (linux.time_offsets().as_ref().is_some_and(|offsets| !offsets.is_empty()), "linux.timeOffsets"),
    ];
    if let Some((_, field)) = fields.iter().find(|(asked, _)| *asked) {
        return Err(unsupported(*field, LAUNCHER));
    }
    if let Some(resources) = linux.resources() {
        if let Some(field) = cgroup::refused(resources) {
            return Err(unsupported(field, LAUNCHER));
        }
        if linux.cgroups_path().is_none() && !cgroup::controllers(resources).is_empty() {
            return Err(unsupported("a limit without a cgroup (linux.resources without linux.cgroupsPath)", LAUNCHER));
        }
    }
    if process.apparmor_profile().as_ref().is_some_and(|profile| confines(profile)) && !asked.facts.app_armor {
        return Err(unsupported("AppArmor (process.apparmorProfile)", KERNEL));
    }
    if process.selinux_label().as_ref().is_some_and(|label| !label.is_empty()) && !asked.facts.selinux {
        return Err(unsupported("SELinux (process.selinuxLabel)", KERNEL));
    }
    if linux.mount_label().as_ref().is_some_and(|label| !label.is_empty()) && !asked.facts.selinux {
        return Err(unsupported("SELinux (linux.mountLabel)", KERNEL));
    }
    let own_user = linux.namespaces().iter().flatten().any(|namespace| namespace.typ() == LinuxNamespaceType::User);
    if !own_user && !asked.facts.has(SYS_ADMIN) {
        return Err(unsupported("a container without a user namespace (linux.namespaces)", CALLER));
    }
    Ok(())
}

/// Whether a profile name asks for a profile.
pub(super) fn confines(profile: &str) -> bool {
    !profile.is_empty() && profile != "unconfined"
}
