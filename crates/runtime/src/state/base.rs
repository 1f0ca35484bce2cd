//! Where the state directories of this user lie.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::{StateError, io_error};

/// The directory above the state directories: `/run/ringfence` for the machine's root, otherwise
/// `$XDG_RUNTIME_DIR/ringfence`, and without one a directory of the user's own in the directory for temporary files. Root
/// of a user namespace has that of the user who it is outside.
pub fn base_dir() -> Result<PathBuf, StateError> {
    let root = crate::observe::is_machine_root();
    let path = if root {
        PathBuf::from("/run/ringfence")
    } else {
        match std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from) {
            Some(runtime) if runtime.is_absolute() && runtime.is_dir() => runtime.join("ringfence"),
            _ => std::env::temp_dir().join(format!("ringfence-{}", crate::observe::outer_uid())),
        }
    };
    // /run is not there in some minimal root file systems.
    if let Some(parent) = path.parent()
        && root
    {
        fs::create_dir_all(parent).map_err(io_error("make", parent))?;
    }
    match DirBuilder::new().mode(0o711).create(&path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(io_error("make", &path)(error)),
        _ => Ok(path),
    }
}

/// Opens the directory and makes sure that it is one, and nobody else's: another user may have planted a link or a
/// directory of his own in the directory for temporary files.
pub(super) fn open(path: &Path) -> Result<File, StateError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file =
        File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| io_error("open", path)(errno.into()))?);
    let metadata = file.metadata().map_err(io_error("look at", path))?;
    let refuse = |why: String| Err(StateError::Base { path: path.to_path_buf(), why });
    let uid = rustix::process::geteuid().as_raw();
    if metadata.uid() != uid {
        return refuse(format!("it belongs to user {}, not to {uid}", metadata.uid()));
    }
    if metadata.mode() & 0o022 != 0 {
        return refuse(format!("others may write to it (mode {:o})", metadata.mode() & 0o7777));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_planted_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("link")).unwrap();
        assert!(open(&dir.path().join("link")).is_err());
        assert!(open(dir.path()).is_ok());
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(open(dir.path()), Err(StateError::Base { .. })));
    }
}
