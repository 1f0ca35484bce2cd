//! `fsGroup`: gives a volume to a group, as the kubelet does (`pkg/volume/volume_linux.go`).
//!
//! Everything in the tree gets the group, and `rw` for it (`r` when the volume is read-only); directories get `x` and
//! the setgid bit too; links themselves get the group alone. The root comes last, so that `OnRootMismatch` finds it
//! wrong after an interruption.
//!
//! Nothing in the tree is trusted: every entry is opened relative to its directory without following a link, and changed
//! through that descriptor.

use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat};

/// When ownership is changed: `fsGroupChangePolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChangePolicy {
    /// Whenever the volume is mounted.
    #[default]
    Always,
    /// Only if the root of the volume does not have the group and the permission bits.
    OnRootMismatch,
}

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Ownership {
    /// The group.
    pub fs_group: u32,
    /// When.
    pub policy: ChangePolicy,
    /// Whether the volume is read-only, so that the group gets no `w`.
    pub read_only: bool,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Owned {
    /// How many entries were visited, the root included; none when the policy let the tree be.
    pub entries: u64,
    /// Entries that could not be changed, such as those of a read-only file system: how many, and the first of them.
    /// The kubelet passes over them.
    pub failed: u64,
    /// The first entry that could not be changed, and why.
    pub first_failure: Option<(PathBuf, io::Error)>,
}

/// The tree could not be walked.
#[derive(Debug, thiserror::Error)]
pub enum OwnError {
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
    /// A directory was moved elsewhere while the tree was walked.
    #[error("{} was moved while the volume was being changed", path.display())]
    Moved {
        /// The directory.
        path: PathBuf,
    },
}

/// As many directories are held open at once; above them only the numbers are kept by which they are found again.
const OPEN_DIRECTORIES: usize = 128;

/// Gives the tree below `root` to the group.
pub fn own(root: &Path, ownership: Ownership) -> Result<Owned, OwnError> {
    let io =
        |action, source: rustix::io::Errno| OwnError::Io { action, path: root.to_path_buf(), source: source.into() };
    let fd = rustix::fs::open(root, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| io("open", errno))?;
    let stat = rustix::fs::fstat(&fd).map_err(|errno| io("look at", errno))?;
    if ownership.policy == ChangePolicy::OnRootMismatch && is_right(root, ownership) {
        return Ok(Owned::default());
    }
    let mut walk = Walk { ownership, path: root.to_path_buf(), stack: Vec::new(), owned: Owned::default() };
    walk.run(fd, stat)?;
    Ok(walk.owned)
}

/// Whether the root has the group, the setgid bit and at least the permission bits. The kubelet follows a link here.
fn is_right(root: &Path, ownership: Ownership) -> bool {
    let Ok(stat) = rustix::fs::stat(root) else { return false };
    let wanted = if ownership.read_only { 0o550 } else { 0o770 };
    kind(&stat) == FileType::Directory
        && stat.st_gid == ownership.fs_group
        && stat.st_mode & wanted == wanted
        && stat.st_mode & 0o2000 != 0
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// A directory whose entries are being changed.
struct Level {
    /// Closed while many levels below it are open.
    fd: Option<OwnedFd>,
    stat: Stat,
    /// Subdirectories that are still to be walked.
    dirs: Vec<CString>,
}

struct Walk {
    ownership: Ownership,
    path: PathBuf,
    stack: Vec<Level>,
    owned: Owned,
}

impl Walk {
    fn run(&mut self, root: OwnedFd, stat: Stat) -> Result<(), OwnError> {
        if kind(&stat) != FileType::Directory {
            self.change(&root, &stat, None);
            return Ok(());
        }
        self.enter(root, stat)?;
        while let Some(level) = self.stack.last_mut() {
            if let Some(name) = level.dirs.pop() {
                self.descend(name)?;
            } else {
                self.leave()?;
            }
        }
        Ok(())
    }

    /// Changes the entries of a directory other than directories, and remembers those.
    fn enter(&mut self, fd: OwnedFd, stat: Stat) -> Result<(), OwnError> {
        let listing = rustix::fs::openat(&fd, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| self.error("open", errno))?;
        let mut dirs = Vec::new();
        for entry in Dir::new(listing).map_err(|errno| self.error("list", errno))? {
            let entry = entry.map_err(|errno| self.error("list", errno))?;
            let name = entry.file_name();
            if name.to_bytes() == b"." || name.to_bytes() == b".." {
                continue;
            }
            if entry.file_type() == FileType::Directory {
                dirs.push(name.to_owned());
                continue;
            }
            let Some((child, child_stat)) = self.open(&fd, name)? else { continue };
            if kind(&child_stat) == FileType::Directory {
                dirs.push(name.to_owned());
            } else {
                self.change(&child, &child_stat, Some(name.to_owned()));
            }
        }
        self.stack.push(Level { fd: Some(fd), stat, dirs });
        if let Some(above) = self.stack.len().checked_sub(OPEN_DIRECTORIES + 1)
            && let Some(level) = self.stack.get_mut(above)
        {
            level.fd = None;
        }
        Ok(())
    }

    fn descend(&mut self, name: CString) -> Result<(), OwnError> {
        let Some(Level { fd: Some(fd), .. }) = self.stack.last() else { return Ok(()) };
        let opened = self.open(fd, &name)?;
        let Some((child, stat)) = opened else { return Ok(()) };
        if kind(&stat) == FileType::Directory {
            self.path.push(OsString::from_vec(name.into_bytes()));
            return self.enter(child, stat);
        }
        // It was a directory a moment ago.
        self.change(&child, &stat, Some(name));
        Ok(())
    }

    /// Changes the directory itself, after all that is in it, and goes back to the one above.
    fn leave(&mut self) -> Result<(), OwnError> {
        let Some(level) = self.stack.pop() else { return Ok(()) };
        let Some(fd) = level.fd else { return Ok(()) };
        self.change(&fd, &level.stat, None);
        if self.stack.is_empty() {
            return Ok(());
        }
        self.path.pop();
        if self.stack.last().is_some_and(|above| above.fd.is_some()) {
            return Ok(());
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let above = rustix::fs::openat(&fd, "..", flags, Mode::empty()).map_err(|errno| self.error("open", errno))?;
        let stat = rustix::fs::fstat(&above).map_err(|errno| self.error("look at", errno))?;
        let moved = OwnError::Moved { path: self.path.clone() };
        match self.stack.last_mut() {
            Some(known) if (known.stat.st_dev, known.stat.st_ino) == (stat.st_dev, stat.st_ino) => {
                known.fd = Some(above);
                Ok(())
            }
            _ => Err(moved),
        }
    }

    /// Opens an entry as it is. `None` when it is gone.
    fn open(&self, dir: impl AsFd, name: &std::ffi::CStr) -> Result<Option<(OwnedFd, Stat)>, OwnError> {
        let named = |action, errno: rustix::io::Errno| OwnError::Io {
            action,
            path: self.path.join(name.to_string_lossy().as_ref()),
            source: errno.into(),
        };
        match rustix::fs::openat(dir, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
            Ok(fd) => {
                let stat = rustix::fs::fstat(&fd).map_err(|errno| named("look at", errno))?;
                Ok(Some((fd, stat)))
            }
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(errno) => Err(named("open", errno)),
        }
    }

    /// Changes one entry: the group first, which takes setuid and setgid bits away, then the mode with the bits as they
    /// were.
    fn change(&mut self, fd: &OwnedFd, stat: &Stat, name: Option<CString>) {
        self.owned.entries += 1;
        let group = Gid::from_raw(self.ownership.fs_group);
        let mut outcome = rustix::fs::chownat(fd, c"", None, Some(group), AtFlags::EMPTY_PATH);
        if kind(stat) != FileType::Symlink {
            let mut mode = stat.st_mode & 0o7777 | if self.ownership.read_only { 0o440 } else { 0o660 };
            if kind(stat) == FileType::Directory {
                mode |= 0o2110;
            }
            // A descriptor that only stands for a path cannot be given to fchmod(2); its entry in /proc can be.
            let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
            outcome = outcome.and(rustix::fs::chmod(path, Mode::from_raw_mode(mode)));
        }
        if let Err(errno) = outcome {
            self.owned.failed += 1;
            if self.owned.first_failure.is_none() {
                let path = match name {
                    Some(name) => self.path.join(OsString::from_vec(name.into_bytes())),
                    None => self.path.clone(),
                };
                self.owned.first_failure = Some((path, errno.into()));
            }
        }
    }

    fn error(&self, action: &'static str, errno: rustix::io::Errno) -> OwnError {
        OwnError::Io { action, path: self.path.clone(), source: errno.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    /// Root can give files to any group, another user only to its own.
    fn group() -> u32 {
        if rustix::process::geteuid().is_root() { 4711 } else { rustix::process::getegid().as_raw() }
    }

    fn to_group(policy: ChangePolicy, read_only: bool) -> Ownership {
        Ownership { fs_group: group(), policy, read_only }
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o7777
    }

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_group_can_read_and_write_files_and_enter_directories() {
        let dir = tempfile::tempdir().unwrap();
        let (sub, file) = (dir.path().join("d"), dir.path().join("d/f"));
        fs::create_dir(&sub).unwrap();
        fs::write(&file, "").unwrap();
        set(&file, 0o4701);
        set(&sub, 0o700);
        let owned = own(dir.path(), to_group(ChangePolicy::Always, false)).unwrap();
        assert_eq!((owned.entries, owned.failed), (3, 0));
        assert_eq!((mode(&sub), mode(&file)), (0o2770, 0o4761));
        assert_eq!(fs::metadata(&file).unwrap().gid(), group());
    }

    #[test]
    fn a_read_only_volume_is_given_without_write() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        fs::write(&file, "").unwrap();
        set(&file, 0o400);
        set(dir.path(), 0o700);
        own(dir.path(), to_group(ChangePolicy::Always, true)).unwrap();
        assert_eq!((mode(dir.path()), mode(&file)), (0o2750, 0o440));
    }

    #[test]
    fn a_root_that_is_right_keeps_the_rest_from_being_changed() {
        let dir = tempfile::tempdir().unwrap();
        own(dir.path(), to_group(ChangePolicy::Always, false)).unwrap();
        let file = dir.path().join("f");
        fs::write(&file, "").unwrap();
        set(&file, 0o400);
        let owned = own(dir.path(), to_group(ChangePolicy::OnRootMismatch, false)).unwrap();
        assert_eq!((owned.entries, mode(&file)), (0, 0o400));
        set(dir.path(), 0o770);
        let owned = own(dir.path(), to_group(ChangePolicy::OnRootMismatch, false)).unwrap();
        assert_eq!((owned.entries, mode(&file)), (2, 0o660));
    }

    #[test]
    fn links_are_not_followed() {
        let outside = tempfile::tempdir().unwrap();
        let victim = outside.path().join("victim");
        fs::write(&victim, "").unwrap();
        set(&victim, 0o600);
        set(outside.path(), 0o700);
        let before = (fs::metadata(&victim).unwrap().gid(), fs::metadata(outside.path()).unwrap().ctime_nsec());
        let dir = tempfile::tempdir().unwrap();
        symlink(&victim, dir.path().join("file")).unwrap();
        symlink(outside.path(), dir.path().join("dir")).unwrap();
        let owned = own(dir.path(), to_group(ChangePolicy::Always, false)).unwrap();
        assert_eq!((owned.entries, owned.failed), (3, 0));
        assert_eq!(mode(&victim), 0o600);
        assert_eq!((fs::metadata(&victim).unwrap().gid(), fs::metadata(outside.path()).unwrap().ctime_nsec()), before);
        assert_eq!(fs::symlink_metadata(dir.path().join("file")).unwrap().gid(), group());
    }

    #[test]
    fn a_tree_deeper_than_the_open_directories_is_walked_to_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let mut deep = dir.path().to_path_buf();
        for _ in 0..3 * OPEN_DIRECTORIES {
            deep.push("d");
            fs::create_dir(&deep).unwrap();
            fs::write(deep.join("z"), "").unwrap();
        }
        let owned = own(dir.path(), to_group(ChangePolicy::Always, false)).unwrap();
        assert_eq!(owned.entries, 1 + 6 * OPEN_DIRECTORIES as u64);
        assert_eq!(mode(&deep) & 0o2770, 0o2770);
        assert_eq!(mode(dir.path()) & 0o2770, 0o2770);
    }
}
