//! The probe's program, where the container's user can execute it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::RunError;
use crate::state::StateDir;

/// A copy of `binary` with the file capability SYS_RESOURCE, in a directory of `state` that only its owner can enter, so
/// that nobody else on the machine can execute it.
pub(super) fn with_sys_resource(state: &StateDir, binary: &Path, name: &str) -> Result<PathBuf, RunError> {
    let failed = || RunError::machinery("copy the probe with a file capability");
    let copy = state.dir(name, 0o700)?.join("raise");
    fs::copy(binary, &copy).map_err(failed())?;
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o555)).map_err(failed())?;
    let flags = rustix::fs::XattrFlags::CREATE;
    rustix::fs::setxattr(&copy, "security.capability", &SYS_RESOURCE, flags).map_err(|errno| failed()(errno.into()))?;
    Ok(copy)
}

/// `struct vfs_cap_data` of `include/uapi/linux/capability.h`: revision 2 and the effective flag, then the permitted and
/// inheritable sets, the lower half of both first. All are little-endian.
const SYS_RESOURCE: [u8; 20] = {
    let mut data = [0; 20];
    data[0] = 0x01; // VFS_CAP_FLAGS_EFFECTIVE
    data[3] = 0x02; // VFS_CAP_REVISION_2
    data[4 + 24 / 8] = 1 << (24 % 8); // CAP_SYS_RESOURCE is 24
    data
};

/// A path that every user can reach: a copy of `binary`, where it lies in a directory of the caller's own or may not be
/// executed by others. `mapped` is whether the container has a user namespace.
pub(crate) fn probe_binary(
    state: &StateDir,
    binary: &Path,
    mapped: bool,
    unprivileged: bool,
) -> Result<PathBuf, RunError> {
    let binary = fs::canonicalize(binary).map_err(RunError::machinery("find the probe"))?;
    let mode = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode());
    let open_file = mode(&binary) & 0o005 == 0o005;
    let open_path = !mapped || binary.ancestors().skip(1).all(|dir| mode(dir) & 0o001 != 0);
    if open_file && (open_path || unprivileged) {
        return Ok(binary);
    }
    let copy = state.path().join("probe");
    if !copy.exists() {
        fs::copy(&binary, &copy).map_err(RunError::machinery("copy the probe"))?;
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o555)).map_err(RunError::machinery("copy the probe"))?;
    }
    Ok(copy)
}
