//! CVE-2021-25741: exchanging a directory of a volume for a symbolic link while the volume is worked on. Here against
//! `volume own`: nothing outside of the tree may change, whoever renames and links in it.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ringfence_runtime::volume::{ChangePolicy, OwnError, OwnOptions, Ownership, own_with};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::{Others, Stop, others, race_time};

const DIRECTORIES: usize = 8;
const FILES: usize = 20;
const GROUP: u32 = 4711;

/// A volume, and beside it a place with the same names in it, which the attacker wants to have changed.
struct Scene {
    _dir: tempfile::TempDir,
    volume: PathBuf,
    outside: PathBuf,
    /// Those of the volume.
    files: Vec<File>,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (volume, outside) = (dir.path().join("volume"), dir.path().join("outside"));
        let mut files = Vec::new();
        for top in [&volume, &outside] {
            for d in 0..DIRECTORIES {
                let inner = top.join(format!("{d}/inner"));
                fs::create_dir_all(&inner).unwrap();
                for f in 0..FILES {
                    let file = inner.join(f.to_string());
                    fs::write(&file, "").unwrap();
                    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
                    if top == &volume {
                        files.push(File::open(&file).unwrap());
                    }
                }
            }
        }
        for d in 0..DIRECTORIES {
            symlink(outside.join(d.to_string()), volume.join(format!("link-{d}"))).unwrap();
            symlink(outside.join(format!("{d}/inner")), volume.join(format!("{d}/link"))).unwrap();
            symlink(outside.join(format!("{d}/inner/0")), volume.join(format!("{d}/inner/link"))).unwrap();
        }
        Self { _dir: dir, volume, outside, files }
    }

    /// Closes the files of the volume to the group, so that there is something to change. They are held: nothing else is.
    fn close(&self) {
        for file in &self.files {
            file.set_permissions(Permissions::from_mode(0o600)).unwrap();
        }
    }

    /// Exchanges directories and files for links that lead outside, at every level, for as long as it may.
    fn attack(&self, stop: &AtomicBool, exchanges: &AtomicU64) {
        let volume = &self.volume;
        let swap = |a: PathBuf, b: PathBuf| {
            // Below an exchanged directory there is nothing to exchange, or what is outside.
            if renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE).is_ok() {
                exchanges.fetch_add(1, Ordering::Relaxed);
            }
        };
        while !stop.load(Ordering::Relaxed) {
            for d in 0..DIRECTORIES {
                // The inner ones first: once the outer is a link, they would be those outside.
                swap(volume.join(format!("{d}/inner/0")), volume.join(format!("{d}/inner/link")));
                swap(volume.join(format!("{d}/inner/0")), volume.join(format!("{d}/inner/link")));
                swap(volume.join(format!("{d}/inner")), volume.join(format!("{d}/link")));
                swap(volume.join(format!("{d}/inner")), volume.join(format!("{d}/link")));
                swap(volume.join(d.to_string()), volume.join(format!("link-{d}")));
                swap(volume.join(d.to_string()), volume.join(format!("link-{d}")));
            }
        }
    }

    /// Group, mode and time of change of everything outside.
    fn seen_outside(&self) -> Vec<(PathBuf, u32, u32, i64, i64)> {
        let mut seen = Vec::new();
        let mut open = vec![self.outside.clone()];
        while let Some(path) = open.pop() {
            let metadata = fs::symlink_metadata(&path).unwrap();
            if metadata.is_dir() {
                open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
            seen.push((path, metadata.gid(), metadata.mode(), metadata.ctime(), metadata.ctime_nsec()));
        }
        seen.sort();
        seen
    }
}

/// Another group than the one before, where the caller can give files to any, or its own.
fn next_group(others: Others, group: u32) -> u32 {
    match others {
        Others::All if group == GROUP => GROUP + 1,
        Others::All => GROUP,
        Others::Subordinate | Others::None => rustix::process::getegid().as_raw(),
    }
}

