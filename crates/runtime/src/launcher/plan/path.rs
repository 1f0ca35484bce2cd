//! Paths inside the container, taken apart beforehand, so that missing directories can be made without allocating.

use std::ffi::CString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use crate::engine::StartError;

/// A path below the container's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Absolute, without `.` and `..`.
    pub(crate) path: CString,
    /// The path and all its parents, from the shortest to the path itself, relative to the root.
    pub(crate) prefixes: Vec<CString>,
    /// The last component of each prefix.
    pub(crate) names: Vec<CString>,
}

impl Target {
    /// Takes a path apart. It is cleaned as text first, as runc does: `/a/../b` is `/b` whatever `/a` links to.
    pub(crate) fn new(path: &Path) -> Result<Self, StartError> {
        let clean = clean(path);
        let mut prefixes = Vec::new();
        let mut names = Vec::new();
        let mut prefix = PathBuf::new();
        for component in clean.components() {
            if let Component::Normal(name) = component {
                prefix.push(name);
                prefixes.push(c_path(&prefix)?);
                names.push(c_bytes(name.as_bytes())?);
            }
        }
        Ok(Self { path: c_path(&clean)?, prefixes, names })
    }

    /// Whether this is the root itself.
    pub(crate) fn is_root(&self) -> bool {
        self.prefixes.is_empty()
    }

    /// The path relative to the root; `.` for the root.
    pub(crate) fn relative(&self) -> &std::ffi::CStr {
        self.prefixes.last().map_or(c".", CString::as_c_str)
    }

    /// The path of the directory that holds it, relative to the root; `.` for the root.
    pub(crate) fn parent(&self) -> &std::ffi::CStr {
        self.prefixes.iter().rev().nth(1).map_or(c".", CString::as_c_str)
    }

    /// Whether the other path is this one or below it.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        other.names.starts_with(&self.names)
    }
}

/// The path without `.` and `..`, from `/`.
pub(crate) fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    clean
}

pub(crate) fn c_path(path: &Path) -> Result<CString, StartError> {
    c_bytes(&path.to_path_buf().into_os_string().into_vec())
}

pub(crate) fn c_bytes(bytes: &[u8]) -> Result<CString, StartError> {
    CString::new(bytes).map_err(|_nul| StartError::Unsupported {
        what: format!("a NUL byte in {:?}", String::from_utf8_lossy(bytes)),
        where_: "by any kernel".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_apart_from_the_root_down() {
        let target = Target::new(Path::new("/var/./run/../lib//x")).expect("a target");
        assert_eq!(target.path.as_c_str(), c"/var/lib/x");
        assert_eq!(target.prefixes, [c"var".to_owned(), c"var/lib".to_owned(), c"var/lib/x".to_owned()]);
        assert_eq!(target.names, [c"var".to_owned(), c"lib".to_owned(), c"x".to_owned()]);
    }

    #[test]
    fn nothing_lies_above_the_root() {
        assert!(Target::new(Path::new("/../..")).expect("a target").is_root());
    }

    #[test]
    fn a_directory_contains_itself_and_what_is_below_by_whole_names() {
        let dev = Target::new(Path::new("/dev")).expect("a target");
        assert!(dev.contains(&Target::new(Path::new("/dev/shm")).expect("a target")));
        assert!(dev.contains(&dev));
        assert!(!dev.contains(&Target::new(Path::new("/device")).expect("a target")));
    }
}
