//! A directory as the root file system, never changed: an overlay over each of its top-level directories, or the
//! directories themselves where the container only reads.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::{Protection, Rootfs, RootfsError, RootfsOptions, RootfsSource, copy, io_error, overlay};
use crate::spec::mount;
use crate::state::StateDir;

/// Hidden by mounts in every container.
const MOUNTED_OVER: [&str; 3] = ["proc", "sys", "dev"];

pub(super) fn prepare(
    state: &StateDir,
    name: &str,
    path: &Path,
    options: RootfsOptions,
) -> Result<Rootfs, RootfsError> {
    let path = fs::canonicalize(path).map_err(io_error("find", path))?;
    if !path.is_dir() {
        return Err(io_error("use as a root file system", &path)(io::Error::from(io::ErrorKind::NotADirectory)));
    }
    let root = state.dir(&format!("rootfs/{name}"), 0o755)?;
    let protection = if options.own_files {
        Protection::Copy
    } else if options.read_only {
        Protection::ReadOnly
    } else if overlay::is_available(state.path(), options.user_namespace) {
        Protection::Overlay
    } else {
        Protection::Copy
    };
    let mut mounts = Vec::new();
    if protection == Protection::Copy {
        copy::tree(&path, &root)?;
    } else {
        copy::attributes(&path, &root)?;
        let mut entries: Vec<_> = fs::read_dir(&path).and_then(Iterator::collect).map_err(io_error("list", &path))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for (number, entry) in entries.iter().enumerate() {
            let source = entry.path();
            let target = root.join(entry.file_name());
            let kind = entry.file_type().map_err(io_error("look at", &source))?;
            if kind.is_symlink() {
                let to = fs::read_link(&source).map_err(io_error("read", &source))?;
                symlink(to, &target).map_err(io_error("link", &target))?;
            } else if kind.is_file() {
                copy::file(&source, &target)?;
            } else if kind.is_dir() {
                fs::create_dir(&target).map_err(io_error("make", &target))?;
                copy::attributes(&source, &target)?;
                if MOUNTED_OVER.iter().any(|over| entry.file_name() == *over) {
                    continue;
                }
                let destination = Path::new("/").join(entry.file_name());
                mounts.push(if protection == Protection::Overlay {
                    let key = format!("{name}-{number}");
                    overlay::overlay(state, &key, &source, &destination, options.user_namespace)?
                } else {
                    mount(destination, "bind", &source, &["bind", "rprivate", "ro"])
                });
            }
        }
    }
    Ok(Rootfs { root, mounts, source: RootfsSource::Dir { path, protection } })
}