/// The walk that the kubelet does: every entry by its path.
fn by_paths(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        if metadata.is_dir() {
            by_paths(&path);
        }
        // Each may fail, because the attacker was faster.
        let _late = std::os::unix::fs::lchown(&path, None, Some(GROUP));
        if !metadata.is_symlink() {
            let _late = fs::set_permissions(&path, Permissions::from_mode(metadata.mode() & 0o7777 | 0o660));
        }
    }
}

#[test]
fn a_volume_is_given_to_a_group_and_nothing_that_links_lead_to_while_they_are_exchanged_for_directories() {
    let others = others();
    let scene = Scene::new();
    let before = scene.seen_outside();
    let (stop, exchanges) = (AtomicBool::new(false), AtomicU64::new(0));
    let (mut runs, mut moved) = (0_u64, 0_u64);
    std::thread::scope(|scope| {
        scope.spawn(|| scene.attack(&stop, &exchanges));
        let end = Instant::now() + race_time();
        let mut group = GROUP;
        // A machine with much to do may not have come to a race by then.
        let latest = end + Duration::from_mins(1);
        let raced = |runs| runs > 10 && exchanges.load(Ordering::Relaxed) > 1000;
        while Instant::now() < end || !raced(runs) && Instant::now() < latest {
            group = next_group(others, group);
            scene.close();
            let ownership = Ownership { fs_group: group, policy: ChangePolicy::Always, read_only: false };
            runs += 1;
            match own_with(&scene.volume, ownership, &OwnOptions::default()) {
                Ok(_) => {}
                Err(OwnError::Moved { .. }) => moved += 1,
                Err(other) => {
                    stop.store(true, Ordering::Relaxed);
                    panic!("{other}: {:?}", std::error::Error::source(&other));
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    println!("{runs} runs, {moved} of them stopped by a moved directory, {exchanges:?} exchanges");
    assert!(runs > 10 && exchanges.load(Ordering::Relaxed) > 1000, "there was no race");
    assert_eq!(scene.seen_outside(), before);
}

#[test]
fn the_same_attack_succeeds_on_a_walk_by_paths() {
    let scene = Scene::new();
    let before = scene.seen_outside();
    let (stop, exchanges) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut reached = false;
    std::thread::scope(|scope| {
        scope.spawn(|| scene.attack(&stop, &exchanges));
        let end = Instant::now() + Duration::from_mins(1);
        while !reached && Instant::now() < end {
            by_paths(&scene.volume);
            reached = scene.seen_outside() != before;
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(reached, "the attack of this file reaches nothing, so that the other test shows nothing");
}

#[test]
fn a_file_that_is_renamed_over_another_does_not_lend_it_its_setuid_bit() {
    let others = others();
    let dir = tempfile::tempdir().unwrap();
    let (victim, spare) = (dir.path().join("victim"), dir.path().join("spare"));
    let (lure, name) = (dir.path().join("lure"), dir.path().join("name"));
    let files = [&victim, &lure].map(|path| File::create(path).unwrap());
    if others == Others::All {
        std::os::unix::fs::fchown(&files[1], Some(1234), None).unwrap();
    }
    fs::rename(&victim, &name).unwrap();
    fs::rename(&lure, &spare).unwrap();
    let stop = AtomicBool::new(false);
    let mut runs = 0_u64;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                renameat_with(CWD, &name, CWD, &spare, RenameFlags::EXCHANGE).unwrap();
            }
        });
        // Also if this fails.
        let _stop = Stop(&stop);
        let end = Instant::now() + race_time() / 3;
        let mut group = GROUP;
        while Instant::now() < end || runs <= 10 {
            group = next_group(others, group);
            for (file, mode) in files.iter().zip([0o711, 0o6711]) {
                file.set_permissions(Permissions::from_mode(mode)).unwrap();
            }
            let ownership = Ownership { fs_group: group, policy: ChangePolicy::Always, read_only: false };
            own_with(dir.path(), ownership, &OwnOptions::default()).unwrap();
            runs += 1;
            let mode = files[0].metadata().unwrap().mode();
            assert_eq!(mode & 0o6000, 0, "the victim became setuid: {mode:o}");
        }
    });
}
