//! Changing one entry, whatever is being renamed or linked around it.
//!
//! An entry is looked at by its name first, which costs one call and tells most often that there is nothing to do. For a
//! new mode it is opened, as a handle, and looked at again: the mode that it gets is made from the handle's own, never
//! from what had its name a moment before. Otherwise whoever owns a setuid file could rename another's over it and have
//! that made setuid. A new group alone needs no handle: whatever has the name by then, a link included, is in the same
//! directory and is to have the same group.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{AtFlags, FileType, Gid, Mode, Statx, StatxAttributes, StatxFlags};
use rustix::io::Errno;

use super::wanted::{self, Has, Set};
use super::{Change, HardLinks, OwnOptions, Ownership};
use crate::sys::chmod::{chmod_handle, proc_path};
use crate::sys::xattr::has_xattr;
use crate::volume::tree::{self, Entry, Found, Visitor};

pub(super) struct Apply<'a> {
    pub(super) ownership: Ownership,
    pub(super) options: &'a OwnOptions<'a>,
}

/// What a thread has done.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) entries: u64,
    pub(super) changed: u64,
    pub(super) hard_links: u64,
    pub(super) first_hard_link: Option<PathBuf>,
    pub(super) refused: u64,
    pub(super) failed: u64,
    pub(super) first_failure: Option<(PathBuf, io::Error)>,
    /// Whether the last entry had to get a new mode. The next one probably has to too, and is opened at once.
    opening: bool,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.entries += other.entries;
        self.changed += other.changed;
        self.hard_links += other.hard_links;
        self.first_hard_link = self.first_hard_link.take().or(other.first_hard_link);
        self.refused += other.refused;
        self.failed += other.failed;
        self.first_failure = self.first_failure.take().or(other.first_failure);
    }

    fn fail(&mut self, path: PathBuf, errno: Errno) {
        self.failed += 1;
        self.first_failure.get_or_insert((path, errno.into()));
    }
}

const WANTED: StatxFlags = StatxFlags::TYPE.union(StatxFlags::MODE).union(StatxFlags::GID).union(StatxFlags::NLINK);

fn has(stat: &Statx) -> Has {
    let mode = u32::from(stat.stx_mode);
    Has { kind: FileType::from_raw_mode(mode), gid: stat.stx_gid, mode: mode & 0o7777 }
}

impl Visitor for Apply<'_> {
    type Tally = Tally;

    fn entry(&self, entry: &Entry<'_>, tally: &mut Tally) -> Found {
        if !tally.opening {
            let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
            let stat = match rustix::fs::statx(entry.dir, entry.name, flags, WANTED) {
                Ok(stat) => stat,
                Err(Errno::NOENT) => return Found::Gone,
                Err(errno) => return failed(entry, errno, tally),
            };
            if stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
                return Found::Mount;
            }
            if has(&stat).kind == FileType::Directory {
                return Found::Directory;
            }
            if self.by_name(entry, &stat, tally) {
                return Found::Done;
            }
        }
        let handle = match tree::handle(entry.dir, entry.name) {
            Ok(handle) => handle,
            Err(Errno::NOENT) => return Found::Gone,
            Err(Errno::XDEV) => return Found::Mount,
            Err(errno) => return failed(entry, errno, tally),
        };
        let stat = match rustix::fs::statx(&handle, c"", AtFlags::EMPTY_PATH, WANTED) {
            Ok(stat) => stat,
            Err(errno) => return failed(entry, errno, tally),
        };
        if has(&stat).kind == FileType::Directory {
            return Found::Directory;
        }
        tally.opening = self.change(handle.as_fd(), &stat, false, entry.path, tally);
        Found::Done
    }

    fn directory(&self, fd: &OwnedFd, path: &dyn Fn() -> PathBuf, tally: &mut Tally) {
        self.opened(fd.as_fd(), true, path, tally);
    }
}

fn failed(entry: &Entry<'_>, errno: Errno, tally: &mut Tally) -> Found {
    tally.entries += 1;
    tally.fail((entry.path)(), errno);
    Found::Done
}

/// Counts a file that has other names; says whether it is one.
fn linked(stat: &Statx, path: &dyn Fn() -> PathBuf, tally: &mut Tally) -> bool {
    let linked = stat.stx_nlink > 1 && has(stat).kind != FileType::Directory;
    if linked {
        tally.hard_links += 1;
        tally.first_hard_link.get_or_insert_with(path);
    }
    linked
}

