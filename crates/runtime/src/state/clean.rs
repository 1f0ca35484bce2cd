//! Removing a state directory: first what runs, then what is mounted, then the files.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::mount::UnmountFlags;

use super::CLEANUP;
use crate::observe::parse_mountinfo;
use crate::subordinate::Helper;

/// Removes the directory and all that was started or mounted there. A directory that is not there is removed already.
/// `binary` removes what belongs to subordinate IDs of the caller; it must end up in [`crate::inside::main`].
pub(super) fn clean(dir: &Path, binary: &Path) -> io::Result<()> {
    end_engines(dir);
    remove_groups(dir)?;
    unmount_below(dir)?;
    match remove(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && !crate::observe::is_machine_root() => {
            match Helper::of_all(binary) {
                Ok(helper) => helper.remove(dir).map_err(io::Error::other),
                // Then nothing can belong to any.
                Err(_none) => Err(error),
            }
        }
        other => other,
    }
}

/// Runs the clean-up commands of engines that did not come to their end.
fn end_engines(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir.join("work")) else { return };
    for work in entries.flatten() {
        let Ok(command) = fs::read(work.path().join(CLEANUP)) else { continue };
        let mut words = command.split(|byte| *byte == 0).map(OsStr::from_bytes);
        let Some(program) = words.next() else { continue };
        // The container may be gone already, so the outcome says nothing.
        let _ =
            Command::new(program).args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// Removes the cgroups of the run, with what is still in them.
fn remove_groups(dir: &Path) -> io::Result<()> {
    let Ok(list) = fs::read_to_string(dir.join(crate::cgroup::FILE)) else { return Ok(()) };
    list.lines().try_for_each(|group| crate::cgroup::remove_tree(Path::new(group)))
}

/// Unmounts what is mounted below, the last first. Nothing is removed while something is still mounted.
fn unmount_below(dir: &Path) -> io::Result<()> {
    let text = fs::read("/proc/self/mountinfo")?;
    let mounts = parse_mountinfo(&String::from_utf8_lossy(&text));
    for mount in mounts.iter().rev().map(|mount| PathBuf::from(&mount.mount_point)) {
        if mount.starts_with(dir) {
            rustix::mount::unmount(&mount, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)?;
        }
    }
    Ok(())
}

/// Removes the tree without following links. A directory that its owner made unreadable is opened up first.
pub(crate) fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(dir)?;
            fs::remove_dir_all(dir)
        }
        other => other,
    }
}

fn open_up(root: &Path) -> io::Result<()> {
    let mut open = vec![root.to_path_buf()];
    while let Some(dir) = open.pop() {
        fs::set_permissions(&dir, Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_removed_and_not_what_they_point_to() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept"), "").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        fs::create_dir_all(state.join("a/b")).unwrap();
        std::os::unix::fs::symlink(outside.path(), state.join("a/link")).unwrap();
        fs::set_permissions(state.join("a/b"), Permissions::from_mode(0o0)).unwrap();
        clean(&state, Path::new("/nowhere")).unwrap();
        assert!(!state.exists());
        assert!(outside.path().join("kept").exists());
        clean(&state, Path::new("/nowhere")).unwrap();
    }

    #[test]
    fn an_engine_that_did_not_end_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        fs::create_dir_all(state.join("work/c")).unwrap();
        let proof = dir.path().join("ended");
        fs::write(state.join("work/c").join(CLEANUP), format!("touch\0{}", proof.display())).unwrap();
        clean(&state, Path::new("/nowhere")).unwrap();
        assert!(proof.exists());
    }
}
