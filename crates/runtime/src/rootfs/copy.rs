//! Copying files into a root file system. Links are copied as links and never followed; sockets, pipes and devices are
//! left out.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;

use super::{RootfsError, io_error};

/// Copies what is in `from` into the empty directory `to`.
pub(super) fn tree(from: &Path, to: &Path) -> Result<(), RootfsError> {
    let mut open = vec![(from.to_path_buf(), to.to_path_buf())];
    // Modes are set after a directory is filled: it may not be writable.
    let mut made = Vec::new();
    while let Some((from, to)) = open.pop() {
        for entry in fs::read_dir(&from).map_err(io_error("list", &from))? {
            let entry = entry.map_err(io_error("list", &from))?;
            let source = entry.path();
            let target = to.join(entry.file_name());
            let kind = entry.file_type().map_err(io_error("look at", &source))?;
            if kind.is_dir() {
                fs::create_dir(&target).map_err(io_error("make", &target))?;
                open.push((source, target));
            } else if kind.is_symlink() {
                let link = fs::read_link(&source).map_err(io_error("read", &source))?;
                symlink(link, &target).map_err(io_error("link", &target))?;
            } else if kind.is_file() {
                file(&source, &target)?;
            }
        }
        made.push((from, to));
    }
    for (from, to) in made.iter().rev() {
        attributes(from, to)?;
    }
    Ok(())
}

/// Copies one file with its owner and mode.
pub(super) fn file(from: &Path, to: &Path) -> Result<(), RootfsError> {
    let source = File::options()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(from)
        .map_err(io_error("open", from))?;
    let target = File::options().write(true).create_new(true).open(to).map_err(io_error("make", to))?;
    super::holes::copy(&source, &target).map_err(io_error("copy", from))?;
    attributes(from, to)
}

/// Gives `to` the owner and mode of `from`. The owner stays the caller where the caller may not give files away.
pub(super) fn attributes(from: &Path, to: &Path) -> Result<(), RootfsError> {
    let metadata = fs::symlink_metadata(from).map_err(io_error("look at", from))?;
    match std::os::unix::fs::lchown(to, Some(metadata.uid()), Some(metadata.gid())) {
        // Root of a user namespace may give them to whom the namespace has, and to nobody else.
        Err(error) if !matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput) => {
            return Err(io_error("change the owner of", to)(error));
        }
        _ => {}
    }
    // After the owner, whose change takes setuid and setgid bits away.
    fs::set_permissions(to, Permissions::from_mode(metadata.mode() & 0o7777)).map_err(io_error("set the mode of", to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_copied_and_modes_kept() {
        let from = tempfile::tempdir().unwrap();
        let to = tempfile::tempdir().unwrap();
        fs::create_dir(from.path().join("d")).unwrap();
        fs::write(from.path().join("d/f"), "x").unwrap();
        fs::set_permissions(from.path().join("d/f"), Permissions::from_mode(0o4755)).unwrap();
        symlink("/etc/shadow", from.path().join("link")).unwrap();
        fs::set_permissions(from.path().join("d"), Permissions::from_mode(0o555)).unwrap();
        tree(from.path(), to.path()).unwrap();
        assert_eq!(fs::read_link(to.path().join("link")).unwrap(), Path::new("/etc/shadow"));
        assert_eq!(fs::metadata(to.path().join("d/f")).unwrap().mode() & 0o7777, 0o4755);
        assert_eq!(fs::metadata(to.path().join("d")).unwrap().mode() & 0o7777, 0o555);
        fs::set_permissions(from.path().join("d"), Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(to.path().join("d"), Permissions::from_mode(0o755)).unwrap();
    }
}
