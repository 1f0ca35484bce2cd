//! `linux.devices` and the devices that every container has, and `linux.resources.devices`: which may be opened.
//!
//! A device can be opened only through a mount that allows devices. Where the rules refuse all but the container's own
//! devices, every mount is `nodev`, and each device is shown by a mount of its own: that costs less than a device
//! cgroup, which only a container needs that could mount something else.

use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxDevice, LinuxDeviceCgroup, LinuxDeviceType};
use rustix::fs::{FileType, Mode, major, makedev, minor};
use rustix::process::{Gid, Uid};

use super::action::Node;
use super::namespaces::Keeper;
use super::path::{Target, c_path};
use super::{Action, Asked, Draft, LAUNCHER, Wanted, unsupported};
use crate::engine::StartError;
use crate::launcher::facts::{Kind, SYS_ADMIN};
use crate::launcher::guard::Allowed;

/// The OCI runtime specification, "Default Devices": name, major and minor number.
const DEFAULT: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// The links that go with them.
const LINKS: [(&str, &std::ffi::CStr); 5] = [
    ("/dev/ptmx", c"pts/ptmx"),
    ("/dev/fd", c"/proc/self/fd"),
    ("/dev/stdin", c"/proc/self/fd/0"),
    ("/dev/stdout", c"/proc/self/fd/1"),
    ("/dev/stderr", c"/proc/self/fd/2"),
];

const SYS_PTRACE: u64 = 1 << 19;

/// Who keeps a container from devices other than its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// Nobody: all may be opened, or the user namespace does.
    Nobody,
    /// The mounts, none of which allows devices but those of the devices themselves.
    Mounts,
    /// A device cgroup: what can mount, or reach others' mounts, could get round the mounts.
    Cgroup,
}

pub(super) fn keep(asked: &Asked<'_>, keeper: &Keeper, bounding: u64) -> Result<Keep, StartError> {
    let rules = asked.linux.resources().as_ref().and_then(|resources| resources.devices().as_deref());
    // In a user namespace nodes cannot be made, and its mounts of others' file systems are nodev by themselves.
    if all_allowed(rules.unwrap_or_default())? || keeper.confined {
        return Ok(Keep::Nobody);
    }
    let hosts = |kind: Kind| keeper.container & kind.flag() == 0;
    let escapes = bounding & SYS_ADMIN != 0 || (bounding & SYS_PTRACE != 0 && hosts(Kind::Pid));
    Ok(if escapes { Keep::Cgroup } else { Keep::Mounts })
}

/// What a device cgroup lets through: the devices of every container and of this one, and its terminals.
pub(super) fn allowed(asked: &Asked<'_>) -> Result<Vec<Allowed>, StartError> {
    let character = |major, minor| Allowed { block: false, major, minor };
    let mut all: Vec<Allowed> = DEFAULT.map(|(_, major, minor)| character(major, Some(minor))).to_vec();
    all.extend([character(5, Some(2)), character(136, None)]);
    for device in asked.linux.devices().iter().flatten() {
        let node = listed_node(device)?;
        if node.typ != FileType::Fifo {
            all.push(Allowed {
                block: node.typ == FileType::BlockDevice,
                major: major(node.device),
                minor: Some(minor(node.device)),
            });
        }
    }
    Ok(all)
}

/// Whether the rules end in allowing every device.
fn all_allowed(rules: &[LinuxDeviceCgroup]) -> Result<bool, StartError> {
    let mut all = false;
    for rule in rules {
        let any_type = rule.typ().is_none_or(|typ| typ == LinuxDeviceType::A);
        let any_number = [rule.major(), rule.minor()].iter().all(|number| number.is_none_or(|number| number < 0));
        let any_access = rule.access().as_deref().is_none_or(|access| "rwm".chars().all(|one| access.contains(one)));
        let every = any_type && any_number && any_access;
        match (rule.allow(), every) {
            (allow, true) => all = allow,
            (false, false) if all => {
                return Err(unsupported("refusing single devices (linux.resources.devices)", LAUNCHER));
            }
            // Less than is allowed is given; the devices of the spec are shown whatever the rules say, as runc does.
            (_, false) => {}
        }
    }
    Ok(all)
}

