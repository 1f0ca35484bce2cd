//! SELinux: labels a volume for the containers that use it, as the runtime does (`go-selinux`, `label.Relabel`, which
//! containerd calls for the volumes that the kubelet marks).
//!
//! It walks as `fsGroup` does: several threads, what is right is left alone, the root last, nothing outside the tree. A
//! link gets the label itself.

use std::ffi::CStr;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use rustix::fs::{AtFlags, FileType, StatxAttributes, StatxFlags, XattrFlags};
use rustix::io::Errno;

use super::tree::{self, Entry, Found, Visitor, WalkError, WalkOptions};
use crate::sys::chmod::proc_path;

const LABEL: &CStr = c"security.selinux";

/// Directories of the machine whose labels everything depends on. The runtimes refuse them as volumes to relabel.
const NEVER: [&str; 24] = [
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/etc/passwd",
    "/etc/pki",
    "/etc/shadow",
    "/home",
    "/lib",
    "/lib64",
    "/media",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/srv",
    "/sys",
    "/system",
    "/tmp",
    "/usr",
    "/var",
    "/var/lib",
];

/// How it is done.
#[derive(Clone, Copy)]
pub struct RelabelOptions<'a> {
    /// How many threads.
    pub threads: NonZeroUsize,
    /// Only find out what would be changed.
    pub dry_run: bool,
    /// Counts the entries that have been looked at.
    pub progress: Option<&'a AtomicU64>,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Relabelled {
    /// How many entries were visited, the root included.
    pub entries: u64,
    /// How many of them were changed, or would be.
    pub changed: u64,
    /// Mount points below the root, which were passed over with all that is in them.
    pub mounts: u64,
    /// The first of them.
    pub first_mount: Option<PathBuf>,
    /// Entries that could not be labelled: their number, and the first with the reason.
    pub failed: u64,
    /// The first of them.
    pub first_failure: Option<(PathBuf, io::Error)>,
}

/// Why nothing was labelled.
#[derive(Debug, thiserror::Error)]
pub enum RelabelError {
    /// The machine's own.
    #[error("SELinux relabeling of {} is not allowed", .0.display())]
    NotAllowed(PathBuf),
    /// A label with a character that none has.
    #[error("{0:?} is no SELinux label")]
    NoLabel(String),
    /// The tree could not be walked. Its root is unchanged.
    #[error(transparent)]
    Walk(#[from] WalkError),
}

/// Gives everything in the tree the label: `user:role:type:level`.
pub fn relabel(root: &Path, label: &str, options: &RelabelOptions<'_>) -> Result<Relabelled, RelabelError> {
    let at = || root.to_path_buf();
    let known = std::fs::canonicalize(root).map_err(|source| WalkError::Io { action: "find", path: at(), source })?;
    if NEVER.iter().any(|never| known == Path::new(never)) {
        return Err(RelabelError::NotAllowed(at()));
    }
    if label.is_empty() || !label.bytes().all(|byte| byte.is_ascii_graphic()) || label.split(':').count() < 3 {
        return Err(RelabelError::NoLabel(label.to_owned()));
    }
    // The kernel keeps the NUL byte at the end, and so do all who write labels.
    let mut value = label.as_bytes().to_vec();
    value.push(0);
    let apply = Apply { value, dry_run: options.dry_run };
    let (fd, kind) = tree::open_root(root)?;
    let mut done = Relabelled::default();
    if kind == FileType::Directory {
        let again = fd.try_clone().map_err(|source| WalkError::Io { action: "hold", path: at(), source })?;
        let walk = WalkOptions { threads: options.threads, progress: options.progress };
        let (passed, tallies) = tree::walk(again, root, &apply, walk)?;
        for tally in tallies {
            done.entries += tally.entries;
            done.changed += tally.changed;
            done.failed += tally.failed;
            done.first_failure = done.first_failure.or(tally.first_failure);
        }
        (done.mounts, done.first_mount) = (passed.mounts, passed.first_mount);
    }
    let mut tally = Tally::default();
    apply.label(&proc_path(fd.as_fd()), true, &at, &mut tally);
    done.entries += 1;
    done.changed += tally.changed;
    done.failed += tally.failed;
    done.first_failure = done.first_failure.or(tally.first_failure);
    Ok(done)
}

struct Apply {
    value: Vec<u8>,
    dry_run: bool,
}

#[derive(Default)]
struct Tally {
    entries: u64,
    changed: u64,
    failed: u64,
    first_failure: Option<(PathBuf, io::Error)>,
}

impl Tally {
    fn fail(&mut self, path: PathBuf, errno: Errno) {
        self.failed += 1;
        self.first_failure.get_or_insert((path, errno.into()));
    }
}

impl Visitor for Apply {
    type Tally = Tally;

