//! Finding the place of an entry in the new root, which may lie over the directories of other layers. Every path is gone
//! through name by name, and no step follows a link, so that neither `..` nor a link leads out of the root.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid};
use rustix::io::Errno;

use super::layered::{Found, Level, Walk, is_whiteout, list, look, open_dir};

/// A file's last block need not be full.
const SLACK: u64 = 1 << 20;

/// The new root.
pub(super) struct Root {
    fd: Rc<OwnedFd>,
    /// The layers that it lies over, the uppermost first. They are only read.
    below: Vec<Rc<OwnedFd>>,
    /// The directory of the entry before; entries of a directory follow each other.
    last: Option<(PathBuf, Place)>,
}

/// The directory of an entry, and its name there.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) dir: Rc<OwnedFd>,
    pub(super) name: OsString,
    /// The directory's path from the root, without links.
    way: Rc<PathBuf>,
    /// The same directory of the layers below.
    below: Rc<Level>,
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
    pub(super) fn open(path: &Path, below: &[PathBuf]) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = |path: &Path| -> io::Result<_> { Ok(Rc::new(rustix::fs::open(path, flags, Mode::empty())?)) };
        let below = below.iter().map(|path| open(path)).collect::<io::Result<_>>()?;
        Ok(Self { fd: open(path)?, below, last: None })
    }

    /// The root directory itself.
    pub(super) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// The place of a cleaned path that is not empty. Directories that are missing above it are made.
    pub(super) fn place(&mut self, path: &Path) -> io::Result<Place> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        let above = path.parent().unwrap_or(Path::new(""));
        if let Some((known, place)) = &self.last
            && known == above
        {
            return Ok(place.beside(&name));
        }
        let (way, dir, below) = self.walk(above)?;
        let place = Place { dir, name, way, below };
        self.last = Some((above.to_path_buf(), place.clone()));
        Ok(place)
    }

    /// Must be called when a directory may have become something else.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }

    /// The directory in this layer, with those above it made like what the layers below have there.
    fn walk(&self, path: &Path) -> io::Result<(Rc<PathBuf>, Rc<OwnedFd>, Rc<Level>)> {
        let mut dirs = vec![self.fd.clone()];
        dirs.extend(self.below.iter().cloned());
        // The first directory of every level on the way is this layer's own.
        let mut walk = Walk::new(Level { dirs }, path);
        while let Some(name) = walk.next() {
            let here = walk.here().clone();
            let own = here.dirs.first().ok_or(Errno::NOENT)?;
            match here.find(&name)? {
                Found::Nothing => {
                    let place = Place {
                        dir: own.clone(),
                        name: name.clone(),
                        way: Rc::default(),
                        below: Rc::new(Level { dirs: here.dirs.iter().skip(1).cloned().collect() }),
                    };
                    place.clear()?;
                    rustix::fs::mkdirat(&**own, &name, Mode::from_raw_mode(0o755))?;
                    place.hide_children()?;
                    // Whatever the umask says.
                    chmod(open_dir(own, &name)?, Mode::from_raw_mode(0o755))?;
                    // With what lies below, although all of it is hidden: it has to be hidden again when what hides it
                    // here is replaced and removed.
                    let Found::Directory(level) = here.find(&name)? else { return Err(Errno::NOTDIR.into()) };
                    walk.enter(name, level);
                }
                Found::Directory(mut level) => {
                    if look(own, &name)?.is_none() {
                        let original = level.dirs.first().ok_or(Errno::NOENT)?.clone();
                        rustix::fs::mkdirat(&**own, &name, Mode::from_raw_mode(0o700))?;
                        let copy = open_dir(own, &name)?;
                        like(&copy, &rustix::fs::fstat(&*original)?)?;
                        copy_attributes(&original, &copy)?;
                        level.dirs.insert(0, Rc::new(copy));
                    }
                    walk.enter(name, level);
                }
                Found::Link(target) => walk.follow(&target)?,
                Found::Other(..) => return Err(Errno::NOTDIR.into()),
            }
        }
        let here = walk.here();
        let own = here.dirs.first().ok_or(Errno::NOENT)?.clone();
        Ok((Rc::new(walk.path()), own, Rc::new(Level { dirs: here.dirs.iter().skip(1).cloned().collect() })))
    }
}

impl Place {
    /// The same directory, another name.
    pub(super) fn beside(&self, name: &OsStr) -> Self {
        Self { dir: self.dir.clone(), name: name.to_owned(), way: self.way.clone(), below: self.below.clone() }
    }

    /// The path from the root, without links on the way.
    pub(super) fn path(&self) -> PathBuf {
        self.way.join(&self.name)
    }

