//! The probe's program, where the container's user can execute it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::RunError;
use crate::state::StateDir;

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
