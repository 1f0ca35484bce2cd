//! `--volume NAME:PATH`: a volume that stays when the container ends, for others to use (moby `volume/local`).

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::DockerError;

/// The directory of a named volume, made when it is not there. Names have no slash and begin with no dot.
pub(super) fn directory(root: &Path, name: &str) -> Result<PathBuf, DockerError> {
    let failed = |path: &Path| {
        let what = format!("make {}", path.display());
        move |source| DockerError::Machinery { what, source }
    };
    let volume = root.join(name);
    // Others may pass through to what they own in a volume, and see no names.
    DirBuilder::new().mode(0o711).recursive(true).create(&volume).map_err(failed(&volume))?;
    let data = volume.join("_data");
    match fs::create_dir(&data) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(&data)(error)),
        Err(_) => {}
        Ok(()) => fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).map_err(failed(&data))?,
    }
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_volume_is_made_once_and_keeps_what_it_has() {
        let root = tempfile::tempdir().unwrap();
        let data = directory(&root.path().join("volumes"), "data").unwrap();
        fs::write(data.join("kept"), "").unwrap();
        assert_eq!(directory(&root.path().join("volumes"), "data").unwrap(), data);
        assert!(data.join("kept").exists());
    }
}
