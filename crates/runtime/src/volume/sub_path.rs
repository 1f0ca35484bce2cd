//! `subPath`: a path within a volume, made if it is missing, and never outside the volume whatever links say.
//!
//! What was found is held by a descriptor and mounted from it, as the kubelet does: between the check and the start a
//! container of the same pod could exchange it for a link (`pkg/volume/util/subpath/subpath_linux.go`).

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, UnmountFlags, move_mount, open_tree, unmount};

use crate::spec::Held;
use crate::sys::chmod::{chmod_handle, proc_path};

/// Why a path in a volume cannot be had; the second half of the kubelet's event, which it keeps to itself.
#[derive(Debug, thiserror::Error)]
pub enum SubPathError {
    /// The path is absolute or goes upwards.
    #[error("subPath {0:?} must be a relative path without '..'")]
    Form(String),
    /// A link on the way leads out of the volume.
    #[error("subPath {0:?} leads out of the volume")]
    Escapes(String),
    /// A directory on the way is missing and cannot be made.
    #[error("make {}", path.display())]
    Make {
        /// The directory.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: std::io::Error,
    },
    /// A system call failed.
    #[error("{action} {}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// With which path.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: std::io::Error,
    },
}

/// A handle on what `sub_path` is in the volume at `root`. Missing directories get the permission bits of the volume's
/// root and its setgid bit (`k8s.io/mount-utils`, `doSafeMakeDir`).
pub(super) fn resolve(root: &Path, sub_path: &str) -> Result<OwnedFd, SubPathError> {
    let sub = Path::new(sub_path);
    if sub.is_absolute() || sub.components().any(|part| part == Component::ParentDir) {
        return Err(SubPathError::Form(sub_path.to_owned()));
    }
    let io = |action, errno: Errno| SubPathError::Io { action, path: root.join(sub), source: errno.into() };
    let volume = rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| io("open the volume of", errno))?;
    let mode =
        Mode::from_raw_mode(fstat(&volume).map_err(|errno| io("look at the volume of", errno))?.st_mode & 0o2777);

    let mut here = PathBuf::new();
    let mut fd = open(&volume, Path::new(".")).map_err(|errno| io("open", errno))?;
    for part in sub.components().filter(|part| matches!(part, Component::Normal(_))) {
        here.push(part);
        fd = match open(&volume, &here) {
            Err(Errno::NOENT) => make(&fd, part.as_os_str(), mode)
                .map_err(|errno| SubPathError::Make { path: root.join(&here), source: errno.into() })?,
            // A link that leads out of the volume, or to a place of the machine.
            Err(Errno::XDEV) => return Err(SubPathError::Escapes(sub_path.to_owned())),
            other => other.map_err(|errno| io("open", errno))?,
        };
    }
    Ok(fd)
}

/// Makes a directory in one that is held, and opens what is then there without following a link. The umask takes bits
/// away; like the kubelet, keep the setgid bit that fsGroup gave the volume.
fn make(above: &OwnedFd, name: &std::ffi::OsStr, mode: Mode) -> rustix::io::Result<OwnedFd> {
    match rustix::fs::mkdirat(above, name, mode) {
        // Another container was faster; then the mode is its business.
        Err(Errno::EXIST) => return directory(above, name),
        other => other?,
    }
    let new = directory(above, name)?;
    chmod_handle(new.as_fd(), mode)?;
    Ok(new)
}

fn directory(above: &OwnedFd, name: &std::ffi::OsStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    rustix::fs::openat2(above, name, flags, Mode::empty(), resolve)
}

/// Mounts what is held on `target`, which is made for it. Nobody else can write to where that is.
pub(super) fn mount(held: &OwnedFd, target: &Path) -> Result<(), SubPathError> {
    let io = |action| move |source| SubPathError::Io { action, path: target.to_path_buf(), source };
    let of = |action| move |errno: Errno| io(action)(errno.into());
    let kind = FileType::from_raw_mode(fstat(held).map_err(of("look at what is mounted on"))?.st_mode);
    if kind == FileType::Directory {
        std::fs::create_dir(target).map_err(io("make"))?;
    } else {
        drop(File::create_new(target).map_err(io("make"))?);
    }
    // Without what is mounted below, as the kubelet does.
    let clone = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    let tree = open_tree(held, c"", clone).map_err(of("copy what is mounted on"))?;
    move_mount(tree, c"", rustix::fs::CWD, target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).map_err(of("mount on"))
}

/// Whether `target` already shows what is held, so that a container that is started again needs no other mount. What
/// else is mounted there is taken away.
pub(super) fn is_mounted(held: &OwnedFd, target: &Path) -> Result<bool, SubPathError> {
    let io = |action, errno: Errno| SubPathError::Io { action, path: target.to_path_buf(), source: errno.into() };
    let there = match rustix::fs::lstat(target) {
        Ok(there) => there,
        Err(Errno::NOENT) => return Ok(false),
        Err(errno) => return Err(io("look at", errno)),
    };
    let held = fstat(held).map_err(|errno| io("look at what is mounted on", errno))?;
    if (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino) {
        return Ok(true);
    }
    unmount(target, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW).map_err(|errno| io("unmount", errno))?;
    let removed = match FileType::from_raw_mode(rustix::fs::lstat(target).map_or(0, |stat| stat.st_mode)) {
        FileType::Directory => std::fs::remove_dir(target),
        _ => std::fs::remove_file(target),
    };
    removed.map_err(|source| SubPathError::Io { action: "remove", path: target.to_path_buf(), source })?;
    Ok(false)
}

/// What is held with its path, where nothing can be mounted. By the time that somebody follows the path it may lead
/// elsewhere.
pub(super) fn held(fd: OwnedFd) -> Result<Held, SubPathError> {
    let path = path(&fd)?;
    let found =
        fstat(&fd).map_err(|errno| SubPathError::Io { action: "look at", path: path.clone(), source: errno.into() })?;
    Ok(Held { path, inode: (found.st_dev, found.st_ino), fd: Arc::new(fd) })
}

/// Where what is held is now.
fn path(held: &OwnedFd) -> Result<PathBuf, SubPathError> {
    let link = proc_path(held.as_fd());
    let path = rustix::fs::readlink(&link, Vec::new()).map_err(|errno| SubPathError::Io {
        action: "find",
        path: link.into(),
        source: errno.into(),
    })?;
    Ok(PathBuf::from(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(path.into_bytes())))
}

/// Opens what is at `path` in the volume; links may be followed as long as they stay in it.
fn open(root: &OwnedFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(root, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_is_missing_is_made_with_the_mode_of_the_volume() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        assert_eq!(path(&resolve(&root, "a/./b").unwrap()).unwrap(), root.join("a/b"));
        assert!(root.join("a/b").is_dir());
    }

    #[test]
    fn links_are_followed_within_the_volume_only() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("in")).unwrap();
        symlink("in", root.join("good")).unwrap();
        symlink("/etc", root.join("bad")).unwrap();
        symlink("../..", root.join("up")).unwrap();
        assert_eq!(path(&resolve(&root, "good").unwrap()).unwrap(), root.join("in"));
        for sub_path in ["bad", "bad/passwd", "up", "..", "/etc", "in/../.."] {
            let error = resolve(&root, sub_path).unwrap_err();
            assert!(matches!(error, SubPathError::Form(_) | SubPathError::Escapes(_)), "{sub_path}: {error}");
        }
    }
}
