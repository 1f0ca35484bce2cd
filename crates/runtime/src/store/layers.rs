//! Layers unpacked: each once, in a directory named after its chain ID (image-spec, `config.md`), because what a layer
//! means depends on those below it.

use std::fs::{self, DirBuilder, File, Permissions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ringfence_context::facts::ImageFacts;
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use super::{Resolved, Store, StoreError, io_error, lock_file};
use crate::rootfs::image::manifest::Part;
use crate::rootfs::image::{Image, ImageError, ImageLimits, LeftOut, Source, Stack, Unpacking, digest};

/// What is known of a layer that lies unpacked.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Known {
    diff_id: String,
    bytes: u64,
    entries: u64,
    devices: u64,
    owners: u64,
    #[serde(default)]
    attributes: u64,
}

/// The files' directory within a layer's.
const FILES: &str = "fs";
const KNOWN: &str = "layer.json";

/// The chain IDs of layers, without the algorithm.
pub(super) fn chain_ids(diff_ids: &[String]) -> Result<Vec<String>, StoreError> {
    let mut chain: Vec<String> = Vec::new();
    for diff_id in diff_ids {
        // They become names of directories.
        digest::blob_path(diff_id)?;
        chain.push(match chain.last() {
            None => diff_id.clone(),
            Some(below) => digest::of(format!("{below} {diff_id}").as_bytes()),
        });
    }
    Ok(chain.into_iter().map(|id| id.trim_start_matches("sha256:").to_owned()).collect())
}

impl Store {
    /// Unpacks the layers that are not yet, and holds them as long as the image lives. `step` is called before each
    /// layer that has to be unpacked.
    pub fn unpack(
        &self,
        resolved: &Resolved,
        limits: ImageLimits,
        step: &mut dyn FnMut(usize),
    ) -> Result<Image, StoreError> {
        let _guard = self.guard()?;
        let chain = chain_ids(&resolved.diff_ids)?;
        let mut below: Vec<PathBuf> = Vec::new();
        let mut leases = Vec::new();
        let mut left_out = LeftOut::default();
        let mut left = limits;
        for (number, ((id, diff_id), layer)) in chain.iter().zip(&resolved.diff_ids).zip(&resolved.layers).enumerate() {
            let wanted = Wanted { number, id, diff_id, blob: &layer.digest };
            let known = self.layer(&wanted, &below, left, step).inspect_err(|error| {
                if let StoreError::Image(ImageError::Digest { what, .. }) = error
                    && what.starts_with("blobs/")
                {
                    self.forget_damaged(&layer.digest);
                }
            })?;
            let too_large = |limit, what| StoreError::Image(ImageError::TooLarge { limit, what });
            left.bytes = left.bytes.checked_sub(known.bytes).ok_or_else(|| too_large(limits.bytes, "bytes"))?;
            left.entries =
                left.entries.checked_sub(known.entries).ok_or_else(|| too_large(limits.entries, "entries"))?;
            left_out.devices += known.devices;
            left_out.owners += known.owners;
            left_out.attributes += known.attributes;
            let dir = self.layer_dir(id);
            leases.push(lease(&dir)?);
            below.insert(0, dir.join(FILES));
        }
        let root = below.first().cloned().unwrap_or_default();
        let layers = resolved.layers.iter().zip(&resolved.diff_ids);
        let layers = layers.map(|(layer, diff_id)| (layer.digest.clone(), diff_id.clone())).collect();
        let stack = Stack::new(below, self.root.clone(), layers, limits, leases)?;
        let facts =
            ImageFacts { passwd: stack.text("etc/passwd")?, group: stack.text("etc/group")?, ..resolved.facts.clone() };
        Ok(Image { root, stack: Some(stack), path: PathBuf::from(&resolved.name), facts, left_out })
    }

    pub(super) fn layer_dir(&self, id: &str) -> PathBuf {
        self.root.join("layers").join(id)
    }

