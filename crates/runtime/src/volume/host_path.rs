//! `hostPath`: a path of the machine, of the type that the volume says (kubelet `pkg/volume/hostpath/host_path.go`).

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{VolumeError, invalid, io_error};

/// Checks the path's type, making it first where the type says so and `create` allows it.
pub(super) fn prepare(volume: &str, path: &str, type_: &str, create: bool) -> Result<PathBuf, VolumeError> {
    let host = Path::new(path);
    if !host.is_absolute() || host.components().any(|part| part == std::path::Component::ParentDir) {
        return Err(invalid(volume, format!("hostPath {path:?} must be absolute and without '..'")));
    }
    let exists = fs::metadata(host);
    if create && matches!(&exists, Err(error) if error.kind() == io::ErrorKind::NotFound) {
        match type_ {
            // A runtime makes the directory of a mount whose source is missing, whatever the volume says.
            "DirectoryOrCreate" | "" => {
                DirBuilder::new().recursive(true).mode(0o755).create(host).map_err(io_error(volume, "make", host))?;
            }
            "FileOrCreate" => {
                let mut options = File::options();
                options.append(true).create(true).mode(0o644).open(host).map_err(io_error(volume, "make", host))?;
            }
            _ => {}
        }
    }
    let kind = match fs::metadata(host) {
        Ok(metadata) => Some(metadata.file_type()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(io_error(volume, "look at", host)(error)),
    };
    let (right, what) = match type_ {
        "" => (kind.is_some(), "a path that exists"),
        "Directory" | "DirectoryOrCreate" => (kind.is_some_and(|kind| kind.is_dir()), "a directory"),
        "File" | "FileOrCreate" => (kind.is_some_and(|kind| kind.is_file()), "a file"),
        "Socket" => (kind.is_some_and(|kind| kind.is_socket()), "a socket file"),
        "CharDevice" => (kind.is_some_and(|kind| kind.is_char_device()), "a character device"),
        "BlockDevice" => (kind.is_some_and(|kind| kind.is_block_device()), "a block device"),
        other => return Err(invalid(volume, format!("{other} is an invalid volume type"))),
    };
    if !right {
        return Err(invalid(volume, format!("hostPath type check failed: {path} is not {what}")));
    }
    fs::canonicalize(host).map_err(io_error(volume, "find", host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_is_checked_and_the_path_made_only_where_it_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        assert!(prepare("v", &path("new"), "Directory", true).is_err());
        assert!(prepare("v", &path("new"), "DirectoryOrCreate", false).is_err());
        assert!(prepare("v", &path("new"), "DirectoryOrCreate", true).is_ok());
        assert!(prepare("v", &path("new"), "Directory", false).is_ok());
        assert!(prepare("v", &path("file"), "FileOrCreate", true).is_ok());
        let error = prepare("v", &path("file"), "Socket", true).unwrap_err();
        assert!(error.to_string().ends_with("file is not a socket file"), "{error}");
        assert!(prepare("v", "/dev/null", "CharDevice", true).is_ok());
        assert!(prepare("v", "relative", "", true).is_err());
        assert!(prepare("v", "/tmp/../etc", "", true).is_err());
    }
}
