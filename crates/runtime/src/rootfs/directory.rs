//! A directory as the root file system, never changed: an overlay over each of its top-level directories, or a copy.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use oci_spec::runtime::Mount;

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
    if protection == Protection::Copy {
        copy::tree(&path, &root)?;
        let source = RootfsSource::Dir { path, protection };
        return Ok(Rootfs { root, mounts: Vec::new(), readonly_paths: Vec::new(), fixed: Vec::new(), source });
    }
    copy::attributes(&path, &root)?;
    let mut entries: Vec<_> = fs::read_dir(&path).and_then(Iterator::collect).map_err(io_error("list", &path))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut overlays = Overlays::new(state, name, &root, options);
    for entry in entries {
        let source = entry.path();
        let kind = entry.file_type().map_err(io_error("look at", &source))?;
        if kind.is_symlink() {
            overlays.link(&entry.file_name(), &source)?;
        } else if kind.is_file() {
            overlays.file(&entry.file_name(), &source)?;
        } else if kind.is_dir() {
            overlays.directory(&entry.file_name(), &[source])?;
        }
    }
    Ok(overlays.rootfs(RootfsSource::Dir { path, protection }))
}

/// A root whose top-level directories are overlays.
pub(super) struct Overlays<'a> {
    state: &'a StateDir,
    name: &'a str,
    root: &'a Path,
    options: RootfsOptions,
    number: usize,
    mounts: Vec<Mount>,
    readonly_paths: Vec<String>,
}

impl<'a> Overlays<'a> {
    pub(super) fn new(state: &'a StateDir, name: &'a str, root: &'a Path, options: RootfsOptions) -> Self {
        Self { state, name, root, options, number: 0, mounts: Vec::new(), readonly_paths: Vec::new() }
    }

    pub(super) fn link(&mut self, name: &OsStr, source: &Path) -> Result<(), RootfsError> {
        let target = self.root.join(name);
        let to = fs::read_link(source).map_err(io_error("read", source))?;
        symlink(to, &target).map_err(io_error("link", &target))
    }

    pub(super) fn file(&mut self, name: &OsStr, source: &Path) -> Result<(), RootfsError> {
        copy::file(source, &self.root.join(name))
    }

    /// A directory that is made of `sources`, the uppermost first.
    pub(super) fn directory(&mut self, name: &OsStr, sources: &[PathBuf]) -> Result<(), RootfsError> {
        let Some(first) = sources.first() else { return Ok(()) };
        let target = self.root.join(name);
        fs::create_dir(&target).map_err(io_error("make", &target))?;
        copy::attributes(first, &target)?;
        let number = self.number;
        self.number += 1;
        if MOUNTED_OVER.iter().any(|over| name == *over) {
            return Ok(());
        }
        let destination = Path::new("/").join(name);
        if self.options.read_only {
            self.readonly_paths.push(destination.display().to_string());
        }
        let key = format!("{}-{number}", self.name);
        let in_user_namespace = self.options.user_namespace;
        self.mounts.push(overlay::overlay(self.state, &key, sources, &destination, in_user_namespace, &[])?);
        Ok(())
    }

    pub(super) fn rootfs(self, source: RootfsSource) -> Rootfs {
        let Self { root, mounts, readonly_paths, .. } = self;
        Rootfs { root: root.to_path_buf(), mounts, readonly_paths, fixed: Vec::new(), source }
    }
}
