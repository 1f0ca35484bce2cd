//! `fsGroup`: gives a volume to a group, as the kubelet does (`pkg/volume/volume_linux.go`).
//!
//! Everything in the tree gets the group, and `rw` for it (`r` when the volume is read-only); directories get `x` and
//! the setgid bit too; links themselves get the group alone. What is right already is left alone. The root comes last, so
//! that `OnRootMismatch` finds it wrong after an interruption, and a second run completes the first.
//!
//! Nothing in the tree is trusted: every entry is opened relative to its directory without following a link, and changed
//! through that descriptor. What is mounted below the root is no part of the volume: it is passed over and reported,
//! where the kubelet, which works by paths, would go on into it.

mod apply;
mod wanted;

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use rustix::fs::FileType;

use super::tree::{self, WalkError, WalkOptions};
use apply::{Apply, Tally};

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

/// What to do about files that have other names too. Such a name may lie outside of the volume, and whoever can make
/// links in the volume may have put it there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HardLinks {
    /// Change them, as the kubelet does.
    #[default]
    Change,
    /// Leave them, and the root too, so that the volume does not pass for done.
    Refuse,
}

/// How it is done.
#[derive(Clone, Copy)]
pub struct OwnOptions<'a> {
    /// How many threads.
    pub threads: NonZeroUsize,
    /// Only find out what would be changed.
    pub dry_run: bool,
    /// Files that have other names.
    pub hard_links: HardLinks,
    /// Counts the entries that have been looked at.
    pub progress: Option<&'a AtomicU64>,
    /// Told of every entry that is changed, or would be; by several threads, in no order.
    pub on_change: Option<&'a (dyn Fn(&Change) + Sync)>,
}

impl Default for OwnOptions<'_> {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get().min(MOST_THREADS));
        Self {
            threads: NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN),
            dry_run: false,
            hard_links: HardLinks::Change,
            progress: None,
            on_change: None,
        }
    }
}

/// Beyond it the threads of the default only wait for the file system's locks.
const MOST_THREADS: usize = 8;

/// An entry as it was and as it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub path: PathBuf,
    /// The group before and after.
    pub gid: (u32, u32),
    /// Permission bits with setuid, setgid and sticky bits, before and after.
    pub mode: (u32, u32),
}

/// What was done.
#[derive(Debug, Default)]
pub struct Owned {
    /// How many entries were visited, the root included; none when the policy let the tree be.
    pub entries: u64,
    /// How many of them were changed, or would be.
    pub changed: u64,
    /// Files that have other names, which may lie outside of the volume.
    pub hard_links: u64,
    /// The first of them.
    pub first_hard_link: Option<PathBuf>,
    /// Files that would have been changed, had they no other names.
    pub refused: u64,
    /// Mount points below the root, which were passed over with all that is in them.
    pub mounts: u64,
    /// The first of them.
    pub first_mount: Option<PathBuf>,
    /// Files that were removed or renamed before they could be looked at.
    pub gone: u64,
    /// Entries that could not be changed, such as those of a read-only file system. The kubelet passes over them.
    pub failed: u64,
    /// The first entry that could not be changed, and why.
    pub first_failure: Option<(PathBuf, io::Error)>,
}

/// The tree could not be walked. Its root is unchanged.
pub type OwnError = WalkError;

/// Gives the tree below `root` to the group.
pub fn own(root: &Path, ownership: Ownership) -> Result<Owned, OwnError> {
    own_with(root, ownership, &OwnOptions::default())
}

/// The same, as the options say.
pub fn own_with(root: &Path, ownership: Ownership, options: &OwnOptions<'_>) -> Result<Owned, OwnError> {
    let (fd, kind) = tree::open_root(root)?;
    if ownership.policy == ChangePolicy::OnRootMismatch && wanted::root_is_right(root, ownership) {
        return Ok(Owned::default());
    }
    let apply = Apply { ownership, options };
    let here = || root.to_path_buf();
    let mut tally = Tally::default();
    let mut owned = Owned::default();
    if kind == FileType::Directory {
        let again = fd.try_clone().map_err(|source| WalkError::Io { action: "hold", path: here(), source })?;
        let walk = WalkOptions { threads: options.threads, progress: options.progress };
        let (passed, tallies) = tree::walk(again, root, &apply, walk)?;
        for other in tallies {
            tally.add(other);
        }
        (owned.mounts, owned.first_mount, owned.gone) = (passed.mounts, passed.first_mount, passed.gone);
    }
    if tally.refused == 0 {
        apply.opened(fd.as_fd(), kind == FileType::Directory, &here, &mut tally);
    } else {
        tally.entries += 1;
    }
    owned.take(tally);
    Ok(owned)
}

