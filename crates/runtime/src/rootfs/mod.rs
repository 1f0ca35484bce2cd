//! Where a container's root file system comes from: a directory, an image, or the host's own programs.
//!
//! What is prepared is a private directory and mounts for the spec, so that an engine mounts everything in the container's
//! own mount namespace and nothing is left on the host. Nothing that a caller names is ever changed.

mod copy;
mod directory;
mod holes;
mod host;
pub mod image;
mod layers;
mod overlay;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use oci_spec::runtime::Mount;
use ringfence_context::facts::ImageFacts;

use crate::state::{StateDir, StateError};

pub(crate) use overlay::renew;

/// What a root file system is made from.
#[derive(Clone, Debug)]
pub enum RootfsRequest<'a> {
    /// The directory as it is, such as an image unpacked before.
    Dir(&'a Path),
    /// An image that was unpacked by [`image::unpack`] or by a [store](crate::store).
    Image(&'a image::Image),
    /// Nothing at all, for a program that needs nothing.
    Empty,
    /// The host's programs and libraries, with the user database of the image as far as it is known.
    Host(&'a ImageFacts),
}

/// How to prepare it.
#[derive(Clone, Copy, Debug, Default)]
pub struct RootfsOptions {
    /// Whether the container only reads it.
    pub read_only: bool,
    /// Whether it is mounted in a user namespace.
    pub user_namespace: bool,
    /// Whether the caller will give the files to other users, so that the container needs its own.
    pub own_files: bool,
}

/// A root file system ready for a spec.
#[derive(Clone, Debug)]
pub struct Rootfs {
    /// `root.path`.
    pub root: PathBuf,
    /// The mounts that complete it, before all others.
    pub mounts: Vec<Mount>,
    /// What has to be made read-only at the end, after all mount points are made: some runtimes make them in a mount
    /// that is to be read-only, and so in what lies below it.
    pub readonly_paths: Vec<String>,
    /// Directories of the machine itself, in which no mount point can be made.
    pub fixed: Vec<PathBuf>,
    /// What it was made from.
    pub source: RootfsSource,
}

/// What a root file system was made from, for the output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootfsSource {
    /// A directory.
    Dir {
        /// The directory.
        path: PathBuf,
        /// How its files are kept unchanged.
        protection: Protection,
    },
    /// An image.
    Image {
        /// The file or directory that it came from.
        path: PathBuf,
        /// How the unpacked files are kept unchanged for the next container.
        protection: Protection,
    },
    /// Nothing.
    Empty,
    /// No image was there, so the host's programs stand in for it.
    HostUsr {
        /// The host's directories that are shown, read-only.
        shown: Vec<PathBuf>,
    },
}

/// How the files of a directory are kept from being changed by the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Changes go to an overlay.
    Overlay,
    /// The container has a copy, because overlays are not to be had here or the files need other owners.
    Copy,
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overlay => "unchanged below an overlay",
            Self::Copy => "as a copy",
        })
    }
}

impl fmt::Display for RootfsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dir { path, protection } => {
                write!(f, "the directory {}, {protection}", path.display())
            }
            Self::Image { path, protection } => {
                write!(f, "the image {}, {protection}", path.display())
            }
            Self::Empty => f.write_str("nothing"),
            Self::HostUsr { shown } => {
                f.write_str("no image: this machine's own ")?;
                for (i, path) in shown.iter().enumerate() {
                    write!(f, "{}{}", if i == 0 { "" } else { ", " }, path.display())?;
                }
                f.write_str(" shown read-only in an otherwise empty root")
            }
        }
    }
}

/// Why there is no root file system.
#[derive(Debug, thiserror::Error)]
pub enum RootfsError {
    /// The state directory failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// An image's layers could not be used.
    #[error(transparent)]
    Image(#[from] image::ImageError),
    /// A system call failed.
    #[error("{action} {}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// With which path.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
}

pub(crate) fn io_error<'p>(action: &'static str, path: &'p Path) -> impl FnOnce(io::Error) -> RootfsError + 'p {
    move |source| RootfsError::Io { action, path: path.to_path_buf(), source }
}

/// Prepares the root file system of the container `name`.
pub fn prepare(
    state: &StateDir,
    name: &str,
    request: &RootfsRequest<'_>,
    options: RootfsOptions,
) -> Result<Rootfs, RootfsError> {
    match request {
        RootfsRequest::Dir(path) => directory::prepare(state, name, path, options),
        RootfsRequest::Image(image @ image::Image { stack: Some(stack), .. }) => {
            layers::prepare(state, name, image, stack, options)
        }
        RootfsRequest::Image(image) => {
            let mut rootfs = directory::prepare(state, name, &image.root, options)?;
            if let RootfsSource::Dir { protection, .. } = rootfs.source {
                rootfs.source = RootfsSource::Image { path: image.path.clone(), protection };
            }
            Ok(rootfs)
        }
        RootfsRequest::Empty => Ok(Rootfs {
            root: state.dir(&format!("rootfs/{name}"), 0o755)?,
            mounts: Vec::new(),
            readonly_paths: Vec::new(),
            fixed: Vec::new(),
            source: RootfsSource::Empty,
        }),
        RootfsRequest::Host(image) => host::prepare(state, name, image, options),
    }
}
