//! Id-mapped mounts (mount_setattr(2), MOUNT_ATTR_IDMAP): the kernel wants the mapping as a user namespace, and a
//! caller with privileges over the file system, which in a container's user namespace only the launcher has.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};

use super::held;
use super::plan::IdMapped;
use crate::engine::StartError;
use crate::sys::mount::{MountAttr, mount_setattr};

/// The detached mount.
pub(super) fn mount(asked: &IdMapped) -> Result<OwnedFd, StartError> {
    let failed = |source: io::Error| StartError::Step {
        step: format!("map the IDs of {} (mounts)", asked.path.to_string_lossy()),
        source,
    };
    let namespace = held::namespace(&asked.mapping, "make a user namespace for a mount (mounts)")?;
    tree(&asked.path, asked.recursive, asked.all, &namespace).map_err(|errno| failed(errno.into()))
}

/// What is at a path, with all that is mounted below, whose IDs are mapped as the user namespace maps them; what is
/// mounted below is not mapped.
pub(crate) fn id_mapped(path: &Path, namespace: &OwnedFd) -> Result<OwnedFd, Errno> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|_nul| Errno::INVAL)?;
    tree(&path, true, false, namespace)
}

fn tree(path: &CStr, recursive: bool, all: bool, namespace: &OwnedFd) -> Result<OwnedFd, Errno> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    let tree = open_tree(CWD, path, flags)?;
    let attributes = MountAttr {
        set: libc::MOUNT_ATTR_IDMAP,
        // Copied in the host's mount namespace: what is mounted in the container must not arrive there.
        propagation: libc::MS_SLAVE,
        userns_fd: std::os::fd::AsRawFd::as_raw_fd(namespace) as u64,
        ..MountAttr::default()
    };
    mount_setattr(tree.as_fd(), c"", all, &attributes)?;
    Ok(tree)
}