impl Owned {
    fn take(&mut self, tally: Tally) {
        self.entries = tally.entries;
        self.changed = tally.changed;
        self.hard_links = tally.hard_links;
        self.first_hard_link = tally.first_hard_link;
        self.refused = tally.refused;
        self.failed = tally.failed;
        self.first_failure = tally.first_failure;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use rustix::fs::{Mode, OFlags, mkdirat, openat};

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

    /// Makes directories in one another, longer together than any path that the kernel takes.
    fn nest(top: &Path, levels: usize) -> std::os::fd::OwnedFd {
        let mut at = std::os::fd::OwnedFd::from(fs::File::open(top).unwrap());
        for _ in 0..levels {
            mkdirat(&at, "directory", Mode::from_raw_mode(0o700)).unwrap();
            at = openat(&at, "directory", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
            // A sibling, so that there is something to come back to.
            mkdirat(&at, "other", Mode::from_raw_mode(0o700)).unwrap();
        }
        at
    }

    #[test]
    fn a_tree_deeper_than_any_path_is_walked_to_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let deepest = nest(dir.path(), 3000);
        let owned = own(dir.path(), to_group(ChangePolicy::Always, false)).unwrap();
        assert_eq!((owned.entries, owned.failed), (6001, 0));
        assert_eq!(rustix::fs::fstat(&deepest).unwrap().st_mode & 0o7777, 0o2770);
        assert_eq!(mode(dir.path()) & 0o2770, 0o2770);
        // The standard library, which removes the rest, recurses; shorten what it has to.
        let status = std::process::Command::new("rm").arg("-rf").arg(dir.path().join("directory")).status().unwrap();
        assert!(status.success());
    }

    #[test]
    fn a_tree_deeper_than_can_be_finished_is_refused_with_its_root_unchanged() {
        let dir = tempfile::tempdir().unwrap();
        set(dir.path(), 0o700);
        nest(dir.path(), 15_000);
        let error = own(dir.path(), to_group(ChangePolicy::Always, false)).unwrap_err();
        assert!(matches!(error, WalkError::TooDeep { .. }), "{error}");
        assert_eq!(mode(dir.path()), 0o700);
        let status = std::process::Command::new("rm").arg("-rf").arg(dir.path().join("directory")).status().unwrap();
        assert!(status.success());
    }

    #[test]
    fn what_is_right_already_is_not_changed_again() {
        let dir = tempfile::tempdir().unwrap();
        for i in 0..100 {
            fs::create_dir(dir.path().join(format!("d{i}"))).unwrap();
            fs::write(dir.path().join(format!("d{i}/f")), "").unwrap();
        }
        let first = own(dir.path(), to_group(ChangePolicy::Always, false)).unwrap();
        assert_eq!((first.entries, first.changed), (201, 201));
        let ctime = fs::metadata(dir.path().join("d7/f")).unwrap().ctime_nsec();
        let second = own(dir.path(), to_group(ChangePolicy::Always, false)).unwrap();
        assert_eq!((second.entries, second.changed), (201, 0));
        assert_eq!(fs::metadata(dir.path().join("d7/f")).unwrap().ctime_nsec(), ctime);
    }

    #[test]
    fn a_dry_run_tells_of_every_change_and_makes_none() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        fs::write(&file, "").unwrap();
        set(&file, 0o600);
        set(dir.path(), 0o700);
        let told = std::sync::Mutex::new(Vec::new());
        let tell = |change: &Change| told.lock().unwrap().push((change.path.clone(), change.mode));
        let options = OwnOptions { dry_run: true, on_change: Some(&tell), ..OwnOptions::default() };
        let owned = own_with(dir.path(), to_group(ChangePolicy::Always, false), &options).unwrap();
        assert_eq!((owned.entries, owned.changed), (2, 2));
        let expected = [(file.clone(), (0o600, 0o660)), (dir.path().to_path_buf(), (0o700, 0o2770))];
        assert_eq!(told.into_inner().unwrap(), expected);
        assert_eq!((mode(&file), mode(dir.path())), (0o600, 0o700));
    }

    #[test]
    fn a_file_with_a_name_elsewhere_is_changed_and_counted_or_refused_with_the_root() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let secret = outside.path().join("secret");
        fs::write(&secret, "").unwrap();
        set(&secret, 0o600);
        set(dir.path(), 0o700);
        fs::hard_link(&secret, dir.path().join("link")).unwrap();
        let refuse = OwnOptions { hard_links: HardLinks::Refuse, ..OwnOptions::default() };
        let owned = own_with(dir.path(), to_group(ChangePolicy::Always, false), &refuse).unwrap();
        assert_eq!((owned.hard_links, owned.refused, owned.changed), (1, 1, 0));
        assert_eq!((mode(&secret), mode(dir.path())), (0o600, 0o700));
        let owned = own(dir.path(), to_group(ChangePolicy::Always, false)).unwrap();
        assert_eq!((owned.hard_links, owned.refused, owned.changed), (1, 0, 2));
        assert_eq!(owned.first_hard_link.unwrap(), dir.path().join("link"));
        assert_eq!(mode(&secret), 0o660);
    }

    #[test]
    fn a_directory_of_many_buffers_is_shared_among_the_threads() {
        let dir = tempfile::tempdir().unwrap();
        for i in 0..10_000 {
            fs::write(dir.path().join(format!("a file with a name of some length {i}")), "").unwrap();
        }
        let options = OwnOptions { threads: NonZeroUsize::new(4).unwrap(), ..OwnOptions::default() };
        let owned = own_with(dir.path(), to_group(ChangePolicy::Always, false), &options).unwrap();
        assert_eq!((owned.entries, owned.failed), (10_001, 0));
        for entry in fs::read_dir(dir.path()).unwrap() {
            assert_eq!(mode(&entry.unwrap().path()) & 0o660, 0o660);
        }
    }
}
