//! Whether overlays are to be had, and an overlay as a mount of the spec (overlayfs, `Documentation/filesystems`).

use std::fs;
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
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    crate::seccomp::KernelVersion::parse(&release)
        .is_some_and(|version| version >= crate::seccomp::KernelVersion { major: 5, minor: 11 })
}

/// An overlay at `destination` whose unchanged files are those of `lower`. Its changes go to directories called `key` of
/// the state directory. `like` gives the new root directory the owner and mode of `lower`.
pub(super) fn overlay(
    state: &StateDir,
    key: &str,
    lower: &Path,
    destination: &Path,
    user_namespace: bool,
    flags: &[&str],
) -> Result<Mount, RootfsError> {
    let upper = state.dir(&format!("overlay/{key}/upper"), 0o755)?;
    let work = state.dir(&format!("overlay/{key}/work"), 0o700)?;
    super::copy::attributes(lower, &upper)?;
    // Options cannot hold every character that a path can; the link's path has none of those.
    let link = state.path().join(format!("overlay/{key}/lower"));
    symlink(lower, &link).map_err(io_error("link", &link))?;
    let options = [
        format!("lowerdir={}", link.display()),
        format!("upperdir={}", upper.display()),
        format!("workdir={}", work.display()),
    ];
    let mut options: Vec<&str> = flags.iter().copied().chain(options.iter().map(String::as_str)).collect();
    if user_namespace {
        options.push("userxattr");
    }
    Ok(mount(destination, "overlay", "overlay", &options))
}