/// File capabilities are looked for where they have a use: on what can be executed.
fn may_have_capabilities(has: Has) -> bool {
    has.kind == FileType::RegularFile && has.mode & 0o111 != 0
}

const CAPABILITIES: &CStr = c"security.capability";

fn has_capabilities(fd: BorrowedFd<'_>) -> bool {
    rustix::fs::getxattr(proc_path(fd), CAPABILITIES, &mut [0_u8; 0][..]).is_ok()
}

impl Apply<'_> {
    /// Changes what has been opened: a directory for reading, anything else as a handle.
    pub(super) fn opened(&self, fd: BorrowedFd<'_>, readable: bool, path: &dyn Fn() -> PathBuf, tally: &mut Tally) {
        match rustix::fs::statx(fd, c"", AtFlags::EMPTY_PATH, WANTED) {
            Ok(stat) => {
                self.change(fd, &stat, readable, path, tally);
            }
            Err(errno) => {
                tally.entries += 1;
                tally.fail(path(), errno);
            }
        }
    }

    /// Deals with an entry that needs no handle: one that is right, or needs another group and nothing else.
    fn by_name(&self, entry: &Entry<'_>, stat: &Statx, tally: &mut Tally) -> bool {
        let has = has(stat);
        let set = wanted::set(has, self.ownership, false);
        let refusable = stat.stx_nlink > 1 && self.options.hard_links == HardLinks::Refuse;
        if set.nothing() {
            // Where the kernel cannot say it by name, it is asked by handle.
            let capable =
                may_have_capabilities(has) && has_xattr(entry.dir.as_fd(), entry.name, CAPABILITIES) != Ok(false);
            if capable {
                return false;
            }
        } else if set.mode.is_some() || refusable {
            return false;
        }
        tally.entries += 1;
        linked(stat, entry.path, tally);
        if set.nothing() {
            return true;
        }
        let group = Some(Gid::from_raw(self.ownership.fs_group));
        let outcome = if self.options.dry_run {
            Ok(())
        } else {
            rustix::fs::chownat(entry.dir, entry.name, None, group, AtFlags::SYMLINK_NOFOLLOW)
        };
        self.settle(has, outcome, entry.path, tally);
        true
    }

    /// Changes what is open; says whether that took a new mode.
    fn change(
        &self,
        fd: BorrowedFd<'_>,
        stat: &Statx,
        readable: bool,
        path: &dyn Fn() -> PathBuf,
        tally: &mut Tally,
    ) -> bool {
        tally.entries += 1;
        let has = has(stat);
        let linked = linked(stat, path, tally);
        let mut set = wanted::set(has, self.ownership, false);
        if set.nothing() && may_have_capabilities(has) && has_capabilities(fd) {
            set = wanted::set(has, self.ownership, true);
        }
        if set.nothing() {
            return false;
        }
        if linked && self.options.hard_links == HardLinks::Refuse {
            tally.refused += 1;
            return false;
        }
        let outcome = if self.options.dry_run { Ok(()) } else { apply(fd, readable, set, self.ownership.fs_group) };
        self.settle(has, outcome, path, tally);
        set.mode.is_some()
    }

    fn settle(&self, has: Has, outcome: rustix::io::Result<()>, path: &dyn Fn() -> PathBuf, tally: &mut Tally) {
        match outcome {
            Ok(()) => {
                tally.changed += 1;
                if let Some(tell) = self.options.on_change {
                    let mode = (has.mode, wanted::mode(has, self.ownership));
                    tell(&Change { path: path(), gid: (has.gid, self.ownership.fs_group), mode });
                }
            }
            // It was removed meanwhile.
            Err(Errno::NOENT) => {}
            Err(errno) => tally.fail(path(), errno),
        }
    }
}

/// The group first, which takes setuid and setgid bits away, then the mode. The second is tried if the first fails, as
/// the kubelet does; the first failure is reported.
fn apply(fd: BorrowedFd<'_>, readable: bool, set: Set, group: u32) -> rustix::io::Result<()> {
    let group = Some(Gid::from_raw(group));
    let chown = match (set.group, readable) {
        (false, _) => Ok(()),
        (true, true) => rustix::fs::fchown(fd, None, group),
        (true, false) => rustix::fs::chownat(fd, c"", None, group, AtFlags::EMPTY_PATH),
    };
    let chmod = match set.mode.map(Mode::from_raw_mode) {
        None => Ok(()),
        Some(mode) if readable => rustix::fs::fchmod(fd, mode),
        Some(mode) => chmod_handle(fd, mode),
    };
    chown.and(chmod)
}
