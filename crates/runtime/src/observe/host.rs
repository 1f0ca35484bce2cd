//! What this machine has, as node facts for the resolver and as host facts for the spec.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use oci_spec::runtime::{LinuxDevice, LinuxDeviceType};
use ringfence_context::capability::CapSet;
use ringfence_context::facts::{NodeCapabilities, NodeFacts};

use super::{is_privileged, parse_status};
use crate::spec::HostFacts;

/// What the node can give, from this process's point of view. `bounding` is what a container can get at all: within a
/// user namespace that is made for it, everything.
pub fn node_facts() -> NodeFacts {
    let bounding = if is_privileged() { own_status().map(|status| status.capabilities.bounding) } else { last_set() };
    NodeFacts {
        cgroups: Some(
            match (Path::new("/sys/fs/cgroup/cgroup.controllers").exists(), has_cgroup_v2_below()) {
                (true, _) => "v2",
                (false, true) => "hybrid",
                (false, false) => "v1",
            }
            .to_owned(),
        ),
        capabilities: NodeCapabilities { bounding },
        seccomp_default: Some(false),
        apparmor: Some(app_armor()),
        selinux: Some(selinux()),
        user_namespaces: Some(Path::new("/proc/self/ns/user").exists() && max_user_namespaces() != Some(0)),
        ..NodeFacts::default()
    }
}

/// What the machine has, for the spec. Devices are listed only when `privileged_container`.
pub fn host_facts(privileged_container: bool) -> HostFacts {
    let mut devices = Vec::new();
    if privileged_container {
        collect_devices(Path::new("/dev"), 0, &mut devices);
    }
    let unified_cgroups = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    HostFacts {
        hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        unified_cgroups,
        cgroup_mount: Path::new("/sys/fs/cgroup").read_dir().is_ok_and(|mut dir| dir.next().is_some()),
        app_armor: app_armor(),
        selinux: selinux(),
        devices,
    }
}

fn own_status() -> Option<super::Status> {
    parse_status(&fs::read_to_string("/proc/self/status").ok()?).ok()
}

/// Every capability that the running kernel knows.
fn last_set() -> Option<CapSet> {
    let last: u32 = fs::read_to_string("/proc/sys/kernel/cap_last_cap").ok()?.trim().parse().ok()?;
    Some(CapSet(u64::MAX >> (63 - last.min(63))))
}

fn has_cgroup_v2_below() -> bool {
    Path::new("/sys/fs/cgroup/unified/cgroup.procs").exists()
}

fn app_armor() -> bool {
    fs::read_to_string("/sys/module/apparmor/parameters/enabled").is_ok_and(|text| text.starts_with('Y'))
}

fn selinux() -> bool {
    Path::new("/sys/fs/selinux/enforce").exists()
}

fn max_user_namespaces() -> Option<u64> {
    fs::read_to_string("/proc/sys/user/max_user_namespaces").ok()?.trim().parse().ok()
}

/// Device nodes below `/dev` as containerd lists them for a privileged container (`pkg/oci/utils_unix.go`).
fn collect_devices(dir: &Path, depth: usize, devices: &mut Vec<LinuxDevice>) {
    const PASSED_OVER: [&str; 7] = ["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"];
    // No /dev is this deep; a loop of bind mounts would be.
    if depth > 16 {
        return;
    }
    let Ok(entries) = fs::read_dir(dir) else { return };
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let Ok(metadata) = fs::symlink_metadata(entry.path()) else { continue };
        let kind = metadata.file_type();
        if kind.is_dir() {
            if !PASSED_OVER.iter().any(|passed| name == *passed) {
                collect_devices(&entry.path(), depth + 1, devices);
            }
            continue;
        }
        if name == "console" {
            continue;
        }
        let typ = if kind.is_char_device() {
            LinuxDeviceType::C
        } else if kind.is_block_device() {
            LinuxDeviceType::B
        } else {
            continue;
        };
        let mut device = LinuxDevice::default();
        device.set_path(entry.path());
        device.set_typ(typ);
        device.set_major(i64::from(rustix::fs::major(metadata.rdev())));
        device.set_minor(i64::from(rustix::fs::minor(metadata.rdev())));
        device.set_file_mode(Some(metadata.mode() & 0o7777));
        device.set_uid(Some(metadata.uid()));
        device.set_gid(Some(metadata.gid()));
        devices.push(device);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_privileged_container_gets_null_but_no_terminals() {
        let devices = host_facts(true).devices;
        assert!(devices.iter().any(|device| device.path() == Path::new("/dev/null")), "{devices:?}");
        assert!(!devices.iter().any(|device| device.path().starts_with("/dev/pts")), "{devices:?}");
        assert!(host_facts(false).devices.is_empty());
    }

    #[test]
    fn this_node_has_a_bounding_set() {
        assert!(node_facts().capabilities.bounding.is_some_and(|set| !set.is_empty()));
    }
}
