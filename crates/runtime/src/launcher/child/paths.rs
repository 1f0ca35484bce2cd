//! Finding and making paths inside the container's root while it is still not the process's root. The kernel resolves
//! them (openat2(2), RESOLVE_IN_ROOT): a symbolic link in an image leads nowhere else, however it changes meanwhile.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags, mkdirat, openat2};
use rustix::io::{self, Errno};

use crate::launcher::plan::Target;

/// What to make where nothing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// Nothing: ENOENT.
    Nothing,
    /// A directory.
    Directory,
    /// An empty file.
    File,
}

/// How often a path is resolved again after something was renamed under it.
const TRIES: usize = 16;

/// Opens a path below the root, with O_PATH.
pub(super) fn open(root: BorrowedFd<'_>, target: &Target, missing: Missing, plain: bool) -> io::Result<OwnedFd> {
    match resolve(root, target.relative(), plain) {
        Err(Errno::NOENT) if missing != Missing::Nothing => make(root, target, missing, plain),
        result => result,
    }
}

/// The directory that holds the path, made if it is missing.
pub(super) fn parent(root: BorrowedFd<'_>, target: &Target) -> io::Result<OwnedFd> {
    let parents = target.prefixes.len().saturating_sub(1);
    descend(root, target, parents, false)
}

/// Opens a path of any length, in the root, following links but the kernel's magic ones.
fn resolve(root: BorrowedFd<'_>, path: &std::ffi::CStr, plain: bool) -> io::Result<OwnedFd> {
    let links = if plain { ResolveFlags::NO_SYMLINKS } else { ResolveFlags::empty() };
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | links;
    let mut result = Err(Errno::AGAIN);
    for _ in 0..TRIES {
        result = openat2(root, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve);
        if !matches!(result, Err(Errno::AGAIN)) {
            break;
        }
    }
    result
}

fn make(root: BorrowedFd<'_>, target: &Target, missing: Missing, plain: bool) -> io::Result<OwnedFd> {
    let all = target.prefixes.len();
    if missing == Missing::Directory {
        return descend(root, target, all, plain);
    }
    let parent = descend(root, target, all.saturating_sub(1), plain)?;
    let name = target.names.last().ok_or(Errno::ISDIR)?;
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
    let resolve_here = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    openat2(&parent, name, flags, Mode::from_raw_mode(0o644), resolve_here).map(drop).map_err(dangling)?;
    resolve(root, target.relative(), plain)
}

/// Walks down the first components, making directories that are missing.
fn descend(root: BorrowedFd<'_>, target: &Target, depth: usize, plain: bool) -> io::Result<OwnedFd> {
    let mut at = resolve(root, c".", plain)?;
    for (prefix, name) in target.prefixes.iter().zip(&target.names).take(depth) {
        at = match resolve(root, prefix, plain) {
            Err(Errno::NOENT) => {
                mkdirat(at.as_fd(), name, Mode::from_raw_mode(0o755)).map_err(dangling)?;
                resolve(root, prefix, plain)?
            }
            result => result?,
        };
    }
    Ok(at)
}

/// A name that leads nowhere and exists is a link into nothing. Nothing is made behind it.
fn dangling(errno: Errno) -> Errno {
    if errno == Errno::EXIST { Errno::NOENT } else { errno }
}
