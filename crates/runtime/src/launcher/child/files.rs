//! Devices, links, masked and read-only paths, and /proc/sys.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, chownat, fstat, mknodat, openat, symlinkat};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, move_mount};

use super::paths::Missing;
use super::{Done, Failure, Start, State, credentials, held, mounts, paths};
use crate::launcher::plan::{Node, Target};
use crate::launcher::text::Text;

/// Writes a sysctl through the host's /proc, whose answers follow the namespaces of who asks.
pub(super) fn sysctl(state: &State, path: &CStr, value: &[u8]) -> Done {
    let sys = openat(held(state.proc.as_ref())?, c"sys", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let file = openat(&sys, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    credentials::write_all(&file, value)
}

/// Makes a node, with its owner.
fn make(directory: BorrowedFd<'_>, name: &CStr, node: &Node) -> Result<(), Errno> {
    mknodat(directory, name, node.typ, node.mode, node.device)?;
    chownat(directory, name, Some(node.owner.0), Some(node.owner.1), AtFlags::SYMLINK_NOFOLLOW)
}

pub(super) fn make_node(state: &State, node: &Node) -> Done {
    let parent = paths::parent(held(state.root.as_ref())?, &node.at)?;
    let name = node.at.names.last().ok_or(Errno::ISDIR)?;
    match make(parent.as_fd(), name, node) {
        // The image's, if it is the same; that is compared later.
        Err(Errno::EXIST) => Ok(()),
        result => Ok(result?),
    }
}

/// The option that gives a new file system the container's SELinux label for files.
fn context<'a>(start: &Start<'a>) -> Option<(&'a CStr, Option<&'a CStr>)> {
    start.plan.mount_label.as_deref().map(|label| (c"context", Some(label)))
}

/// Mounts the store over the old root's /dev, which goes away with it.
pub(super) fn make_device_store(start: &Start<'_>, state: &mut State) -> Done {
    let attributes = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC;
    let options = [(c"mode", Some(c"700"))].into_iter().chain(context(start));
    let store = mounts::create(c"tmpfs", Some(c"devices"), options, attributes)?;
    move_mount(&store, c"", CWD, c"/dev", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
    state.devices = Some(store);
    Ok(())
}

pub(super) fn show_node(state: &mut State, node: &Node) -> Done {
    let store = held(state.devices.as_ref())?;
    state.nodes += 1;
    let name = Text::<8>::of(format_args!("{}\0", state.nodes));
    let name = CStr::from_bytes_until_nul(name.as_bytes()).map_err(|_long| Errno::NAMETOOLONG)?;
    make(store, name, node)?;
    let tree = mounts::copy(store, name, false)?;
    let at = paths::open(held(state.root.as_ref())?, &node.at, Missing::File, false)?;
    Ok(mounts::attach(tree.as_fd(), at.as_fd())?)
}

pub(super) fn bind_node(state: &State, node: &Node, source: &CStr) -> Done {
    let tree = mounts::copy(CWD, source, false)?;
    // The device can be written to; the node's mode and owner, which are the host's, cannot.
    mounts::make_read_only(tree.as_fd())?;
    let at = paths::open(held(state.root.as_ref())?, &node.at, Missing::File, false)?;
    Ok(mounts::attach(tree.as_fd(), at.as_fd())?)
}

pub(super) fn link(state: &State, at: &Target, to: &CStr) -> Done {
    let parent = paths::parent(held(state.root.as_ref())?, at)?;
    let name = at.names.last().ok_or(Errno::ISDIR)?;
    match symlinkat(to, &parent, name) {
        Err(Errno::EXIST) => Ok(()),
        result => Ok(result?),
    }
}

/// The cover for files: a null device of the container's own, read-only, so that not even its mode can be changed. In
/// a user namespace, where none can be made, it is the host's.
fn null(state: &State) -> Result<OwnedFd, Failure> {
    let null = match &state.devices {
        Some(store) => {
            let node = (FileType::CharacterDevice, Mode::from_raw_mode(0o666), rustix::fs::makedev(1, 3));
            mknodat(store, c"cover", node.0, node.1, node.2)?;
            mounts::copy(store.as_fd(), c"cover", false)?
        }
        None => mounts::copy(held(state.null.as_ref())?, c"", false)?,
    };
    mounts::make_read_only(null.as_fd())?;
    Ok(null)
}

/// Covers a path: a directory with an empty, read-only one, anything else with a null device.
pub(super) fn mask(start: &Start<'_>, state: &mut State, target: &Target) -> Done {
    let at = match paths::open(held(state.root.as_ref())?, target, Missing::Nothing, false) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()), // Nothing there to hide.
        result => result?,
    };
    let is_directory = FileType::from_raw_mode(fstat(&at)?.st_mode) == FileType::Directory;
    if !is_directory && state.cover_node.is_none() {
        // Attached, for it is copied: kernels before 6.15 copy nothing that is detached.
        let null = null(state)?;
        mounts::attach(null.as_fd(), at.as_fd())?;
        state.cover_node = Some(null);
        return Ok(());
    }
    let cover = match &state.cover {
        _ if !is_directory => mounts::copy(held(state.cover_node.as_ref())?, c"", false)?,
        Some(cover) => mounts::copy(cover.as_fd(), c"", false)?,
        None => {
            let attributes =
                libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC;
            let options = [(c"nr_blocks", Some(c"1")), (c"nr_inodes", Some(c"1"))];
            mounts::create(c"tmpfs", Some(c"tmpfs"), options.into_iter().chain(context(start)), attributes)?
        }
    };
    mounts::attach(cover.as_fd(), at.as_fd())?;
    if is_directory && state.cover.is_none() {
        state.cover = Some(cover);
    }
    Ok(())
}

/// Mounts a path over itself, read-only.
pub(super) fn read_only(state: &State, target: &Target) -> Done {
    let at = match paths::open(held(state.root.as_ref())?, target, Missing::Nothing, false) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
        result => result?,
    };
    // With what is mounted below: in a user namespace a copy without it is refused.
    let tree = mounts::copy(at.as_fd(), c"", true)?;
    mounts::make_read_only(tree.as_fd())?;
    Ok(mounts::attach(tree.as_fd(), at.as_fd())?)
}
