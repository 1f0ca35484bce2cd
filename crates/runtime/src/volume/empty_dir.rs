//! `emptyDir`: a directory that all may write to (kubelet `pkg/volume/emptydir/empty_dir.go`), or a tmpfs.

use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, mount};

use super::{VolumeError, io_error};
use crate::state::StateDir;

/// The mode of an emptyDir on disk, whatever the umask says.
pub(super) const DISK_MODE: u32 = 0o777;
/// The mode of an emptyDir in memory: that of a new tmpfs, to which `chmod 0777` would add nothing.
pub(super) const MEMORY_MODE: u32 = 0o1777;

/// Makes the directory of a volume on disk.
pub(super) fn on_disk(state: &StateDir, volume: &str, mode: u32) -> Result<PathBuf, VolumeError> {
    Ok(state.dir(&format!("volumes/{volume}"), mode)?)
}

/// Mounts a tmpfs in the state directory, which unmounts it at its end.
pub(super) fn in_memory(state: &StateDir, volume: &str, size: Option<u64>) -> Result<PathBuf, VolumeError> {
    let dir = state.dir(&format!("volumes/{volume}"), 0o755)?;
    mount_tmpfs(&dir, size).map_err(|errno| io_error(volume, "mount a tmpfs on", &dir)(errno.into()))?;
    Ok(dir)
}

fn mount_tmpfs(dir: &Path, size: Option<u64>) -> rustix::io::Result<()> {
    let size = size.map(|size| format!(",size={size}")).unwrap_or_default();
    let options = format!("mode={MEMORY_MODE:o}{size}");
    let options = std::ffi::CString::new(options).map_err(|_| rustix::io::Errno::INVAL)?;
    mount("tmpfs", dir, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, options.as_c_str())
}
