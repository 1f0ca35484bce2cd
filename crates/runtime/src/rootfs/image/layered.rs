//! Layers that lie in directories of their own, as overlayfs stacks them (`Documentation/filesystems/overlayfs.rst`): what
//! is in an upper one hides what is in those below, a character device 0:0 removes it, and directories are merged.
//!
//! Nothing has to be mounted to find a file in such a stack. Every step opens one name and follows no link; links are
//! resolved here and never lead out of the stack's root, whatever a layer says.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

/// As many as the kernel follows (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// A directory of the stack: the layers that have a part in it, the uppermost first.
#[derive(Clone, Debug)]
pub(super) struct Level {
    pub(super) dirs: Vec<Rc<OwnedFd>>,
}

/// What a name stands for in a directory of the stack.
pub(super) enum Found {
    Nothing,
    Directory(Level),
    Link(OsString),
    /// A file, in the layer whose directory this is.
    Other(Rc<OwnedFd>, FileType),
}

impl Level {
    /// The name in this directory.
    pub(super) fn find(&self, name: &OsStr) -> Result<Found, Errno> {
        let mut merged = Vec::new();
        for dir in &self.dirs {
            let Some(stat) = look(dir, name)? else { continue };
            let kind = FileType::from_raw_mode(stat.st_mode);
            if kind == FileType::Directory {
                merged.push(Rc::new(open_dir(dir, name)?));
                continue;
            }
            // What is no directory ends the merging, and decides only when nothing lies above.
            if merged.is_empty() {
                return match kind {
                    FileType::Symlink => Ok(Found::Link(read_link(dir, name)?)),
                    _ if is_whiteout(&stat) => Ok(Found::Nothing),
                    kind => Ok(Found::Other(dir.clone(), kind)),
                };
            }
            break;
        }
        Ok(if merged.is_empty() { Found::Nothing } else { Found::Directory(Self { dirs: merged }) })
    }

    /// Every name that some layer has here, also those that are removed.
    pub(super) fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = std::collections::BTreeSet::new();
        for dir in &self.dirs {
            names.extend(list(dir)?);
        }
        Ok(names.into_iter().collect())
    }

    /// The directory or file at `path`, all links resolved within the stack.
    fn resolve(&self, path: &Path) -> Result<Resolved, Errno> {
        let mut walk = Walk::new(self.clone(), path);
        loop {
            let Some(name) = walk.next() else { return Ok(Resolved::Directory) };
            match walk.here().find(&name)? {
                Found::Nothing => return Err(Errno::NOENT),
                Found::Directory(level) => walk.enter(name, level),
                Found::Link(target) => walk.follow(&target)?,
                Found::Other(dir, kind) if walk.is_done() => return Ok(Resolved::Other(dir, name, kind)),
                Found::Other(..) => return Err(Errno::NOTDIR),
            }
        }
    }

    /// A regular file at `path`; `None` when there is none.
    pub(super) fn open_file(&self, path: &Path) -> io::Result<Option<File>> {
        match self.resolve(path) {
            Ok(Resolved::Other(dir, name, FileType::RegularFile)) => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let file = File::from(rustix::fs::openat(&dir, &name, flags, Mode::empty())?);
                Ok(file.metadata()?.is_file().then_some(file))
            }
            Ok(_) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }
}

enum Resolved {
    Directory,
    Other(Rc<OwnedFd>, OsString, FileType),
}

/// The way through a stack: the directories passed, and the names still to go through.
pub(super) struct Walk {
    passed: Vec<(OsString, Level)>,
    ahead: VecDeque<OsString>,
    links: usize,
    root: Level,
}

impl Walk {
    pub(super) fn new(root: Level, path: &Path) -> Self {
        let mut walk = Self { passed: Vec::new(), ahead: VecDeque::new(), links: 0, root };
        walk.ahead.extend(names(path));
        walk
    }

    /// The directory that the way has come to.
    pub(super) fn here(&self) -> &Level {
        self.passed.last().map_or(&self.root, |(_, level)| level)
    }

    /// The way there without links.
    pub(super) fn path(&self) -> PathBuf {
        self.passed.iter().map(|(name, _)| name).collect()
    }