    /// Removes what this layer has there, a directory with all that is in it; links are not followed.
    pub(super) fn clear(&self) -> io::Result<()> {
        match rustix::fs::unlinkat(&*self.dir, &self.name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::ISDIR) => remove_dir_all(&*self.dir, &self.name),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Removes what is there, in this layer and for whoever looks at it over those below.
    pub(super) fn remove(&self) -> io::Result<()> {
        self.clear()?;
        self.hide()
    }

    /// Hides what the layers below have there, where this layer has nothing. Unprivileged callers may do it, too
    /// (Linux 5.8).
    pub(super) fn hide(&self) -> io::Result<()> {
        if matches!(self.below.find(&self.name)?, Found::Nothing) {
            return Ok(());
        }
        Ok(rustix::fs::mknodat(&*self.dir, &self.name, FileType::CharacterDevice, Mode::empty(), 0)?)
    }

    /// Hides all that the layers below have in this directory, which this layer has made anew.
    pub(super) fn hide_children(&self) -> io::Result<()> {
        if let Some(inside) = self.inside()? {
            for name in inside.below.names()? {
                inside.beside(&name).hide()?;
            }
        }
        Ok(())
    }

    /// The place of nothing in this directory, when it is one and this layer has it.
    pub(super) fn inside(&self) -> io::Result<Option<Self>> {
        match look(&*self.dir, &self.name)? {
            Some(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {}
            _ => return Ok(None),
        }
        let below = match self.below.find(&self.name)? {
            Found::Directory(level) => level,
            _ => Level { dirs: Vec::new() },
        };
        let dir = Rc::new(open_dir(&*self.dir, &self.name)?);
        Ok(Some(Self { dir, name: OsString::new(), way: Rc::new(self.path()), below: Rc::new(below) }))
    }

    /// Every name of this place's directory, in this layer and those below.
    pub(super) fn siblings(&self) -> io::Result<Vec<OsString>> {
        let mut names = list(&*self.dir)?;
        names.extend(self.below.names()?);
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Whether there is a directory, and not a link to one.
    pub(super) fn is_dir(&self) -> bool {
        match look(&*self.dir, &self.name) {
            Ok(Some(stat)) => FileType::from_raw_mode(stat.st_mode) == FileType::Directory,
            Ok(None) => matches!(self.below.find(&self.name), Ok(Found::Directory(_))),
            Err(_) => false,
        }
    }

    /// Makes sure that this layer itself has the file: as a copy of the one below where it has not. Returns how many
    /// bytes were copied. No more than `limit` are.
    pub(super) fn copy_up(&self, limit: u64) -> io::Result<u64> {
        match look(&*self.dir, &self.name)? {
            // Removed, or there already.
            Some(stat) if is_whiteout(&stat) => return Err(Errno::NOENT.into()),
            Some(_) => return Ok(0),
            None => {}
        }
        match self.below.find(&self.name)? {
            Found::Link(target) => {
                rustix::fs::symlinkat(&target, &*self.dir, &self.name)?;
                Ok(0)
            }
            Found::Other(from, FileType::RegularFile) => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let source = File::from(rustix::fs::openat(&*from, &self.name, flags, Mode::empty())?);
                let stat = rustix::fs::fstat(&source)?;
                // What is a hole stays one.
                if u64::try_from(stat.st_blocks).unwrap_or(u64::MAX).saturating_mul(512) > limit.saturating_add(SLACK) {
                    return Err(Errno::FBIG.into());
                }
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let copy = File::from(rustix::fs::openat(&*self.dir, &self.name, flags, Mode::from_raw_mode(0o600))?);
                let copied = crate::rootfs::holes::copy(&source, &copy)?;
                like(copy.as_fd(), &stat)?;
                copy_attributes(source.as_fd(), copy.as_fd())?;
                let time = Timespec { tv_sec: stat.st_mtime, tv_nsec: 0 };
                rustix::fs::futimens(&copy, &Timestamps { last_access: time, last_modification: time })?;
                Ok(copied)
            }
            _ => Err(Errno::NOENT.into()),
        }
    }
}

/// Gives the copy the owner and mode of the original. The owner stays the caller's without privilege, as the original's
/// has.
fn like(copy: impl AsFd, stat: &rustix::fs::Stat) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    match rustix::fs::chownat(&copy, c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH) {
        // EINVAL where the user namespace does not have the owner.
        Ok(()) | Err(Errno::PERM | Errno::INVAL) => {}
        Err(errno) => return Err(errno.into()),
    }
    chmod(copy, Mode::from_raw_mode(stat.st_mode))
}

/// The mode of what a descriptor may only stand for.
pub(super) fn chmod(fd: impl AsFd, mode: Mode) -> io::Result<()> {
    let path = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
    Ok(rustix::fs::chmodat(rustix::fs::CWD, path, mode, AtFlags::empty())?)
}

/// File capabilities are a part of what a file is.
fn copy_attributes(from: impl AsFd, to: impl AsFd) -> io::Result<()> {
    let path = |fd: &dyn AsFd| format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
    let mut value = [0_u8; 64];
    match rustix::fs::getxattr(path(&from), "security.capability", &mut value[..]) {
        Ok(size) => {
            let value = value.get(..size).unwrap_or_default();
            match rustix::fs::setxattr(path(&to), "security.capability", value, rustix::fs::XattrFlags::empty()) {
                Ok(()) | Err(Errno::PERM | Errno::OPNOTSUPP) => Ok(()),
                Err(errno) => Err(errno.into()),
            }
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(()),
        Err(errno) => Err(errno.into()),
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
        for below in [vec![], vec![dir.path().to_path_buf()]] {
            let upper = tempfile::tempdir().unwrap();
            let root = if below.is_empty() { dir.path() } else { upper.path() };
            let mut root = Root::open(root, &below).unwrap();
            // The link's target is looked for in the root, where it is made.
            let place = root.place(Path::new("away/x")).and_then(|place| place.clear());
            drop(place);
            assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
        }
    }
}
