//! Walking a volume with several threads, by handles: whoever renames or links in it meanwhile, nothing outside of it is
//! reached.
//!
//! A directory is opened from the root, or from one that is held open on the way, with `openat2` in a way that neither
//! follows a link nor leaves the tree nor crosses a mount. What is in it is named by one component from its handle.
//!
//! Memory is bounded: a directory is read a buffer at a time, and what is found in the buffer is walked before the next
//! one is read. So what waits is a buffer of names for each level, however many entries there are.

mod open;
mod work;

use std::ffi::CStr;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use rustix::fs::FileType;

pub(super) use open::handle;

/// What is done with the entries of a tree.
pub(super) trait Visitor: Sync {
    /// What one thread counts.
    type Tally: Default + Send;

    /// Visits an entry that `readdir` did not call a directory. If it is one all the same, `Found::Directory`.
    fn entry(&self, entry: &Entry<'_>, tally: &mut Self::Tally) -> Found;

    /// Visits a directory, which is open for reading, before what is in it. The root is not among them.
    fn directory(&self, fd: &OwnedFd, path: &dyn Fn() -> PathBuf, tally: &mut Self::Tally);
}

/// An entry of a directory.
pub(super) struct Entry<'a> {
    /// The directory.
    pub(super) dir: &'a OwnedFd,
    /// The name in it.
    pub(super) name: &'a CStr,
    /// The path, for messages.
    pub(super) path: &'a dyn Fn() -> PathBuf,
}

/// What an entry turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It has been dealt with.
    Done,
    /// It is a directory, which is to be walked.
    Directory,
    /// Something is mounted there.
    Mount,
    /// It is no longer there.
    Gone,
}

/// What a walk passed over, besides the visitor's tally.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// Mount points, and the first of them.
    pub(super) mounts: u64,
    /// The first of them.
    pub(super) first_mount: Option<PathBuf>,
    /// Entries that were removed or renamed between listing and visiting.
    pub(super) gone: u64,
}

/// The tree could not be walked.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// A system call failed.
    #[error("{action} {}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// With which path.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// A directory was moved or removed while the tree was walked, so that what is in it may have been missed.
    #[error("{} was moved while the volume was being changed", path.display())]
    Moved {
        /// The directory.
        path: PathBuf,
    },
    /// The tree is nested deeper than anything can be named.
    #[error("{}… is nested too deep: its path is longer than {longest} bytes", beginning.display())]
    TooDeep {
        /// The first bytes of the path.
        beginning: PathBuf,
        /// The limit.
        longest: usize,
    },
}

/// How to walk.
#[derive(Clone, Copy, Debug)]
pub(super) struct WalkOptions<'a> {
    /// How many threads.
    pub(super) threads: NonZeroUsize,
    /// Counts the entries on the way.
    pub(super) progress: Option<&'a AtomicU64>,
}

/// Visits everything below `root`, an open directory, and not the root itself. `path` is the root's, for messages.
/// What was passed over and a tally of each thread come back; on an error the rest is left as soon as possible.
pub(super) fn walk<V: Visitor>(
    root: OwnedFd,
    path: &Path,
    visitor: &V,
    options: WalkOptions<'_>,
) -> Result<(Passed, Vec<V::Tally>), WalkError> {
    work::run(root, path, visitor, options)
}

/// Opens `path` as it is, without following a link in its last component.
pub(super) fn open_root(path: &Path) -> Result<(OwnedFd, FileType), WalkError> {
    let io =
        |action, errno: rustix::io::Errno| WalkError::Io { action, path: path.to_path_buf(), source: errno.into() };
    let handle = open::root(path).map_err(|errno| io("open", errno))?;
    let stat = rustix::fs::fstat(&handle).map_err(|errno| io("look at", errno))?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    if kind != FileType::Directory {
        return Ok((handle, kind));
    }
    let listing = open::readable(handle.as_fd()).map_err(|errno| io("open", errno))?;
    Ok((listing, kind))
}
