//! The ways in which a tree's entries are opened.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::{self, Errno};

/// Never out of the tree, through no link, into nothing that is mounted.
const WITHIN: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// A handle on the root, which may be anything.
pub(super) fn root(path: &Path) -> io::Result<OwnedFd> {
    rustix::fs::open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

/// Opens for listing the directory that a handle stands for.
pub(super) fn readable(handle: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    openat(handle, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Opens for listing the directory at `path` below `base`.
pub(super) fn directory(base: BorrowedFd<'_>, path: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    again(|| openat2(base, path, flags, Mode::empty(), WITHIN))
}

/// A handle on the entry `name` of a directory, whatever it is: a link itself, not what it leads to.
pub(in super::super) fn handle(dir: impl AsFd, name: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    again(|| openat2(dir.as_fd(), name, flags, Mode::empty(), WITHIN))
}

/// openat2(2) gives up when something is renamed under it, and asks to be called again.
fn again(mut open: impl FnMut() -> io::Result<OwnedFd>) -> io::Result<OwnedFd> {
    for _ in 0..128 {
        match open() {
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
    open()
}