pub(super) fn plan(
    asked: &Asked<'_>,
    keeper: &Keeper,
    keep: Keep,
    dev_is_bound: bool,
    draft: &mut Draft,
) -> Result<(), StartError> {
    if dev_is_bound {
        return Ok(()); // The directory is somebody else's.
    }
    let listed = asked.linux.devices().as_deref().unwrap_or_default();
    let mut nodes = Vec::new();
    for (name, major, minor) in DEFAULT {
        let path = PathBuf::from("/dev").join(name);
        if listed.iter().all(|device| super::path::clean(device.path()) != path) {
            nodes.push(Node {
                at: Target::new(&path)?,
                typ: FileType::CharacterDevice,
                mode: Mode::from_raw_mode(0o666),
                device: makedev(major, minor),
                owner: (Uid::ROOT, Gid::ROOT),
            });
        }
    }
    for device in listed {
        nodes.push(listed_node(device)?);
    }
    for node in nodes {
        let (target, device) = (node.at.clone(), node.device);
        let action = if keeper.confined {
            let source = c_path(&Path::new("/").join(PathBuf::from(node.at.path.to_string_lossy().into_owned())))?;
            Action::BindNode { node: Box::new(node), source }
        } else if keep == Keep::Mounts {
            Action::ShowNode(Box::new(node))
        } else {
            Action::MakeNode(Box::new(node))
        };
        draft.step("linux.devices", action);
        let of_host = keeper.confined;
        draft.check("linux.devices", Wanted::Device { target, device, of_host });
    }
    for (path, to) in LINKS {
        draft.step("linux.devices", Action::Link { at: Target::new(Path::new(path))?, to: to.to_owned() });
    }
    Ok(())
}

fn listed_node(device: &LinuxDevice) -> Result<Node, StartError> {
    let what = || format!("device {} (linux.devices)", device.path().display());
    let typ = match device.typ() {
        LinuxDeviceType::C | LinuxDeviceType::U => FileType::CharacterDevice,
        LinuxDeviceType::B => FileType::BlockDevice,
        LinuxDeviceType::P => FileType::Fifo,
        LinuxDeviceType::A => return Err(unsupported(what(), LAUNCHER)),
    };
    let number = |value: i64| u32::try_from(value).map_err(|_negative| unsupported(what(), LAUNCHER));
    let device_number =
        if typ == FileType::Fifo { 0 } else { makedev(number(device.major())?, number(device.minor())?) };
    Ok(Node {
        at: Target::new(device.path())?,
        typ,
        mode: Mode::from_raw_mode(device.file_mode().unwrap_or(0o666) & 0o7777),
        device: device_number,
        owner: (device.uid().map_or(Uid::ROOT, Uid::from_raw), device.gid().map_or(Gid::ROOT, Gid::from_raw)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(allow: bool, major: Option<i64>) -> LinuxDeviceCgroup {
        let mut rule = LinuxDeviceCgroup::default();
        rule.set_allow(allow).set_major(major).set_access(Some("rwm".to_owned()));
        rule
    }

    #[test]
    fn the_last_rule_for_all_devices_decides() {
        assert_eq!(all_allowed(&[]).ok(), Some(false));
        assert_eq!(all_allowed(&[rule(false, None), rule(true, None)]).ok(), Some(true));
        assert_eq!(all_allowed(&[rule(true, None), rule(false, None), rule(true, Some(1))]).ok(), Some(false));
    }

    #[test]
    fn a_single_device_cannot_be_taken_out_of_all() {
        assert!(all_allowed(&[rule(true, None), rule(false, Some(8))]).is_err());
    }
}
