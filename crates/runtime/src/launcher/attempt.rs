//! Trying what a container may need, to learn whether this kernel and this caller can do it. Nothing is left behind.

use std::ffi::CString;
use std::io;
use std::os::fd::AsFd as _;

use rustix::process::{WaitId, WaitIdOptions, waitid};

use super::idmapped;
use super::plan::{IdMapped, Mapping};
use crate::sys::clone::clone3;

/// Makes a user namespace, and lets it go.
pub(crate) fn user_namespace() -> io::Result<()> {
    let (_, process) = clone3(libc::CLONE_NEWUSER as u64, None, None, || {})?;
    waitid(WaitId::PidFd(process.as_fd()), WaitIdOptions::EXITED)?;
    Ok(())
}

/// Makes a mount of the path's file system with other owners, attached nowhere, and lets it go.
pub(crate) fn id_mapped_mount(path: &str) -> io::Result<()> {
    let ids = || vec![[0, 100_000, 65_536]];
    let mapping = Mapping { uid: ids(), gid: ids(), deny_groups: false, helpers: false };
    let path = CString::new(path).map_err(io::Error::other)?;
    let asked = IdMapped { path, recursive: false, all: false, mapping, slot: 0 };
    idmapped::mount(&asked).map(drop).map_err(|error| match error {
        crate::engine::StartError::Step { source, .. } => source,
        other => io::Error::other(other),
    })
}
