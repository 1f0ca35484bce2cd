//! The local store of images: an OCI image layout (image-spec, `image-layout.md`) whose blobs are found by their digest,
//! with the layers unpacked beside them.
//!
//! ```text
//! oci-layout  index.json   names and what they stand for; other tools can read the layout, too
//! blobs/sha256/…           documents and layers as they came, verified when written and when read
//! layers/…/fs              each layer unpacked once, by its chain ID, shared by all containers
//! ingest/…                 what is being fetched, kept for the next try
//! lock  locks/…            who is at work
//! ```
//!
//! Any number of processes may use it at once. Nothing is ever changed in place: files and directories appear whole,
//! under the name of their digest. What removes things excludes all others meanwhile, and spares what a container uses.

mod blob;
mod document;
mod index;
mod layers;
mod load;
mod platform;
mod prune;
mod resolve;

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use crate::rootfs::image::ImageError;

pub use blob::{Claim, Ingest};
pub use document::{
    ACCEPTED, Descriptor, Document, DocumentError, MAX_DOCUMENT, OCI_INDEX, OCI_MANIFEST, choose, digest, is_digest,
};
pub use index::Named;
pub use platform::{Platform, PlatformError};
pub use prune::Removed;
pub use resolve::Resolved;

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory cannot be trusted with images.
    #[error("{} cannot hold images: {why}", path.display())]
    Base {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
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
    /// The file of names is damaged.
    #[error("{} is not understood", path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A blob that should be here is not.
    #[error("the store does not have {0}")]
    Missing(String),
    /// A blob is not what its name says.
    #[error("{what} should have the digest {wanted} and has {found}")]
    Digest {
        /// Which.
        what: String,
        /// The digest that it should have.
        wanted: String,
        /// The digest that it has.
        found: String,
    },
    /// A blob has another size than its descriptor says.
    #[error("{digest} should have {wanted} bytes and has {found}")]
    Size {
        /// Which.
        digest: String,
        /// As its descriptor says.
        wanted: u64,
        /// As it came.
        found: u64,
    },
    /// A document cannot be used.
    #[error("{digest}")]
    Document {
        /// Which.
        digest: String,
        /// Why.
        #[source]
        source: DocumentError,
    },
    /// The image is not for this machine.
    #[error("{name} is not for {wanted}; it is for {}", offered.join(", "))]
    Platform {
        /// The image.
        name: String,
        /// What was asked for.
        wanted: Platform,
        /// What there is.
        offered: Vec<String>,
    },
    /// The name is none.
    #[error(transparent)]
    Name(#[from] ringfence_context::facts::ImageNameError),
    /// A layer could not be unpacked, or a file is no image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Another process uses the store in a way that excludes this.
    #[error("another process is working in {}", .0.display())]
    Busy(PathBuf),
}

pub(crate) fn io_error<'p>(action: &'static str, path: &'p Path) -> impl FnOnce(io::Error) -> StoreError + 'p {
    move |source| StoreError::Io { action, path: path.to_path_buf(), source }
}

/// A store of images.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
}

/// While it lives, nothing is removed from the store.
#[derive(Debug)]
pub struct Guard {
    _lock: File,
}

impl Store {
    /// Where the store is when nobody says: `/var/lib/ringfence` for root, otherwise `$XDG_DATA_HOME/ringfence` or
    /// `~/.local/share/ringfence`. `None` for a user without a home.
    pub fn default_root() -> Option<PathBuf> {
        if crate::observe::is_machine_root() {
            return Some(PathBuf::from("/var/lib/ringfence"));
        }
        let dir = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        dir("XDG_DATA_HOME").or_else(|| Some(dir("HOME")?.join(".local/share"))).map(|path| path.join("ringfence"))
    }

    /// Opens the store at `root`, and makes it when it is not there.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        if let Some(parent) = root.parent() {
            fs::create_dir_all(parent).map_err(io_error("make", parent))?;
        }
        make_dir(root)?;
        let store = Self::existing(root)?.ok_or_else(|| StoreError::Missing(root.display().to_string()))?;
        for dir in ["blobs", "blobs/sha256", "layers", "ingest", "locks"] {
            make_dir(&store.root.join(dir))?;
        }
        let mark = store.root.join("oci-layout");
        if !mark.exists() {
            store.replace(&mark, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        }
        Ok(store)
    }

    /// Opens the store at `root` if there is one.
    pub fn existing(root: &Path) -> Result<Option<Self>, StoreError> {
        let refuse = |why: String| Err(StoreError::Base { path: root.to_path_buf(), why });
        let root = match fs::canonicalize(root) {
            Ok(root) => root,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("find", root)(error)),
        };
        let metadata = fs::metadata(&root).map_err(io_error("look at", &root))?;
        if !metadata.is_dir() {
            return refuse("it is not a directory".to_owned());
        }
        // Layers have setuid programs in them, and whoever can write here decides what runs.
        let uid = rustix::process::geteuid().as_raw();
        if metadata.uid() != uid {
            return refuse(format!("it belongs to user {}, not to {uid}", metadata.uid()));
        }
        if metadata.mode() & 0o022 != 0 {
            return refuse(format!("others may write to it (mode {:o})", metadata.mode() & 0o7777));
        }
        Ok(Some(Self { root }))
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Keeps others from removing anything while images are added or used.
    pub fn guard(&self) -> Result<Guard, StoreError> {
        let path = self.root.join("lock");
        let lock = lock_file(&path)?;
        rustix::fs::flock(&lock, FlockOperation::LockShared).map_err(|errno| io_error("lock", &path)(errno.into()))?;
        Ok(Guard { _lock: lock })
    }

    /// Keeps all others out.
    fn alone(&self, wait: bool) -> Result<Guard, StoreError> {
        let path = self.root.join("lock");
        let lock = lock_file(&path)?;
        let how = if wait { FlockOperation::LockExclusive } else { FlockOperation::NonBlockingLockExclusive };
        match rustix::fs::flock(&lock, how) {
            Ok(()) => Ok(Guard { _lock: lock }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(StoreError::Busy(self.root.clone())),
            Err(errno) => Err(io_error("lock", &path)(errno.into())),
        }
    }

    /// Writes a file so that it is there whole or not at all.
    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let new = self.root.join("ingest").join(format!(".{}", random_name()?));
        let write = || -> io::Result<()> {
            let mut file = File::options().write(true).create_new(true).mode(0o600).open(&new)?;
            io::Write::write_all(&mut file, bytes)?;
            file.sync_all()?;
            fs::rename(&new, path)
        };
        write().map_err(|error| {
            // It may never have been made.
            let _ = fs::remove_file(&new);
            io_error("write", path)(error)
        })
    }
}

fn make_dir(path: &Path) -> Result<(), StoreError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(io_error("make", path)(error)),
        _ => Ok(()),
    }
}

fn lock_file(path: &Path) -> Result<File, StoreError> {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
        .map_err(io_error("open", path))
}

fn random_name() -> Result<String, StoreError> {
    crate::state::random_name().map_err(io_error("read", Path::new("/dev/urandom")))
}