    fn layer(
        &self,
        wanted: &Wanted<'_>,
        below: &[PathBuf],
        limits: ImageLimits,
        step: &mut dyn FnMut(usize),
    ) -> Result<Known, StoreError> {
        let dir = self.layer_dir(wanted.id);
        if let Some(known) = known(&dir)? {
            return Ok(known);
        }
        let lock_path = self.root.join("locks").join(format!("layer-{}", wanted.id));
        let lock = lock_file(&lock_path)?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive)
            .map_err(|errno| io_error("lock", &lock_path)(errno.into()))?;
        if let Some(known) = known(&dir)? {
            return Ok(known);
        }
        step(wanted.number);
        // Of whoever had the lock before and was killed.
        let new = self.root.join("layers").join(format!(".new-{}", wanted.id));
        remove_tree(&new)?;
        self.unpack_layer(wanted, &new, below, limits)
            .and_then(|known| {
                let json =
                    serde_json::to_vec(&known).map_err(|source| StoreError::Index { path: new.join(KNOWN), source })?;
                fs::write(new.join(KNOWN), json).map_err(io_error("write", &new))?;
                fs::rename(&new, &dir).map_err(io_error("make", &dir))?;
                Ok(known)
            })
            .inspect_err(|_| {
                // The next one who needs the layer tries again.
                let _ = remove_tree(&new);
            })
    }

    fn unpack_layer(
        &self,
        wanted: &Wanted<'_>,
        new: &Path,
        below: &[PathBuf],
        limits: ImageLimits,
    ) -> Result<Known, StoreError> {
        let files = new.join(FILES);
        DirBuilder::new().mode(0o700).create(new).map_err(io_error("make", new))?;
        DirBuilder::new().mode(0o755).create(&files).map_err(io_error("make", &files))?;
        // Whatever the umask says.
        let mode = match below.first() {
            Some(lower) => fs::metadata(lower).map_err(io_error("look at", lower))?.permissions(),
            None => Permissions::from_mode(0o755),
        };
        fs::set_permissions(&files, mode).map_err(io_error("set the mode of", &files))?;
        let source = Source::layout(&self.root)?;
        let part = Part { file: digest::blob_path(wanted.blob)?, digest: Some(wanted.blob.to_owned()) };
        let mut unpacking = Unpacking::new(&files, below, limits)?;
        unpacking.layer(wanted.number, &source, &part, wanted.diff_id)?;
        let (bytes, entries) = unpacking.size();
        let LeftOut { devices, owners, attributes } = unpacking.finish()?;
        Ok(Known { diff_id: wanted.diff_id.to_owned(), bytes, entries, devices, owners, attributes })
    }
}

struct Wanted<'a> {
    number: usize,
    id: &'a str,
    diff_id: &'a str,
    blob: &'a str,
}

fn known(dir: &Path) -> Result<Option<Known>, StoreError> {
    let path = dir.join(KNOWN);
    match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|source| StoreError::Index { path, source }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error("read", &path)(error)),
    }
}

/// Keeps a layer from being removed while the file is open.
fn lease(dir: &Path) -> Result<File, StoreError> {
    let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
    let file = File::options().read(true).custom_flags(flags).open(dir).map_err(io_error("open", dir))?;
    rustix::fs::flock(&file, FlockOperation::LockShared).map_err(|errno| io_error("lock", dir)(errno.into()))?;
    Ok(file)
}

/// Removes a tree, also one with directories that their owner may not write to.
pub(super) fn remove_tree(path: &Path) -> Result<(), StoreError> {
    match crate::state::remove(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io_error("remove", path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_id_covers_all_layers_below() {
        let diff_id = |text: &str| digest::of(text.as_bytes());
        let ids = chain_ids(&[diff_id("a"), diff_id("b")]).unwrap();
        assert_eq!(format!("sha256:{}", ids[0]), diff_id("a"));
        assert_eq!(format!("sha256:{}", ids[1]), diff_id(&format!("{} {}", diff_id("a"), diff_id("b"))));
        assert!(chain_ids(&["sha256:../x".to_owned()]).is_err());
    }
}
