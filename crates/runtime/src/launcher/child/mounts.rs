//! Mounting with the calls that take descriptors: what is mounted and where is fixed before the two meet.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, FileType, fstat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree, unmount,
};

use super::{Done, Failure, State, held, paths, proc};
use crate::launcher::plan::{MountAction, Source};
use crate::launcher::text::Text;
use crate::sys::mount::{MountAttr, mount_setattr};

/// A detached copy of the mount at a path.
pub(super) fn copy(from: BorrowedFd<'_>, path: &CStr, recursive: bool) -> Result<OwnedFd, Errno> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    if path.is_empty() {
        flags |= OpenTreeFlags::AT_EMPTY_PATH;
    }
    open_tree(from, path, flags)
}

/// Attaches a detached mount to an open directory or file.
pub(super) fn attach(tree: BorrowedFd<'_>, at: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(tree, c"", at, c"", flags)
}

/// A new file system, detached.
pub(super) fn create<'a>(
    typ: &CStr,
    source: Option<&CStr>,
    options: impl Iterator<Item = (&'a CStr, Option<&'a CStr>)>,
    attributes: u64,
) -> Result<OwnedFd, Errno> {
    let context = fsopen(typ, FsOpenFlags::FSOPEN_CLOEXEC)?;
    if let Some(source) = source {
        fsconfig_set_string(context.as_fd(), c"source", source)?;
    }
    for (name, value) in options {
        match value {
            Some(value) => fsconfig_set_string(context.as_fd(), name, value)?,
            None => fsconfig_set_flag(context.as_fd(), name)?,
        }
    }
    fsconfig_create(context.as_fd())?;
    let attributes = MountAttrFlags::from_bits_retain(attributes as u32);
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

pub(super) fn clone_tree(
    state: &mut State,
    slot: usize,
    path: &CStr,
    recursive: bool,
    inode: Option<(u64, u64)>,
) -> Done {
    let tree = copy(CWD, path, recursive)?;
    if let Some(wanted) = inode {
        let found = fstat(&tree)?;
        if (found.st_dev, found.st_ino) != wanted {
            return Err(Failure::Refused("something else has taken its place"));
        }
    }
    *state.trees.get_mut(slot).ok_or(Errno::BADF)? = Some(tree);
    Ok(())
}

pub(super) fn propagation(path: &CStr, recursive: bool, propagation: u64) -> Done {
    Ok(mount_setattr(CWD, path, recursive, &MountAttr { propagation, ..MountAttr::default() })?)
}

pub(super) fn clone_root(state: &mut State, path: &CStr, no_devices: bool) -> Done {
    // With all mounts below: in a user namespace they cannot be left away, they may hide something.
    let root = copy(CWD, path, true)?;
    if no_devices {
        let attributes = MountAttr { set: libc::MOUNT_ATTR_NODEV, ..MountAttr::default() };
        mount_setattr(root.as_fd(), c"", true, &attributes)?;
    }
    state.root = Some(root);
    Ok(())
}

/// Attaches the root over the old root: the one directory that is sure to be there, and that nobody else looks at in
/// this mount namespace.
pub(super) fn attach_root(state: &State) -> Done {
    Ok(move_mount(held(state.root.as_ref())?, c"", CWD, c"/", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
}

pub(super) fn mount(state: &mut State, mount: &MountAction) -> Done {
    let root = held(state.root.as_ref())?;
    proc::refuse_names(mount)?;
    let (tree, at) = match &mount.source {
        Source::New { typ, source, options, mode_of_target } => {
            let at = paths::open(root, &mount.target, paths::Missing::Directory, mount.plain_target);
            let at = match at {
                Err(Errno::LOOP) if mount.plain_target => {
                    return Err(Failure::Refused(
                        "it must be mounted on an ordinary directory, and the path leads through a symbolic link",
                    ));
                }
                at => at?,
            };
            let mode = if *mode_of_target { Some(mode_option(at.as_fd())?) } else { None };
            let mode = mode.as_ref().and_then(|mode| CStr::from_bytes_until_nul(mode.as_bytes()).ok());
            let options = options
                .iter()
                .map(|(name, value)| (name.as_c_str(), value.as_deref()))
                .chain(mode.map(|mode| (c"mode", Some(mode))));
            (create(typ, source.as_deref(), options, mount.attributes.set)?, at)
        }
        Source::Tree { slot, .. } => {
            let tree = state.trees.get_mut(*slot).and_then(Option::take).ok_or(Errno::BADF)?;
            let at = place_for(root, tree.as_fd(), mount)?;
            (tree, at)
        }
    };
    proc::refuse(root, tree.as_fd(), at.as_fd(), mount)?;
    change(tree.as_fd(), mount)?;
    attach(tree.as_fd(), at.as_fd())?;
    if let Some(slot) = mount.keep {
        *state.trees.get_mut(slot).ok_or(Errno::BADF)? = Some(tree);
    }
    Ok(())
}

/// Where a bind mount goes: a directory for a directory, a file for anything else.
fn place_for(root: BorrowedFd<'_>, tree: BorrowedFd<'_>, mount: &MountAction) -> Result<OwnedFd, Errno> {
    let missing = match FileType::from_raw_mode(fstat(tree)?.st_mode) {
        FileType::Directory => paths::Missing::Directory,
        _ => paths::Missing::File,
    };
    paths::open(root, &mount.target, missing, mount.plain_target)
}

/// Applies the attributes while the mount is still detached: nothing is visible without them.
fn change(tree: BorrowedFd<'_>, mount: &MountAction) -> Result<(), Errno> {
    let mut recursive = mount.recursive;
    if recursive.set & libc::MOUNT_ATTR_NODEV != 0 && is_common_device(tree)? {
        recursive.set &= !libc::MOUNT_ATTR_NODEV;
    }
    if recursive != MountAttr::default() {
        mount_setattr(tree, c"", true, &recursive)?;
    }
    let created = matches!(mount.source, Source::New { .. });
    let rest = if created { MountAttr { set: 0, ..mount.attributes } } else { mount.attributes };
    if rest != MountAttr::default() {
        mount_setattr(tree, c"", false, &rest)?;
    }
    Ok(())
}

/// Whether this is one of the devices that every container may open.
pub(super) fn is_common_device(file: BorrowedFd<'_>) -> Result<bool, Errno> {
    let stat = fstat(file)?;
    let numbers = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
    let is_device = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice;
    Ok(is_device && matches!(numbers, (1, 3 | 5 | 7 | 8 | 9) | (5, 0)))
}

/// The mode of a directory as an option, with a NUL.
fn mode_option(directory: BorrowedFd<'_>) -> Result<Text<8>, Errno> {
    Ok(Text::of(format_args!("{:04o}\0", fstat(directory)?.st_mode & 0o7777)))
}

pub(super) fn make_read_only(mount: BorrowedFd<'_>) -> Done {
    let attributes = MountAttr { set: libc::MOUNT_ATTR_RDONLY, ..MountAttr::default() };
    Ok(mount_setattr(mount, c"", false, &attributes)?)
}

/// pivot_root(2), "pivot_root(".", ".")": the old root ends up mounted over the new one, to be detached next.
pub(super) fn pivot_root(state: &State) -> Done {
    rustix::process::fchdir(held(state.root.as_ref())?)?;
    Ok(rustix::process::pivot_root(c".", c".")?)
}

pub(super) fn detach_old_root() -> Done {
    unmount(c".", UnmountFlags::DETACH)?;
    Ok(rustix::process::chdir(c"/")?)
}
