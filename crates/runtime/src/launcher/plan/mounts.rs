//! `mounts`: file systems and bind mounts, in the order of the list.

use std::ffi::CString;

use oci_spec::runtime::Mount;

use super::action::{IdMapped, MountAction, Source};
use super::namespaces::Keeper;
use super::options::Options;
use super::path::{Target, c_bytes, c_path};
use super::{Action, Asked, Draft, LAUNCHER, Wanted, unsupported};
use crate::engine::StartError;

/// File systems that can be mounted. Others may take their contents from a source that the caller does not mean.
const TYPES: [&str; 8] = ["proc", "sysfs", "tmpfs", "mqueue", "devpts", "overlay", "cgroup2", "ramfs"];

/// A mount, and what follows from it for later steps.
pub(super) struct Planned {
    pub(super) mount: MountAction,
    /// Kept for a `ReadOnlyMount`.
    pub(super) read_only_later: Option<usize>,
    /// Copied before the root is attached.
    pub(super) ahead: Option<Ahead>,
}

/// A part of the host's tree that is copied before the container's root is attached over `/`: a copy of `/` with all
/// that is mounted there would have that root, too.
#[derive(Clone)]
pub(super) struct Ahead {
    pub(super) path: CString,
    pub(super) recursive: bool,
    pub(super) slot: usize,
    /// Whether mounts that the container makes there shall be seen outside: copied before propagation is cut.
    pub(super) shared: bool,
}

impl Ahead {
    /// What is mounted of it.
    pub(super) fn source(&self) -> Source {
        Source::Tree { slot: self.slot, path: self.path.clone() }
    }
}

pub(super) fn plan(
    asked: &Asked<'_>,
    keeper: &Keeper,
    no_devices: bool,
    draft: &mut Draft,
) -> Result<Vec<Planned>, StartError> {
    let mounts = asked.spec.mounts().as_deref().unwrap_or_default();
    let mut planned: Vec<Planned> = Vec::new();
    for mount in mounts {
        let destination = mount.destination().to_string_lossy();
        let target = Target::new(mount.destination())?;
        if target.is_root() {
            return Err(unsupported("a mount over the root (mounts)", LAUNCHER));
        }
        let mut options = Options::parse(mount.options().as_deref().unwrap_or_default(), &destination)?;
        let mapped = options.id_mapped.is_some() || mount.uid_mappings().is_some() || mount.gid_mappings().is_some();
        let typ = mount.typ().as_deref().unwrap_or_default();
        let is_bind = options.bind.is_some() || typ == "bind";
        if mapped && !is_bind {
            return Err(unsupported(format!("a new file system with mapped IDs on {destination} (mounts)"), LAUNCHER));
        }
        let all = if mapped {
            vec![id_mapped(asked, mount, target, &options, no_devices, draft)?]
        } else if is_bind {
            vec![bind(mount, target, &options, no_devices, draft)?]
        } else if typ == "cgroup" || typ == "cgroup2" {
            super::cgroups::plan(asked, keeper, target, &options, no_devices, draft)?
        } else {
            label(asked, typ, &mut options)?;
            vec![file_system(mount, typ, target, options, no_devices, draft)?]
        };
        planned.extend(all);
    }
    for (index, one) in planned.iter().enumerate() {
        let hidden = planned.iter().skip(index + 1).any(|later| later.mount.target.contains(&one.mount.target));
        if !hidden {
            let mut flags = one.mount.attributes.set;
            if one.read_only_later.is_some() {
                flags |= libc::MOUNT_ATTR_RDONLY;
            }
            let target = one.mount.target.clone();
            draft.check(
                format!("mounts {}", target.path.to_string_lossy()),
                Wanted::Mounted { target, flags: visible(flags | one.mount.recursive.set) },
            );
        }
    }
    Ok(planned)
}

/// The attributes that statvfs(3) shows, by its numbers: the same for these four.
fn visible(attributes: u64) -> u64 {
    let four = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC;
    attributes & four
}

fn bind(
    mount: &Mount,
    target: Target,
    options: &Options,
    no_devices: bool,
    draft: &mut Draft,
) -> Result<Planned, StartError> {
    let destination = mount.destination().display();
    if let Some((name, _)) = options.data.first() {
        return Err(unsupported(format!("mount option {name:?} of {destination} (mounts)"), LAUNCHER));
    }
    let Some(source) = mount.source().as_ref().filter(|source| source.is_absolute()) else {
        return Err(unsupported(
            format!("a bind mount on {destination} without an absolute source (mounts)"),
            LAUNCHER,
        ));
    };
    let recursive = options.bind.unwrap_or(false);
    let source = c_path(source)?;
    let shared = options.propagation.is_some_and(|(kind, _)| kind == libc::MS_SHARED);
    let ahead = Ahead { path: source, recursive, slot: draft.tree(), shared };
    if let Some(inode) = options.inode {
        draft.inodes.insert(ahead.slot, inode);
    }
    let mut mount = attach(ahead.source(), target, options);
    if no_devices {
        mount.recursive.set |= libc::MOUNT_ATTR_NODEV;
    }
    Ok(Planned { mount, read_only_later: None, ahead: Some(ahead) })
}

