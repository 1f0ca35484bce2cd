//! Images as files: an OCI image layout (a directory, or a tar archive of one) and what `docker save` writes, unpacked
//! into the state directory.
//!
//! An image may come from anybody: digests are checked, every path is resolved within the new root, nothing that a layer
//! says leads out of it, and sizes are bounded.

mod archive;
mod config;
pub(crate) mod decompress;
pub(crate) mod digest;
mod entry;
mod layered;
pub(crate) mod manifest;
mod numbers;
mod pax;
mod place;
mod source;
mod sparse;
mod stack;
mod unpack;

use std::io;
use std::path::{Path, PathBuf};

use ringfence_context::facts::ImageFacts;

use crate::state::{StateDir, StateError};
pub(crate) use config::Config;
pub(crate) use source::Source;
pub use stack::Stack;
pub(crate) use stack::TopLevelKind;
pub(crate) use unpack::Unpacking;

/// How far to trust an image.
#[derive(Clone, Copy, Debug)]
pub struct ImageLimits {
    /// Bytes that all layers together may come to. Holes in files are none.
    pub bytes: u64,
    /// Entries that all layers together may have.
    pub entries: u64,
}

impl Default for ImageLimits {
    /// More than any image in use has, and less than what makes a machine unusable.
    fn default() -> Self {
        Self { bytes: 32 << 30, entries: 4_000_000 }
    }
}

/// An image that lies unpacked in the state directory.
#[derive(Clone, Debug)]
pub struct Image {
    /// The root directory; of an image with a `stack`, its uppermost layer alone.
    pub root: PathBuf,
    /// The layers, when they lie in directories of their own.
    pub stack: Option<Stack>,
    /// Where the image came from.
    pub path: PathBuf,
    /// Its configuration, and the user database of its root file system.
    pub facts: ImageFacts,
    /// What of the image is not there: device nodes are never made, and owners are the caller's without privilege.
    pub left_out: LeftOut,
}

/// What was not unpacked as the image says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Device nodes.
    pub devices: u64,
    /// Entries of others than root whose owner stayed the caller, who is root in a container.
    pub owners: u64,
    /// Extended attributes, file capabilities among them.
    pub attributes: u64,
}

/// Why an image was not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A file of the image could not be read.
    #[error("{what}")]
    Read {
        /// What was read.
        what: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The file is not an image.
    #[error("{} is not an image: {why}", path.display())]
    NotAnImage {
        /// The file or directory.
        path: PathBuf,
        /// What is missing.
        why: String,
    },
    /// The image does not have what its own documents name.
    #[error("the image has no {0}")]
    Missing(String),
    /// A document of the image is not understood.
    #[error("{what} of the image is not understood: {why}")]
    Malformed {
        /// The document.
        what: String,
        /// Why.
        why: String,
    },
    /// A digest does not match.
    #[error("{what} should have the digest {wanted} and has {found}")]
    Digest {
        /// What was read.
        what: String,
        /// What the image says.
        wanted: String,
        /// What it comes to.
        found: String,
    },
    /// A layer has an entry that an honest image does not have.
    #[error("layer {layer}: {path:?} {why}")]
    Hostile {
        /// The layer, from 0.
        layer: usize,
        /// The entry.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The image is larger than the limits.
    #[error("the image has more than {limit} {what}")]
    TooLarge {
        /// The limit.
        limit: u64,
        /// `bytes` or `entries`, and where.
        what: &'static str,
    },
    /// A file does not fit on the disk.
    #[error("layer {layer}: {path:?} has {wanted} bytes, and the file system has room for {free}")]
    NoRoom {
        /// The layer, from 0.
        layer: usize,
        /// The entry.
        path: PathBuf,
        /// The file's bytes.
        wanted: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// An entry could not be made.
    #[error("layer {layer}: {action} {path:?}")]
    Unpack {
        /// The layer, from 0.
        layer: usize,
        /// What was attempted.
        action: &'static str,
        /// The entry.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The state directory failed.
    #[error(transparent)]
    State(#[from] StateError),
}

impl ImageError {
    pub(crate) fn read(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Read { what, source }
    }

    #[allow(clippy::needless_pass_by_value, reason = "errors and texts are passed as they come")]
    pub(crate) fn malformed(what: impl Into<String>, why: impl std::fmt::Display) -> Self {
        Self::Malformed { what: what.into(), why: why.to_string() }
    }
}

/// Unpacks the image at `path`: a layout directory or an archive. `reference` chooses among several images by name; without
/// one the first for this machine is taken. `key` names the new root directory.
pub fn unpack(
    state: &StateDir,
    key: &str,
    path: &Path,
    reference: Option<&str>,
    limits: ImageLimits,
) -> Result<Image, ImageError> {
    let source = Source::open(path, state, key, limits)?;
    let manifest = manifest::find(&source, reference)?;
    let config = config::Config::read(&source, &manifest)?;
    let root = state.dir(&format!("images/{key}"), 0o755)?;
    let mut unpacking = unpack::Unpacking::new(&root, &[], limits)?;
    for (number, layer) in manifest.layers.iter().enumerate() {
        unpacking.layer(number, &source, layer, config.diff_id(number))?;
    }
    let left_out = unpacking.finish()?;
    let facts = config.facts(&root, reference.unwrap_or(&manifest.name))?;
    Ok(Image { root, stack: None, path: path.to_path_buf(), facts, left_out })
}
