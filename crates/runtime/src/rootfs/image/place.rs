//! Finding the place of an entry in the new root: every path is resolved by the kernel within the root, so that neither
//! `..` nor a link leads out of it (openat2(2), RESOLVE_IN_ROOT).

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// The new root.
pub(super) struct Root {
    fd: OwnedFd,
    /// The directory of the entry before; entries of a directory follow each other.
    last: Option<(PathBuf, std::rc::Rc<OwnedFd>)>,
}

/// The directory of an entry, and its name there.
pub(super) struct Place {
    pub(super) dir: std::rc::Rc<OwnedFd>,
    pub(super) name: OsString,
}

/// The path from the root without `.` and leading slashes. `None` when it has `..`, which no layer needs; empty for the
/// root itself.
pub(super) fn clean(path: &Path) -> Option<PathBuf> {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => clean.push(part),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(clean)
}

impl Root {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Self { fd: rustix::fs::open(path, flags, Mode::empty())?, last: None })
    }

    /// The root directory itself.
    pub(super) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// The place of a cleaned path that is not empty. Directories that are missing above it are made.
    pub(super) fn place(&mut self, path: &Path) -> io::Result<Place> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        let above = path.parent().unwrap_or(Path::new(""));
        if let Some((known, dir)) = &self.last
            && known == above
        {
            return Ok(Place { dir: dir.clone(), name });
        }
        let dir = std::rc::Rc::new(match self.directory(above) {
            Err(Errno::NOENT) => {
                self.make_directories(above)?;
                self.directory(above)?
            }
            other => other?,
        });
        self.last = Some((above.to_path_buf(), dir.clone()));
        Ok(Place { dir, name })
    }

    /// Must be called when a directory may have become something else.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }

    fn directory(&self, path: &Path) -> Result<OwnedFd, Errno> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat2(&self.fd, path, flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)
    }

    fn make_directories(&self, path: &Path) -> io::Result<()> {
        let mut here = PathBuf::new();
        let mut dir = self.directory(&here)?;
        for part in path.components() {
            here.push(part);
            dir = match self.directory(&here) {
                Err(Errno::NOENT) => {
                    rustix::fs::mkdirat(&dir, part.as_os_str(), Mode::from_raw_mode(0o755))?;
                    self.directory(&here)?
                }
                other => other?,
            };
        }
        Ok(())
    }
}

impl Place {
    /// Removes what is there, a directory with all that is in it; links are not followed.
    pub(super) fn clear(&self) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.dir, &self.name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::ISDIR) => remove_dir_all(&*self.dir, &self.name),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Whether there is a directory, and not a link to one.
    pub(super) fn is_dir(&self) -> bool {
        rustix::fs::statat(&self.dir, &self.name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Directory)
    }
}

/// Removes a directory below an open one.
pub(super) fn remove_dir_all(dir: impl AsFd, name: &OsStr) -> io::Result<()> {
    // The standard library walks with descriptors and does not follow links.
    std::fs::remove_dir_all(Path::new(&format!("/proc/self/fd/{}", dir.as_fd().as_raw_fd())).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_dots_has_no_place() {
        assert_eq!(clean(Path::new("/./a//b/.")), Some(PathBuf::from("a/b")));
        assert_eq!(clean(Path::new("./")), Some(PathBuf::new()));
        assert_eq!(clean(Path::new("a/../b")), None);
    }

    #[test]
    fn links_lead_nowhere_outside_the_root() {
        let outside = tempfile::tempdir().unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), dir.path().join("away")).unwrap();
        let mut root = Root::open(dir.path()).unwrap();
        // The link's target is looked for in the root, where it is made.
        let place = root.place(Path::new("away/x")).and_then(|place| place.clear());
        drop(place);
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}