    /// The next name; `..` is gone through already, and stays in the root there.
    pub(super) fn next(&mut self) -> Option<OsString> {
        loop {
            let name = self.ahead.pop_front()?;
            if name != ".." {
                return Some(name);
            }
            self.passed.pop();
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.ahead.is_empty()
    }

    pub(super) fn enter(&mut self, name: OsString, level: Level) {
        self.passed.push((name, level));
    }

    pub(super) fn follow(&mut self, target: &OsStr) -> Result<(), Errno> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(Errno::LOOP);
        }
        let target = Path::new(target);
        if target.is_absolute() {
            self.passed.clear();
        }
        for name in names(target).into_iter().rev() {
            self.ahead.push_front(name);
        }
        Ok(())
    }
}

/// The names of a path, `..` among them.
fn names(path: &Path) -> Vec<OsString> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some(OsString::from("..")),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

/// What is called `name` in one layer's directory, links not followed.
pub(super) fn look(dir: impl AsFd, name: &OsStr) -> Result<Option<Stat>, Errno> {
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// How an overlay marks what is removed.
pub(super) fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

pub(super) fn open_dir(dir: impl AsFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::empty())
}

pub(super) fn read_link(dir: impl AsFd, name: &OsStr) -> Result<OsString, Errno> {
    let target = rustix::fs::readlinkat(dir, name, Vec::new())?;
    Ok(OsStr::from_bytes(target.as_bytes()).to_owned())
}

/// The names in a directory that is open only as a place.
pub(super) fn list(dir: impl AsFd) -> io::Result<Vec<OsString>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = rustix::fs::openat(dir, ".", flags, Mode::empty())?;
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::new(open)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Read as _;
    use std::os::unix::fs::symlink;

    fn level(dirs: &[&Path]) -> Level {
        let open = |path: &&Path| {
            Rc::new(rustix::fs::open(*path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap())
        };
        Level { dirs: dirs.iter().map(open).collect() }
    }

    fn text(level: &Level, path: &str) -> Option<String> {
        let mut text = String::new();
        level.open_file(Path::new(path)).unwrap()?.read_to_string(&mut text).unwrap();
        Some(text)
    }

    #[test]
    fn a_file_is_found_through_links_of_all_layers_and_never_outside() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("secret"), "outside").unwrap();
        let (upper, lower) = (dir.path().join("upper"), dir.path().join("lower"));
        fs::create_dir_all(upper.join("etc")).unwrap();
        fs::create_dir_all(lower.join("usr/etc")).unwrap();
        fs::write(lower.join("usr/etc/passwd"), "lower").unwrap();
        symlink("/usr/etc/passwd", upper.join("etc/passwd")).unwrap();
        symlink("../../../../secret", upper.join("etc/group")).unwrap();
        symlink(dir.path().join("secret"), lower.join("usr/etc/away")).unwrap();
        symlink("loop", upper.join("loop")).unwrap();
        let stack = level(&[&upper, &lower]);
        assert_eq!(text(&stack, "etc/passwd").as_deref(), Some("lower"));
        for path in ["etc/group", "usr/etc/away", "loop", "etc/passwd/x", "none", "etc"] {
            assert_eq!(text(&stack, path), None, "{path}");
        }
    }

    #[test]
    fn a_file_ends_the_merging_of_directories() {
        let dir = tempfile::tempdir().unwrap();
        let layers = ["a", "b", "c"].map(|name| dir.path().join(name));
        fs::create_dir_all(layers[0].join("d")).unwrap();
        fs::create_dir_all(&layers[1]).unwrap();
        fs::write(layers[1].join("d"), "").unwrap();
        fs::create_dir_all(layers[2].join("d")).unwrap();
        fs::write(layers[2].join("d/hidden"), "").unwrap();
        let stack = level(&[&layers[0], &layers[1], &layers[2]]);
        assert_eq!(text(&stack, "d/hidden"), None);
        let Found::Directory(found) = stack.find(OsStr::new("d")).unwrap() else { panic!("a directory") };
        assert_eq!(found.dirs.len(), 1);
    }
}
