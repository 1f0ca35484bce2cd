//! A directory as the root file system, never changed: an overlay over each of its top-level directories, or a copy.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::{Protection, Rootfs, RootfsError, RootfsOptions, RootfsSource, copy, io_error, overlay};
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
    let overlays = !options.own_files && overlay::is_available(state.path(), options.user_namespace);
    let protection = if overlays { Protection::Overlay } else { Protection::Copy };
    let mut mounts = Vec::new();
    let mut readonly_paths = Vec::new();
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
                if options.read_only {
                    readonly_paths.push(destination.display().to_string());
                }
                let key = format!("{name}-{number}");
                mounts.push(overlay::overlay(state, &key, &source, &destination, options.user_namespace, &[])?);
            }
        }
    }
    Ok(Rootfs { root, mounts, readonly_paths, fixed: Vec::new(), source: RootfsSource::Dir { path, protection } })
}
