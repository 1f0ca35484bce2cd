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
use super::{Action, Asked, Draft, LAUNCHER, Wanted, device_rules, unsupported};
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
    /// A device cgroup: what can mount, or reach others' mounts, could get round the mounts; and mounts know nothing of
    /// reading alone, or of devices of which the container makes the nodes.
    Cgroup,
}

pub(super) fn keep(asked: &Asked<'_>, keeper: &Keeper, bounding: u64) -> Result<Keep, StartError> {
    if device_rules::all_allowed(rules(asked))? {
        return Ok(Keep::Nobody);
    }
    let guard = need_a_guard(asked)?;
    // In a user namespace nodes cannot be made, and its mounts of others' file systems are nodev by themselves.
    if keeper.confined {
        let what = "single accesses to devices (linux.resources.devices)";
        return if guard { Err(unsupported(what, "in a user namespace")) } else { Ok(Keep::Nobody) };
    }
    let hosts = |kind: Kind| keeper.container & kind.flag() == 0;
    let escapes = bounding & SYS_ADMIN != 0 || (bounding & SYS_PTRACE != 0 && hosts(Kind::Pid));
    Ok(if escapes || guard { Keep::Cgroup } else { Keep::Mounts })
}

/// What a device cgroup lets through: the devices of every container and its terminals, those that the rules allow, and
/// those of this container that no rule is about.
pub(super) fn allowed(asked: &Asked<'_>) -> Result<Vec<Allowed>, StartError> {
    let character = |major, minor| Allowed { block: false, major: Some(major), minor, read: true, write: true };
    let mut all: Vec<Allowed> = DEFAULT.map(|(_, major, minor)| character(major, Some(minor))).to_vec();
    all.extend([character(5, Some(2)), character(136, None)]);
    let rules = device_rules::allowed(rules(asked))?;
    for (block, major, minor) in own(asked)? {
        if device_rules::access(&rules, block, major, minor).is_none() {
            all.push(Allowed { block, ..character(major, Some(minor)) });
        }
    }
    all.extend(rules);
    Ok(all)
}

fn rules<'a>(asked: &Asked<'a>) -> &'a [LinuxDeviceCgroup] {
    let resources = asked.linux.resources().as_ref();
    resources.and_then(|resources| resources.devices().as_deref()).unwrap_or_default()
}

/// The devices of the container: whether each is a block device, and its numbers.
fn own(asked: &Asked<'_>) -> Result<Vec<(bool, u32, u32)>, StartError> {
    let mut own = Vec::new();
    for device in asked.linux.devices().iter().flatten() {
        let node = listed_node(device)?;
        if node.typ != FileType::Fifo {
            own.push((node.typ == FileType::BlockDevice, major(node.device), minor(node.device)));
        }
    }
    Ok(own)
}

/// Whether the rules say something else than that the container's own devices may be used: less of one of them, or more
/// devices, of which nodes can be made.
fn need_a_guard(asked: &Asked<'_>) -> Result<bool, StartError> {
    let rules = device_rules::allowed(rules(asked))?;
    let own = own(asked)?;
    let less = own.iter().any(|(block, major, minor)| {
        device_rules::access(&rules, *block, *major, *minor).is_some_and(|access| access != (true, true))
    });
    let expected = |rule: &Allowed| match (rule.block, rule.major, rule.minor) {
        (block, Some(major), Some(minor)) => {
            let default = DEFAULT.iter().any(|(_, one, other)| (*one, *other) == (major, minor));
            // The console, which no container has here, and the multiplexer of its terminals.
            let of_every_container = !block && (default || (major == 5 && (1..=2).contains(&minor)));
            of_every_container || own.contains(&(block, major, minor))
        }
        (block, Some(136), None) => !block,
        _ => false,
    };
    Ok(less || !rules.iter().all(expected))
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
        // The host's, which a privileged container's list has, is not the one of its own terminals: that is a link.
        if super::path::clean(device.path()) != Path::new("/dev/ptmx") {
            nodes.push(listed_node(device)?);
        }
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
