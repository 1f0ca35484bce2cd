//! A volume as the process sees it: owner, group and mode of its root, and of a file made there.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use ringfence_context::process::{ProcessState, VolumeState};

use crate::observe::mode_string;

pub(super) fn volume(path: &Path, with_file: bool, state: &mut ProcessState, not_seen: &mut BTreeMap<String, String>) {
    let name = path.to_string_lossy().into_owned();
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => {
            not_seen.insert(format!("volumes.{name}"), error.to_string());
            return;
        }
    };
    let volume = of(&metadata);
    if with_file && metadata.is_dir() {
        match make_file(path) {
            Ok(made) => drop(state.created_files.insert(name.clone(), made)),
            // A volume that is read-only or belongs to another: there is no file to show.
            Err(error) if matches!(error.kind(), ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied) => {}
            Err(error) => drop(not_seen.insert(format!("createdFiles.{name}"), error.to_string())),
        }
    }
    state.volumes.insert(name, volume);
}

fn of(metadata: &std::fs::Metadata) -> VolumeState {
    VolumeState { mode: mode_string(metadata.mode()), uid: metadata.uid(), gid: metadata.gid() }
}

/// Makes a file, looks at it and removes it.
fn make_file(dir: &Path) -> std::io::Result<VolumeState> {
    let path = dir.join(format!(".ringfence-probe-{}", std::process::id()));
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o666).open(&path)?;
    let metadata = file.metadata();
    std::fs::remove_file(&path)?;
    Ok(of(&metadata?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_made_is_removed_again() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let (mut state, mut not_seen) = <(ProcessState, BTreeMap<_, _>)>::default();
        volume(dir.path(), true, &mut state, &mut not_seen);
        let seen = &state.volumes[&dir.path().display().to_string()];
        assert_eq!(seen.mode, "drwx------");
        assert!(state.created_files[&dir.path().display().to_string()].mode.starts_with("-rw"));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(not_seen.is_empty());
    }

    #[test]
    fn a_volume_that_is_not_there_is_said_so() {
        let (mut state, mut not_seen) = <(ProcessState, BTreeMap<_, _>)>::default();
        volume(Path::new("/nowhere"), true, &mut state, &mut not_seen);
        assert!(state.volumes.is_empty());
        assert!(not_seen.contains_key("volumes./nowhere"));
    }
}
