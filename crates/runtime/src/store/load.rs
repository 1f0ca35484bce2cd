//! Images from files into the store: OCI layouts, archives of them, and what `docker save` writes.

use std::path::Path;

use ringfence_context::facts::normalise_image_name;
use serde_json::json;

use super::{Descriptor, Document, Named, OCI_MANIFEST, Store, StoreError};
use crate::rootfs::image::manifest::{Manifest, Saved, saved};
use crate::rootfs::image::{ImageError, ImageLimits, Source, digest};
use crate::state::StateDir;

/// An index may name an index, but not forever.
const MAX_DEPTH: usize = 4;

impl Store {
    /// Adds every image of a file or directory under the names that it has there, or `name` for its only one. A file of
    /// compressed images is uncompressed into `state`. Nothing has a name before all of it is here.
    pub fn load(
        &self,
        path: &Path,
        name: Option<&str>,
        state: &StateDir,
        limits: ImageLimits,
    ) -> Result<Vec<Named>, StoreError> {
        let _guard = self.guard()?;
        let source = Source::open(path, state, "load", limits)?;
        let all = saved(&source)?;
        if name.is_some() && all.len() != 1 {
            let what = format!("image of its own to be called {:?}: it has {}", name.unwrap_or_default(), all.len());
            return Err(ImageError::Missing(what).into());
        }
        let mut loaded = Vec::new();
        for one in all {
            let (names, descriptor) = match one {
                Saved::Oci(name, descriptor) => {
                    self.copy(&source, &descriptor, 0, limits)?;
                    let descriptor = Descriptor { annotations: std::collections::BTreeMap::new(), ..descriptor };
                    (vec![name], descriptor)
                }
                Saved::Docker(names, manifest) => (names, self.convert(&source, &manifest, limits)?),
            };
            let names = match name {
                Some(name) => vec![name.to_owned()],
                None => names,
            };
            for name in names.iter().filter(|name| !name.is_empty()) {
                loaded.push(Named { name: normalise_image_name(name)?, descriptor: descriptor.clone() });
            }
        }
        if loaded.is_empty() {
            return Err(ImageError::Missing("name; say how to call it".to_owned()).into());
        }
        for named in &loaded {
            self.tag(&named.name, named.descriptor.clone())?;
        }
        Ok(loaded)
    }

    /// Copies a document and what it leads to.
    fn copy(
        &self,
        source: &Source,
        descriptor: &Descriptor,
        depth: usize,
        limits: ImageLimits,
    ) -> Result<(), StoreError> {
        let path = digest::blob_path(&descriptor.digest)?;
        let bytes = source.document(&path)?;
        let found = digest::of(&bytes);
        if found != descriptor.digest {
            return Err(StoreError::Digest { what: path, wanted: descriptor.digest.clone(), found });
        }
        let failed = |source| StoreError::Document { digest: descriptor.digest.clone(), source };
        match Document::parse(&bytes).map_err(failed)? {
            Document::Index(manifests) => {
                if depth >= MAX_DEPTH {
                    return Err(ImageError::malformed("the index", "indexes are nested too deeply").into());
                }
                let mut copied = 0;
                for descriptor in &manifests {
                    // An index may be saved without the images for other machines.
                    if digest::blob_path(&descriptor.digest).is_ok_and(|path| source.has(&path)) {
                        match self.copy(source, descriptor, depth + 1, limits) {
                            // Signatures and attestations lie beside images.
                            Err(StoreError::Document { .. }) => {}
                            other => {
                                other?;
                                copied += 1;
                            }
                        }
                    }
                }
                if copied == 0 {
                    return Err(ImageError::Missing("image that its index names".to_owned()).into());
                }
            }
            Document::Image { config, layers } => {
                for part in layers.iter().chain([&config]) {
                    if !self.has(&part.digest) {
                        let file = digest::blob_path(&part.digest)?;
                        self.add(&mut source.file(&file)?, &file, Some(&part.digest), limits.bytes)?;
                    }
                }
            }
        }
        self.add_document(&bytes).map(drop)
    }

    /// Adds what `docker save` wrote, under a manifest that says the same.
    fn convert(&self, source: &Source, manifest: &Manifest, limits: ImageLimits) -> Result<Descriptor, StoreError> {
        let config = source.document(&manifest.config.file)?;
        let config_digest = self.add_document(&config)?;
        if let Some(wanted) = manifest.config.digest.as_ref().filter(|wanted| **wanted != config_digest) {
            let what = manifest.config.file.clone();
            return Err(StoreError::Digest { what, wanted: wanted.clone(), found: config_digest });
        }
        let mut layers = Vec::new();
        for part in &manifest.layers {
            let mut file = source.file(&part.file)?;
            let layer = self.add(&mut file, &part.file, part.digest.as_deref(), limits.bytes)?;
            layers.push(json!({"mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": layer.digest, "size": layer.size}));
        }
        let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": config_digest, "size": config.len()},
            "layers": layers});
        let bytes = manifest.to_string();
        let digest = self.add_document(bytes.as_bytes())?;
        let size = bytes.len() as u64;
        Ok(Descriptor { media_type: OCI_MANIFEST.to_owned(), digest, size, ..Descriptor::default() })
    }
}
