//! Finding and making paths inside the container's root while it is still not the process's root. The kernel resolves
//! them (openat2(2), RESOLVE_IN_ROOT): a symbolic link in an image leads nowhere else, however it changes meanwhile.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags, mkdirat, openat2};
use rustix::io::{self, Errno};

use super::links;
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
    open_or_make(root, target.relative(), missing, plain)
}

/// Opens what `open` opened or made, with the same understanding of links into nothing.
pub(super) fn find(root: BorrowedFd<'_>, target: &Target) -> io::Result<OwnedFd> {
    match resolve(root, target.relative(), false) {
        Err(Errno::NOENT) => resolve(root, links::follow(root, target.relative())?.as_c_str()?, true),
        result => result,
    }
}

/// The directory that holds the path, made if it is missing.
pub(super) fn parent(root: BorrowedFd<'_>, target: &Target) -> io::Result<OwnedFd> {
    open_or_make(root, target.parent(), Missing::Directory, false)
}

fn open_or_make(root: BorrowedFd<'_>, path: &CStr, missing: Missing, plain: bool) -> io::Result<OwnedFd> {
    match resolve(root, path, plain) {
        Err(Errno::NOENT) if missing != Missing::Nothing => {}
        result => return result,
    }
    if plain {
        return make(root, path.to_bytes(), missing);
    }
    // Links into nothing lead to what is made.
    make(root, links::follow(root, path)?.as_bytes(), missing)
}

/// Opens a path of any length, in the root, following links but the kernel's magic ones.
pub(super) fn resolve(root: BorrowedFd<'_>, path: &CStr, plain: bool) -> io::Result<OwnedFd> {
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

/// Walks down a path without links, making what is missing. A link that somebody puts there meanwhile is an error.
fn make(root: BorrowedFd<'_>, path: &[u8], missing: Missing) -> io::Result<OwnedFd> {
    let mut at = resolve(root, c".", true)?;
    let mut names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).peekable();
    while let Some(name) = names.next() {
        let mut bytes = [0; 256];
        bytes.get_mut(..name.len()).ok_or(Errno::NAMETOOLONG)?.copy_from_slice(name);
        let name = CStr::from_bytes_until_nul(&bytes).map_err(|_no_nul| Errno::NAMETOOLONG)?;
        let is_file = names.peek().is_none() && missing == Missing::File;
        at = match below(at.as_fd(), name, OFlags::PATH) {
            Err(Errno::NOENT) => {
                if is_file {
                    below(at.as_fd(), name, OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW).map(drop)?;
                } else {
                    mkdirat(&at, name, Mode::from_raw_mode(0o755))?;
                }
                below(at.as_fd(), name, OFlags::PATH)?
            }
            result => result?,
        };
    }
    Ok(at)
}

/// Opens a name of a directory, which is no link.
fn below(directory: BorrowedFd<'_>, name: &CStr, flags: OFlags) -> io::Result<OwnedFd> {
    let mode = if flags.contains(OFlags::CREATE) { Mode::from_raw_mode(0o644) } else { Mode::empty() };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    openat2(directory, name, flags | OFlags::CLOEXEC, mode, resolve)
}
