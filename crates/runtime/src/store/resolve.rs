//! From a name to an image that can be run.

use ringfence_context::facts::{ImageFacts, normalise_image_name};
use serde::Deserialize;

use super::{Descriptor, Document, Platform, Store, StoreError, choose};
use crate::rootfs::image::{Config, ImageError};

/// An index may name an index, but not forever.
const MAX_DEPTH: usize = 4;

/// Which image a name stands for here.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The name in full.
    pub name: String,
    /// What the name stands for: a manifest, or an index of manifests.
    pub digest: String,
    /// The manifest for the platform.
    pub manifest: String,
    /// For which machine the image is, as its configuration says.
    pub platform: Platform,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, the lowest first.
    pub layers: Vec<Descriptor>,
    /// The digests of the layers' plain bytes.
    pub diff_ids: Vec<String>,
    /// What the configuration says of the user and the process; without the user database, which lies in the layers.
    pub facts: ImageFacts,
    /// When it was built, as the configuration says.
    pub created: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct About {
    architecture: String,
    os: String,
    variant: Option<String>,
    created: Option<String>,
}

impl Store {
    /// The image called `reference`, for `platform`. `None` when the store does not have it.
    pub fn resolve(&self, reference: &str, platform: &Platform) -> Result<Option<Resolved>, StoreError> {
        let name = normalise_image_name(reference)?;
        let known = self.names()?.into_iter().find(|named| named.name == name);
        let digest = match (known, name.split_once('@')) {
            (Some(named), _) => named.descriptor.digest,
            // Whatever it is called elsewhere, it is what its digest says.
            (None, Some((_, digest))) if self.has(digest) => digest.to_owned(),
            _ => return Ok(None),
        };
        match self.select(&name, &digest, platform) {
            // Fetched for another platform, or partly removed by hand.
            Err(StoreError::Missing(_)) => Ok(None),
            other => other.map(Some),
        }
    }

    /// The image for `platform` among those of the document. [`StoreError::Missing`] when it was not fetched.
    pub fn select(&self, name: &str, digest: &str, platform: &Platform) -> Result<Resolved, StoreError> {
        let mut manifest = digest.to_owned();
        for _ in 0..MAX_DEPTH {
            let bytes = self.document(&manifest)?;
            let failed = |source| StoreError::Document { digest: manifest.clone(), source };
            match Document::parse(&bytes).map_err(failed)? {
                Document::Image { config, layers } => {
                    return self.image(name, digest, manifest, config, layers, platform);
                }
                Document::Index(all) => {
                    let fitting = choose(&all, platform);
                    let Some(first) = fitting.first() else {
                        return Err(StoreError::Platform {
                            name: name.to_owned(),
                            wanted: platform.clone(),
                            offered: offered(&all),
                        });
                    };
                    let here = fitting.iter().find(|descriptor| self.has(&descriptor.digest));
                    manifest.clone_from(&here.unwrap_or(first).digest);
                }
            }
        }
        Err(ImageError::malformed("the index", "indexes are nested too deeply").into())
    }

    fn image(
        &self,
        name: &str,
        digest: &str,
        manifest: String,
        config: Descriptor,
        layers: Vec<Descriptor>,
        platform: &Platform,
    ) -> Result<Resolved, StoreError> {
        let document = self.document(&config.digest)?;
        let parsed = Config::parse(&document, layers.len())?;
        let about: About =
            serde_json::from_slice(&document).map_err(|error| ImageError::malformed("the configuration", error))?;
        let said = !about.os.is_empty() && !about.architecture.is_empty();
        let own = Platform { os: about.os, architecture: about.architecture, variant: about.variant };
        if said && platform.rank(&own).is_none() {
            return Err(StoreError::Platform {
                name: name.to_owned(),
                wanted: platform.clone(),
                offered: vec![own.to_string()],
            });
        }
        let diff_ids = parsed.diff_ids().to_vec();
        let facts = ImageFacts { digest: Some(digest.to_owned()), ..parsed.execution(name) };
        Ok(Resolved {
            name: name.to_owned(),
            digest: digest.to_owned(),
            manifest,
            platform: if said { own } else { platform.clone() },
            config,
            layers,
            diff_ids,
            facts,
            created: about.created,
        })
    }
}

/// For which machines an index has images, for people.
pub(super) fn offered(all: &[Descriptor]) -> Vec<String> {
    let known = all.iter().filter_map(|descriptor| descriptor.platform.as_ref());
    let mut names: Vec<_> = known.filter(|platform| platform.os != "unknown").map(ToString::to_string).collect();
    names.dedup();
    if names.is_empty() {
        names.push("no machine that it names".to_owned());
    }
    names
}