/// A bind mount whose files belong to others than they do outside.
fn id_mapped(
    asked: &Asked<'_>,
    mount: &Mount,
    target: Target,
    options: &Options,
    no_devices: bool,
    draft: &mut Draft,
) -> Result<Planned, StartError> {
    if options.inode.is_some() {
        return Err(unsupported("an id-mapped mount of what somebody else could exchange (mounts)", LAUNCHER));
    }
    if options.propagation.is_some_and(|(kind, _)| kind == libc::MS_SHARED) {
        return Err(unsupported(
            format!("a shared id-mapped mount on {} (mounts)", mount.destination().display()),
            LAUNCHER,
        ));
    }
    let mut planned = bind(mount, target, options, no_devices, draft)?;
    if let Some(Ahead { path, recursive, slot, .. }) = planned.ahead.take() {
        let mapping = super::namespaces::mount_mapping(asked, mount)?;
        let all = options.id_mapped.unwrap_or(false);
        draft.id_mapped.push(IdMapped { path, recursive, all, mapping, slot });
    }
    Ok(planned)
}

fn file_system(
    mount: &Mount,
    typ: &str,
    target: Target,
    options: Options,
    no_devices: bool,
    draft: &mut Draft,
) -> Result<Planned, StartError> {
    if !TYPES.contains(&typ) {
        return Err(unsupported(
            format!("a mount of type {typ:?} on {} (mounts)", mount.destination().display()),
            LAUNCHER,
        ));
    }
    let name = mount.source().as_ref().map(|source| c_path(source)).transpose()?;
    new(typ, name, target, options, no_devices, draft)
}

/// File systems whose files all have the one label that is given when they are mounted. The kernel's own have theirs from
/// the policy; runc does not label those either (`libcontainer/rootfs_linux.go`, `mountToRootfs`).
const LABELLED: [&str; 4] = ["tmpfs", "ramfs", "devpts", "overlay"];

/// Adds the container's label for files to the options of a new file system.
pub(super) fn label(asked: &Asked<'_>, typ: &str, options: &mut Options) -> Result<(), StartError> {
    let is_given = options.data.iter().any(|(name, _)| name.as_c_str() == c"context");
    if LABELLED.contains(&typ) && !is_given {
        let label = mount_label(asked)?;
        options.data.extend(label.map(|label| (c"context".to_owned(), Some(label))));
    }
    Ok(())
}

/// `linux.mountLabel`.
pub(super) fn mount_label(asked: &Asked<'_>) -> Result<Option<CString>, StartError> {
    let label = asked.linux.mount_label().as_ref().filter(|label| !label.is_empty());
    label.map(|label| c_bytes(label.as_bytes())).transpose()
}

/// A mount of a new file system.
pub(super) fn new(
    typ: &str,
    name: Option<CString>,
    target: Target,
    mut options: Options,
    no_devices: bool,
    draft: &mut Draft,
) -> Result<Planned, StartError> {
    let mut data = std::mem::take(&mut options.data);
    if typ == "overlay" {
        data = one_by_one(data)?;
    }
    let has_mode = data.iter().any(|(option, _)| option.as_c_str() == c"mode");
    let source = Source::New {
        typ: c_bytes(typ.as_bytes())?,
        source: name,
        options: data,
        mode_of_target: typ == "tmpfs" && !has_mode,
    };
    let mut mount = attach(source, target, &options);
    mount.plain_target = matches!(typ, "proc" | "sysfs");
    if no_devices && typ != "devpts" {
        mount.attributes.set |= libc::MOUNT_ATTR_NODEV;
    }
    // Mount points and devices are still to be made in it.
    let writable = matches!(typ, "tmpfs" | "ramfs") && mount.attributes.set & libc::MOUNT_ATTR_RDONLY != 0;
    let read_only_later = writable.then(|| {
        mount.attributes.set &= !libc::MOUNT_ATTR_RDONLY;
        let slot = draft.tree();
        mount.keep = Some(slot);
        slot
    });
    // Nothing to clear in a mount that is new.
    mount.attributes.clear = 0;
    Ok(Planned { mount, read_only_later, ahead: None })
}

/// The longest value that fsconfig(2) takes as a string.
const MAX_VALUE: usize = 255;

/// Lower directories of an overlay that do not fit into one value are named one by one (Linux 6.7).
fn one_by_one(data: Vec<(CString, Option<CString>)>) -> Result<Vec<(CString, Option<CString>)>, StartError> {
    let mut single = Vec::new();
    for (name, value) in data {
        match value {
            Some(value) if name.as_c_str() == c"lowerdir" && value.as_bytes().len() > MAX_VALUE => {
                for dir in value.as_bytes().split(|byte| *byte == b':') {
                    single.push((c"lowerdir+".to_owned(), Some(c_bytes(dir)?)));
                }
            }
            value => single.push((name, value)),
        }
    }
    Ok(single)
}

fn attach(source: Source, target: Target, options: &Options) -> MountAction {
    let mut attributes = options.attributes;
    let mut recursive = options.recursive;
    if let Some((propagation, all)) = options.propagation {
        if all {
            recursive.propagation = propagation;
        } else {
            attributes.propagation = propagation;
        }
    }
    MountAction { source, target, plain_target: false, attributes, recursive, keep: None }
}

/// The steps that a list of mounts comes to.
pub(super) fn steps(planned: Vec<Planned>, draft: &mut Draft) -> Vec<usize> {
    let mut read_only = Vec::new();
    for planned in planned {
        read_only.extend(planned.read_only_later);
        draft.step("mounts", Action::Mount(Box::new(planned.mount)));
    }
    read_only
}
