//! Removing what no name leads to and nobody uses.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ringfence_context::facts::normalise_image_name;
use rustix::fs::FlockOperation;

use super::layers::{chain_ids, remove_tree};
use super::{Document, Store, StoreError, io_error};
use crate::rootfs::image::Config;

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Blobs, with those that came in part.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Unpacked layers.
    pub layers: u64,
    /// Unpacked layers that no name leads to, kept because a container uses them.
    pub in_use: u64,
}

impl Store {
    /// Takes the name away. Returns whether it was there.
    pub fn remove(&self, reference: &str) -> Result<bool, StoreError> {
        self.untag(&normalise_image_name(reference)?)
    }

    /// Removes every blob and layer that no name leads to and nobody uses. Without `wait`, it is an error when another
    /// process is working in the store.
    pub fn prune(&self, wait: bool) -> Result<Removed, StoreError> {
        let _alone = self.alone(wait)?;
        let mut kept = Kept::default();
        for named in self.names()? {
            self.keep(&named.descriptor.digest, 0, &mut kept)?;
        }
        let mut removed = Removed::default();
        for dir in ["blobs/sha256", "ingest"] {
            for (name, path) in listing(&self.root.join(dir))? {
                if dir == "ingest" || !kept.blobs.contains(&name) {
                    // Blocks, and not the length: what came in part may have holes.
                    let size = fs::symlink_metadata(&path).map_or(0, |metadata| metadata.blocks() * 512);
                    fs::remove_file(&path).map_err(io_error("remove", &path))?;
                    removed.blobs += 1;
                    removed.bytes += size;
                }
            }
        }
        let used = layers_of_runs(&self.root);
        for (name, path) in listing(&self.root.join("layers"))? {
            if kept.layers.contains(&name) {
                continue;
            }
            if used.contains(&path) || is_leased(&path)? {
                removed.in_use += 1;
                continue;
            }
            remove_tree(&path)?;
            removed.layers += 1;
        }
        // Nobody holds one while this process is alone.
        for (_, path) in listing(&self.root.join("locks"))? {
            fs::remove_file(&path).map_err(io_error("remove", &path))?;
        }
        Ok(removed)
    }

    /// Notes the blobs that a document leads to. What is not here does not matter.
    fn keep(&self, digest: &str, depth: usize, kept: &mut Kept) -> Result<(), StoreError> {
        let hex = |digest: &str| digest.trim_start_matches("sha256:").to_owned();
        if depth > 8 || !kept.blobs.insert(hex(digest)) || !self.has(digest) {
            return Ok(());
        }
        let bytes = match self.document(digest) {
            // Damaged: it leads nowhere, and whoever needs it fetches it again.
            Err(StoreError::Digest { .. }) => return Ok(()),
            other => other?,
        };
        match Document::parse(&bytes) {
            Ok(Document::Index(manifests)) => {
                for descriptor in manifests.iter().filter(|descriptor| super::is_digest(&descriptor.digest)) {
                    self.keep(&descriptor.digest, depth + 1, kept)?;
                }
            }
            Ok(Document::Image { config, layers }) => {
                kept.blobs.extend(layers.iter().chain([&config]).map(|part| hex(&part.digest)));
                let parsed = self.document(&config.digest).ok();
                let parsed = parsed.and_then(|bytes| Config::parse(&bytes, layers.len()).ok());
                if let Some(chain) = parsed.and_then(|config| chain_ids(config.diff_ids()).ok()) {
                    kept.layers.extend(chain);
                }
            }
            Err(_) => {}
        }
        Ok(())
    }
}

#[derive(Default)]
struct Kept {
    blobs: BTreeSet<String>,
    layers: BTreeSet<String>,
}

fn listing(dir: &Path) -> Result<Vec<(String, PathBuf)>, StoreError> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(io_error("list", dir))?,
    };
    let mut all = Vec::new();
    for entry in entries {
        let entry = entry.map_err(io_error("list", dir))?;
        all.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    Ok(all)
}

/// Whether a living process holds the layer.
fn is_leased(dir: &Path) -> Result<bool, StoreError> {
    let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
    let file = File::options().read(true).custom_flags(flags).open(dir).map_err(io_error("open", dir))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(false),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
        Err(errno) => Err(io_error("lock", dir)(errno.into())),
    }
}

/// The layers of this store to which links of runs' state directories lead: a container may go on after whoever started
/// it is gone.
fn layers_of_runs(root: &Path) -> BTreeSet<PathBuf> {
    let layers = root.join("layers");
    let mut used = BTreeSet::new();
    let Ok(base) = crate::state::base_dir() else { return used };
    let below = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    for state in below(&base) {
        for overlay in below(&state.join("overlay")) {
            for link in below(&overlay) {
                let Ok(target) = fs::read_link(&link) else { continue };
                if let Ok(inside) = target.strip_prefix(&layers)
                    && let Some(id) = inside.components().next()
                {
                    used.insert(layers.join(id));
                }
            }
        }
    }
    used
}
