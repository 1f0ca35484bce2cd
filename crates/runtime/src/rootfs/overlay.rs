//! Whether overlays are to be had, and an overlay as a mount of the spec (overlayfs, `Documentation/filesystems`).

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use oci_spec::runtime::Mount;

use super::{RootfsError, io_error};
use crate::spec::mount;
use crate::state::StateDir;

/// `OVERLAYFS_SUPER_MAGIC`: an overlay cannot hold another one's changes.
const OVERLAYFS: rustix::fs::FsWord = 0x794c_7630;

/// Whether overlays whose changes lie in `state` can be mounted, in a user namespace if it must be.
pub(super) fn is_available(state: &Path, user_namespace: bool) -> bool {
    let listed =
        fs::read_to_string("/proc/filesystems").is_ok_and(|text| text.lines().any(|line| line.ends_with("\toverlay")));
    let on_overlay = rustix::fs::statfs(state).is_ok_and(|stat| stat.f_type == OVERLAYFS);
    listed && !on_overlay && (!user_namespace || kernel_allows_users())
}

/// Since Linux 5.11.
fn kernel_allows_users() -> bool {
    kernel_is(5, 11)
}

fn kernel_is(major: u32, minor: u32) -> bool {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    crate::seccomp::KernelVersion::parse(&release)
        .is_some_and(|version| version >= crate::seccomp::KernelVersion { major, minor })
}

/// The longest value that fsconfig(2) takes as a string.
const MAX_VALUE: usize = 255;
/// What mount(2) takes of options: a page, with room for those beside the lower directories.
const MAX_OPTIONS: usize = 3500;

/// Whether an overlay over so many directories can be mounted, by the launcher (which names them one by one since Linux
/// 6.7, and must fit them into one value before) and by others.
pub(super) fn takes(state: &Path, layers: usize) -> bool {
    // /overlay/, a key and a number.
    let length = layers * (state.as_os_str().len() + 32);
    length <= if kernel_is(6, 7) { MAX_OPTIONS } else { MAX_VALUE }
}

/// Lets the overlays of a container that has ended be mounted once more, with what it has written: the kernel takes the
/// working directory of a `volatile` overlay once (overlayfs, "Volatile mount"), so that each gets a new one.
pub(crate) fn renew(state: &StateDir) -> Result<(), RootfsError> {
    let all = state.path().join("overlay");
    let entries = match fs::read_dir(&all) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(io_error("list", &all))?,
    };
    for entry in entries {
        let key = entry.map_err(io_error("list", &all))?.path();
        let work = key.join("work");
        // Removed with the state directory: what the kernel has left in it cannot be opened up by everybody.
        if !work.is_dir() {
            continue;
        }
        let used = key.join(crate::state::random_name().map_err(io_error("name a directory in", &key))?);
        fs::rename(&work, &used).map_err(io_error("rename", &work))?;
        DirBuilder::new().mode(0o700).create(&work).map_err(io_error("make", &work))?;
    }
    Ok(())
}

/// An overlay at `destination` whose unchanged files are those of the directories `lowers`, the uppermost first. Its changes go to directories called `key` of
/// the state directory. `like` gives the new root directory the owner and mode of the first.
pub(super) fn overlay(
    state: &StateDir,
    key: &str,
    lowers: &[impl AsRef<Path>],
    destination: &Path,
    user_namespace: bool,
    flags: &[&str],
) -> Result<Mount, RootfsError> {
    let upper = state.dir(&format!("overlay/{key}/upper"), 0o755)?;
    let work = state.dir(&format!("overlay/{key}/work"), 0o700)?;
    let mut links = Vec::new();
    for (number, lower) in lowers.iter().map(AsRef::as_ref).enumerate() {
        if number == 0 {
            super::copy::attributes(lower, &upper)?;
        }
        // Options cannot hold every character that a path can; the link's path has none of those.
        let link = state.path().join(format!("overlay/{key}/{number}"));
        symlink(lower, &link).map_err(io_error("link", &link))?;
        links.push(link.display().to_string());
    }
    let options = [
        format!("lowerdir={}", links.join(":")),
        format!("upperdir={}", upper.display()),
        format!("workdir={}", work.display()),
    ];
    let mut options: Vec<&str> = flags.iter().copied().chain(options.iter().map(String::as_str)).collect();
    if user_namespace {
        options.push("userxattr");
    }
    // The changes go when the pod goes. Without this, the end of each container waits until all that anybody has
    // written to the file system below is on the disk.
    if kernel_is(5, 10) {
        options.push("volatile");
    }
    Ok(mount(destination, "overlay", "overlay", &options))
}
