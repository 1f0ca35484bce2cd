//! `subPath`: a path within a volume, made if it is missing, and never outside the volume whatever links say.

use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::{VolumeError, invalid, io_error};

/// The host's path of `sub_path` in the volume at `root`. Missing directories get the permission bits of the
/// volume's root and its setgid bit (`k8s.io/mount-utils`, `doSafeMakeDir`).
pub(super) fn resolve(volume: &str, root: &Path, sub_path: &str) -> Result<PathBuf, VolumeError> {
    let sub = Path::new(sub_path);
    if sub.is_absolute() || sub.components().any(|part| part == Component::ParentDir) {
        return Err(invalid(volume, format!("subPath {sub_path:?} must be a relative path without '..'")));
    }
    let io = |action, errno: rustix::io::Errno| io_error(volume, action, &root.join(sub))(errno.into());
    let volume_fd = rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| io_error(volume, "open", root)(errno.into()))?;
    let mode = rustix::fs::fstat(&volume_fd).map_err(|errno| io("look at", errno))?.st_mode & 0o2777;

    let mut here = PathBuf::new();
    let mut fd = open(&volume_fd, Path::new(".")).map_err(|errno| io("open", errno))?;
    for part in sub.components().filter(|part| matches!(part, Component::Normal(_))) {
        here.push(part);
        fd = match open(&volume_fd, &here) {
            Err(rustix::io::Errno::NOENT) => {
                rustix::fs::mkdirat(&fd, part.as_os_str(), Mode::from_raw_mode(mode))
                    .map_err(|errno| io("make", errno))?;
                let new = open(&volume_fd, &here).map_err(|errno| io("open", errno))?;
                let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&new));
                // The umask took bits away. Like the kubelet, keep the setgid bit that fsGroup gave the volume.
                rustix::fs::chmod(path, Mode::from_raw_mode(mode)).map_err(|errno| io("set the mode of", errno))?;
                new
            }
            // A link that leads out of the volume.
            Err(rustix::io::Errno::XDEV) => {
                return Err(invalid(volume, format!("subPath {sub_path:?} leads out of the volume")));
            }
            other => other.map_err(|errno| io("open", errno))?,
        };
    }
    let link = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&fd));
    let path = rustix::fs::readlink(link, Vec::new()).map_err(|errno| io("find", errno))?;
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
        assert_eq!(resolve("v", &root, "a/./b").unwrap(), root.join("a/b"));
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
        assert_eq!(resolve("v", &root, "good").unwrap(), root.join("in"));
        for sub_path in ["bad", "bad/passwd", "up", "..", "/etc", "in/../.."] {
            assert!(resolve("v", &root, sub_path).is_err(), "{sub_path}");
        }
    }
}
