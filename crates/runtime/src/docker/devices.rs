//! `--device`, `--device-cgroup-rule` and `--privileged`: nodes and rules (moby `oci/devices_linux.go`,
//! `daemon.WithDevices`).

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxDevice, LinuxDeviceCgroup, LinuxDeviceType};
use ringfence_docker::value::{Access, Device, DeviceKind, DeviceRule};
use ringfence_docker::{Options, Refusal};

use crate::observe;

/// No directory of devices is this deep; a loop of bind mounts would be.
const DEEPEST: usize = 16;

/// The devices of a container, beside those of every container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Devices {
    /// The nodes.
    pub nodes: Vec<LinuxDevice>,
    /// Where each of those that the command line names lies on the machine, by its path in the container.
    pub hosts: BTreeMap<PathBuf, PathBuf>,
    /// What may be done with which, after all is refused; a later rule for the same device adds to an earlier one.
    pub rules: Vec<LinuxDeviceCgroup>,
}

/// Looks for the devices that a command line names. docker does so when the container starts, before it looks for users.
pub fn devices(options: &Options) -> Result<Devices, Refusal> {
    if options.privileged {
        let (mut nodes, mut hosts) = (observe::host_facts(true).devices, BTreeMap::new());
        for device in options.devices.iter().filter(|device| device.host != device.container) {
            for (node, _, host) in find(device)? {
                hosts.insert(node.path().clone(), host);
                nodes.push(node);
            }
        }
        return Ok(Devices { nodes, hosts, rules: vec![rule(true, LinuxDeviceType::A, None, None, Access::ALL)] });
    }
    let mut found = Devices { rules: defaults(), ..Devices::default() };
    for device in &options.devices {
        for (node, rule, host) in find(device)? {
            found.hosts.insert(node.path().clone(), host);
            found.nodes.push(node);
            found.rules.push(rule);
        }
    }
    found.rules.extend(options.device_rules.iter().map(of_rule));
    Ok(found)
}

/// What docker allows in every container, after refusing all: the devices that the runtime makes.
fn defaults() -> Vec<LinuxDeviceCgroup> {
    let character = |major, minor| rule(true, LinuxDeviceType::C, Some(major), Some(minor), Access::ALL);
    let mut rules = vec![rule(false, LinuxDeviceType::A, None, None, Access::ALL)];
    rules.extend([(1, 5), (1, 3), (1, 9), (1, 8), (5, 0), (5, 1)].map(|(major, minor)| character(major, minor)));
    rules
}

fn rule(
    allow: bool,
    typ: LinuxDeviceType,
    major: Option<i64>,
    minor: Option<i64>,
    access: Access,
) -> LinuxDeviceCgroup {
    let mut rule = LinuxDeviceCgroup::default();
    rule.set_allow(allow);
    rule.set_typ((typ != LinuxDeviceType::A).then_some(typ));
    rule.set_major(major).set_minor(minor);
    rule.set_access(Some(access.to_string()));
    rule
}

fn of_rule(given: &DeviceRule) -> LinuxDeviceCgroup {
    let typ = match given.kind {
        DeviceKind::All => LinuxDeviceType::A,
        DeviceKind::Character => LinuxDeviceType::C,
        DeviceKind::Block => LinuxDeviceType::B,
    };
    rule(true, typ, given.major.map(i64::from), given.minor.map(i64::from), given.access)
}

/// A node, what may be done with it, and where it lies on the machine.
type Found = (LinuxDevice, LinuxDeviceCgroup, PathBuf);

/// The device, or those below it where it is a directory.
fn find(device: &Device) -> Result<Vec<Found>, Refusal> {
    let refuse = |why: &str| {
        Refusal::daemon(format!(
            "error gathering device information while adding custom device {:?}: {why}",
            device.host
        ))
    };
    let given = Path::new(&device.host);
    let is_link = fs::symlink_metadata(given).is_ok_and(|metadata| metadata.is_symlink());
    let host = if is_link { fs::canonicalize(given).unwrap_or_else(|_| given.to_owned()) } else { given.to_owned() };
    let metadata = fs::symlink_metadata(&host).map_err(|error| refuse(&words(&error)))?;
    let mut found = Vec::new();
    if metadata.is_dir() {
        below(&host, Path::new(&device.container), device.access, 0, &mut found);
    } else {
        found.extend(one(&metadata, PathBuf::from(&device.container), device.access, &host));
    }
    if found.is_empty() { Err(refuse("not a device node")) } else { Ok(found) }
}

/// The kernel's words, as Go prints them: in lower case, without the number.
fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

fn below(host: &Path, container: &Path, access: Access, depth: usize, found: &mut Vec<Found>) {
    let Ok(entries) = fs::read_dir(host) else { return };
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let Ok(metadata) = fs::symlink_metadata(entry.path()) else { continue };
        let inside = container.join(entry.file_name());
        if metadata.is_dir() {
            if depth < DEEPEST {
                below(&entry.path(), &inside, access, depth + 1, found);
            }
        } else {
            found.extend(one(&metadata, inside, access, &entry.path()));
        }
    }
}

fn one(metadata: &fs::Metadata, path: PathBuf, access: Access, host: &Path) -> Option<Found> {
    let kind = metadata.file_type();
    let typ = if kind.is_char_device() {
        LinuxDeviceType::C
    } else if kind.is_block_device() {
        LinuxDeviceType::B
    } else {
        return None;
    };
    let (major, minor) = (rustix::fs::major(metadata.rdev()), rustix::fs::minor(metadata.rdev()));
    let mut node = LinuxDevice::default();
    node.set_path(path);
    node.set_typ(typ);
    node.set_major(i64::from(major));
    node.set_minor(i64::from(minor));
    node.set_file_mode(Some(metadata.mode() & 0o7777));
    node.set_uid(Some(metadata.uid()));
    node.set_gid(Some(metadata.gid()));
    Some((node, rule(true, typ, Some(i64::from(major)), Some(i64::from(minor)), access), host.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(device: &str) -> Result<Devices, Refusal> {
        let device = Device::parse(device).map_err(Refusal::usage)?;
        devices(&Options { devices: vec![device], ..Options::default() })
    }

    #[test]
    fn a_device_is_known_by_its_number_under_the_name_that_is_given() {
        let found = of("/dev/null:/dev/xa:r").unwrap();
        let node = &found.nodes[0];
        assert_eq!((node.path(), node.major(), node.minor()), (&PathBuf::from("/dev/xa"), 1, 3));
        assert_eq!(found.rules.last().unwrap().access().as_deref(), Some("r"));
        assert!(!found.rules[0].allow());
    }

    #[test]
    fn what_is_not_there_or_no_device_is_refused_as_docker_does() {
        let refusal = of("/dev/nope").unwrap_err();
        assert_eq!(
            (refusal.exit, refusal.message.as_str()),
            (
                127,
                "error gathering device information while adding custom device \"/dev/nope\": no such file or directory"
            )
        );
        let refusal = of("/etc/passwd").unwrap_err();
        assert!(refusal.exit == 125 && refusal.message.ends_with("not a device node"), "{refusal:?}");
    }

    #[test]
    fn a_link_stands_for_its_device_and_a_directory_for_those_below_it() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        assert_eq!(of(&format!("{}:/dev/x", link.display())).unwrap().nodes[0].minor(), 3);
        let all = of("/dev:/dev/host").unwrap();
        assert!(all.nodes.iter().any(|node| node.path() == Path::new("/dev/host/null")));
    }
}