    /// By its name in the directory's handle: whatever has the name by then, a link included, is in the same directory
    /// and is to have the same label.
    fn entry(&self, entry: &Entry<'_>, tally: &mut Tally) -> Found {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        let stat = match rustix::fs::statx(entry.dir, entry.name, flags, StatxFlags::TYPE) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Found::Gone,
            Err(errno) => {
                tally.entries += 1;
                tally.fail((entry.path)(), errno);
                return Found::Done;
            }
        };
        if stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
            return Found::Mount;
        }
        if FileType::from_raw_mode(u32::from(stat.stx_mode)) == FileType::Directory {
            return Found::Directory;
        }
        tally.entries += 1;
        let mut path = proc_path(entry.dir.as_fd()).into_bytes();
        path.push(b'/');
        path.extend_from_slice(entry.name.to_bytes());
        self.label(&path, false, entry.path, tally);
        Found::Done
    }

    fn directory(&self, fd: &OwnedFd, path: &dyn Fn() -> PathBuf, tally: &mut Tally) {
        tally.entries += 1;
        self.label(&proc_path(fd.as_fd()), true, path, tally);
    }
}

impl Apply {
    /// Labels what is at `place`, a path through a descriptor; `held` if it is the descriptor itself.
    fn label(&self, place: &(impl AsRef<[u8]> + ?Sized), held: bool, path: &dyn Fn() -> PathBuf, tally: &mut Tally) {
        let place = place.as_ref();
        let mut now = [0_u8; 256];
        let found = if held {
            rustix::fs::getxattr(place, LABEL, &mut now[..])
        } else {
            rustix::fs::lgetxattr(place, LABEL, &mut now[..])
        };
        let trim = |label: &[u8]| label.strip_suffix(b"\0").unwrap_or(label).to_vec();
        if let Ok(length) = found
            && now.get(..length).map(trim) == Some(trim(&self.value))
        {
            return;
        }
        let outcome = match (self.dry_run, held) {
            (true, _) => Ok(()),
            (false, true) => rustix::fs::setxattr(place, LABEL, &self.value, XattrFlags::empty()),
            (false, false) => rustix::fs::lsetxattr(place, LABEL, &self.value, XattrFlags::empty()),
        };
        match outcome {
            Ok(()) => tally.changed += 1,
            Err(Errno::NOENT) if !held => {}
            Err(errno) => tally.fail(path(), errno),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO: &str = "system_u:object_r:container_file_t:s0:c1,c2";

    fn options(dry_run: bool) -> RelabelOptions<'static> {
        RelabelOptions { threads: NonZeroUsize::new(2).unwrap(), dry_run, progress: None }
    }

    fn label_of(path: &Path) -> Option<String> {
        let mut label = [0_u8; 256];
        let length = rustix::fs::lgetxattr(path, LABEL, &mut label[..]).ok()?;
        Some(String::from_utf8_lossy(&label[..length]).trim_end_matches('\0').to_owned())
    }

    #[test]
    fn everything_gets_the_label_and_what_a_link_leads_to_none() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("needs root, to write labels: skipped");
            return;
        }
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (file, link) = (dir.path().join("d/f"), dir.path().join("d/link"));
        std::fs::create_dir(dir.path().join("d")).unwrap();
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(outside.path(), &link).unwrap();
        let before = label_of(outside.path());
        let would = relabel(dir.path(), TO, &options(true)).unwrap();
        assert_eq!((would.entries, would.changed, label_of(&file)), (4, 4, before.clone()));
        let done = relabel(dir.path(), TO, &options(false)).unwrap();
        assert_eq!((done.entries, done.changed, done.failed), (4, 4, 0), "{:?}", done.first_failure);
        for path in [dir.path(), &file, &link] {
            assert_eq!(label_of(path).as_deref(), Some(TO), "{}", path.display());
        }
        assert_eq!(label_of(outside.path()), before);
        let again = relabel(dir.path(), TO, &options(false)).unwrap();
        assert_eq!((again.entries, again.changed), (4, 0));
    }

    #[test]
    fn the_machines_own_directories_are_refused() {
        for path in ["/", "/etc", "/usr/../etc", "/var/lib"] {
            let error = relabel(Path::new(path), TO, &options(true)).unwrap_err();
            assert_eq!(error.to_string(), format!("SELinux relabeling of {path} is not allowed"));
        }
        assert!(relabel(Path::new("/opt/../tmp"), TO, &options(true)).is_err());
    }
}
