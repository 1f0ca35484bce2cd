//! `hostPath`: a path of the machine, of the type that the volume says (kubelet `pkg/volume/hostpath/host_path.go`).

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::{VolumeError, invalid, io_error};

/// A path of the machine.
#[derive(Debug)]
pub(super) enum HostPath {
    /// It was there.
    There(PathBuf),
    /// It was made.
    Made(PathBuf),
    /// A directory that would have to be made.
    NoDirectory,
    /// A file that would have to be made.
    NoFile,
}

/// Whether the caller may make what is missing at `path`: without privilege that is seldom so.
pub(super) fn can_make(path: &Path) -> bool {
    path.ancestors()
        .find(|there| there.exists())
        .is_some_and(|there| rustix::fs::access(there, Access::WRITE_OK | Access::EXEC_OK).is_ok())
}

/// Checks the path's type. What is missing is made where a node would make it and `create` allows it.
pub(super) fn prepare(volume: &str, path: &str, type_: &str, create: bool) -> Result<HostPath, VolumeError> {
    let host = Path::new(path);
    if !host.is_absolute() || host.components().any(|part| part == std::path::Component::ParentDir) {
        return Err(invalid(volume, format!("hostPath {path:?} must be absolute and without '..'")));
    }
    let missing = matches!(fs::metadata(host), Err(error) if error.kind() == io::ErrorKind::NotFound);
    match type_ {
        // A runtime makes the directory of a mount whose source is missing, whatever the volume says (containerd
        // `internal/cri/opts/spec_linux_opts.go`).
        "DirectoryOrCreate" | "" if missing => {
            if !create {
                return Ok(HostPath::NoDirectory);
            }
            DirBuilder::new().recursive(true).mode(0o755).create(host).map_err(io_error(volume, "make", host))?;
        }
        // The kubelet makes the file, and not the directory that it is in.
        "FileOrCreate" if missing && !create && host.parent().is_some_and(Path::is_dir) => {
            return Ok(HostPath::NoFile);
        }
        "FileOrCreate" if missing && create => {
            let mut options = File::options();
            options.append(true).create(true).mode(0o644).open(host).map_err(io_error(volume, "make", host))?;
        }
        _ => {}
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
    let found = fs::canonicalize(host).map_err(io_error(volume, "find", host))?;
    Ok(if missing { HostPath::Made(found) } else { HostPath::There(found) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_is_checked_and_the_path_made_only_where_it_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        assert!(prepare("v", &path("new"), "Directory", true).is_err());
        for type_ in ["", "DirectoryOrCreate"] {
            assert!(matches!(prepare("v", &path("new"), type_, false), Ok(HostPath::NoDirectory)));
        }
        assert!(matches!(prepare("v", &path("new"), "FileOrCreate", false), Ok(HostPath::NoFile)));
        assert!(prepare("v", &path("no/file"), "FileOrCreate", false).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(matches!(prepare("v", &path("new"), "DirectoryOrCreate", true), Ok(HostPath::Made(_))));
        assert!(matches!(prepare("v", &path("new"), "Directory", false), Ok(HostPath::There(_))));
        assert!(matches!(prepare("v", &path("untyped"), "", true), Ok(HostPath::Made(_))));
        assert!(matches!(prepare("v", &path("file"), "FileOrCreate", true), Ok(HostPath::Made(_))));
        let error = prepare("v", &path("file"), "Socket", true).unwrap_err();
        assert!(error.to_string().ends_with("file is not a socket file"), "{error}");
        assert!(prepare("v", "/dev/null", "CharDevice", true).is_ok());
        assert!(prepare("v", "relative", "", true).is_err());
        assert!(prepare("v", "/tmp/../etc", "", true).is_err());
    }
}
