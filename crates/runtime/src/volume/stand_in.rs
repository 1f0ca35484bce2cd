//! What stands in for a volume that is not here, or that may not be made: something empty in the state directory.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ringfence_context::effective::EffectivePod;

use super::{VolumeError, io_error};
use crate::spec::clean;
use crate::state::StateDir;

/// What is mounted in every container after or over its volumes. What completes the root file system comes before them.
const ALWAYS: [&str; 11] = [
    "/proc",
    "/dev",
    "/dev/pts",
    "/dev/shm",
    "/dev/mqueue",
    "/sys",
    "/sys/fs/cgroup",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
    crate::probe::PATH,
];

/// The sentence that says so: `a claim` is not here.
pub(super) fn directory(of: &str) -> String {
    format!("{of} is not here: an empty directory stands in for it")
}

/// The sentence that says so of a file.
pub(super) fn file(of: &str) -> String {
    let are = if of.ends_with('s') { "are" } else { "is" };
    let them = if of.ends_with('s') { "them" } else { "it" };
    format!("{of} {are} not here: an empty file stands in for {them}")
}

/// A kind of volume with its article.
pub(super) fn kind(type_: &str) -> String {
    let spelt = ["nfs", "rbd", "fc"].contains(&type_);
    let an = spelt || type_.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {type_}{}", if an { "an" } else { "a" }, if type_ == "image" { "" } else { " volume" })
}

/// An empty file for the volume.
pub(super) fn make_file(state: &StateDir, volume: &str) -> Result<PathBuf, VolumeError> {
    let path = state.dir(&format!("volumes/{volume}"), 0o755)?.join("file");
    File::create_new(&path).map_err(io_error(volume, "make", &path))?;
    fs::set_permissions(&path, Permissions::from_mode(0o644)).map_err(io_error(volume, "set the mode of", &path))?;
    Ok(path)
}

/// What a runtime would make below `host`, the path of the volume on the machine: the first path that is missing, either
/// as a `subPath` or because something else is mounted there.
pub(super) fn would_be_made(pod: &EffectivePod, volume: &str, host: &Path) -> Option<PathBuf> {
    pod.containers.iter().find_map(|container| {
        container.mounts.iter().filter(|mount| mount.volume == volume).find_map(|mount| {
            let sub = mount.sub_path.as_deref().unwrap_or_default().trim_start_matches('/');
            let base = if sub.is_empty() { host.to_path_buf() } else { host.join(sub) };
            if !base.exists() {
                return Some(base);
            }
            let at = clean(Path::new(&mount.mount_path));
            let others = container.mounts.iter().map(|other| other.mount_path.as_str());
            others
                .chain(ALWAYS)
                .filter_map(|other| clean(Path::new(other)).strip_prefix(&at).ok().map(Path::to_path_buf))
                .filter(|below| !below.as_os_str().is_empty())
                .map(|below| base.join(below))
                .find(|path| !path.exists())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentences_agree() {
        assert_eq!(directory(&kind("nfs")), "an nfs volume is not here: an empty directory stands in for it");
        assert_eq!(kind("csi"), "a csi volume");
        assert_eq!(kind("image"), "an image");
        assert_eq!(
            file("a container's resources"),
            "a container's resources are not here: an empty file stands in for them"
        );
    }
}
