//! Files laid out as the kubelet's AtomicWriter does, so that a whole volume could be replaced at once
//! (`pkg/volume/util/atomic_writer.go`): the files in a directory of their own, `..data` linking to it, and for each
//! file's first path component a link through `..data`.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use super::payload::Payload;
use super::{VolumeError, invalid, io_error};

/// The longest path of a file in a volume, and of a component of it.
const MAX_PATH: usize = 4096;
const MAX_NAME: usize = 255;

/// The directory that `..data` links to. The kubelet's name has the time in it; nothing replaces this one.
const GENERATION: &str = "..1";

/// Writes the files into the empty directory `dir`.
pub(super) fn write(volume: &str, dir: &Path, payload: &Payload) -> Result<(), VolumeError> {
    let mut visible = BTreeSet::new();
    let data = dir.join(GENERATION);
    make_dir(volume, &data)?;
    for (path, file) in payload {
        let clean = validate(volume, path)?;
        if let Some(first) = clean.components().next() {
            visible.insert(first.as_os_str().to_owned());
        }
        let target = data.join(&clean);
        let mut above = data.clone();
        for component in clean.parent().into_iter().flat_map(Path::components) {
            above.push(component);
            if !above.is_dir() {
                make_dir(volume, &above)?;
            }
        }
        let mut out = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&target)
            .map_err(io_error(volume, "make", &target))?;
        out.write_all(&file.data).map_err(io_error(volume, "write", &target))?;
        out.set_permissions(Permissions::from_mode(file.mode)).map_err(io_error(volume, "set the mode of", &target))?;
    }
    link(volume, Path::new(GENERATION), &dir.join("..data"))?;
    for name in visible {
        link(volume, &Path::new("..data").join(&name), &dir.join(&name))?;
    }
    Ok(())
}

fn make_dir(volume: &str, path: &Path) -> Result<(), VolumeError> {
    DirBuilder::new().mode(0o755).create(path).map_err(io_error(volume, "make", path))?;
    fs::set_permissions(path, Permissions::from_mode(0o755)).map_err(io_error(volume, "set the mode of", path))
}

fn link(volume: &str, to: &Path, at: &Path) -> Result<(), VolumeError> {
    symlink(to, at).map_err(io_error(volume, "link", at))
}

/// The path without `.` and doubled slashes, if the kubelet takes it.
fn validate(volume: &str, path: &str) -> Result<PathBuf, VolumeError> {
    let refuse = |why: &str| Err(invalid(volume, format!("invalid path: {why}: {path:?}")));
    if path.is_empty() {
        return refuse("must not be empty");
    }
    if path.starts_with('/') {
        return refuse("must be relative path");
    }
    if path.len() > MAX_PATH {
        return refuse("must be less than or equal to 4096 characters");
    }
    if path.split('/').any(|part| part == "..") {
        return refuse("must not contain '..'");
    }
    if path.split('/').any(|part| part.len() > MAX_NAME) {
        return refuse("filenames must be less than or equal to 255 characters");
    }
    if path.starts_with("..") {
        return refuse("must not start with '..'");
    }
    let clean: PathBuf = Path::new(path).components().filter(|part| matches!(part, Component::Normal(_))).collect();
    if clean.as_os_str().is_empty() {
        return refuse("must name a file");
    }
    Ok(clean)
}

#[cfg(test)]
mod tests {
    use super::super::payload::FileProjection;
    use super::*;
    use std::os::unix::fs::MetadataExt;

    fn files(paths: &[&str]) -> Payload {
        paths
            .iter()
            .map(|path| ((*path).to_owned(), FileProjection { data: path.as_bytes().to_vec(), mode: 0o440 }))
            .collect()
    }

    #[test]
    fn files_are_seen_through_the_data_link() {
        let dir = tempfile::tempdir().unwrap();
        write("v", dir.path(), &files(&["a", "sub/b", "./sub//c"])).unwrap();
        assert_eq!(fs::read_link(dir.path().join("a")).unwrap(), Path::new("..data/a"));
        assert_eq!(fs::read_link(dir.path().join("sub")).unwrap(), Path::new("..data/sub"));
        assert_eq!(fs::read(dir.path().join("sub/b")).unwrap(), b"sub/b");
        assert_eq!(fs::metadata(dir.path().join("sub/c")).unwrap().mode() & 0o7777, 0o440);
    }

    #[test]
    fn paths_that_leave_the_volume_are_refused() {
        for path in ["", "/a", "a/../../b", "..", "..data", ".", "a/.."] {
            let dir = tempfile::tempdir().unwrap();
            assert!(write("v", dir.path(), &files(&[path])).is_err(), "{path:?}");
        }
    }
}
