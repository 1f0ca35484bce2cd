//! Which image of a file is meant, and of which layers it is made: `index.json` of an OCI layout
//! (image-spec, `image-layout.md`), or `manifest.json` of `docker save`.

use serde::Deserialize;

use super::ImageError;
use super::digest;
use super::source::Source;
use crate::store::{Descriptor, Platform};

/// An index may name an index, but not forever.
const MAX_DEPTH: usize = 4;

/// More layers than any storage driver takes.
const MAX_LAYERS: usize = 512;

/// An image's parts.
#[derive(Debug)]
pub(crate) struct Manifest {
    /// By which the file calls it; may be empty.
    pub(crate) name: String,
    pub(crate) config: Part,
    pub(crate) layers: Vec<Part>,
}

/// A file of the image, with its digest where the image tells it.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) file: String,
    pub(crate) digest: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct OciManifest {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerManifest {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// Finds the image called `reference`, or the first for this machine.
pub(crate) fn find(source: &Source, reference: Option<&str>) -> Result<Manifest, ImageError> {
    let manifest = if source.has("index.json") {
        let index: Index = parse("index.json", &source.document("index.json")?)?;
        oci(source, &index, reference, 0)?
    } else if source.has("manifest.json") {
        docker(parse("manifest.json", &source.document("manifest.json")?)?, reference)?
    } else {
        return Err(ImageError::NotAnImage {
            path: source.path().to_path_buf(),
            why: "it has neither index.json nor manifest.json".to_owned(),
        });
    };
    if manifest.layers.len() > MAX_LAYERS {
        return Err(ImageError::TooLarge { limit: MAX_LAYERS as u64, what: "layers" });
    }
    Ok(manifest)
}

fn parse<'d, T: Deserialize<'d>>(what: &str, document: &'d [u8]) -> Result<T, ImageError> {
    serde_json::from_slice(document).map_err(|error| ImageError::malformed(what, error))
}

fn oci(source: &Source, index: &Index, reference: Option<&str>, depth: usize) -> Result<Manifest, ImageError> {
    let descriptor = index
        .manifests
        .iter()
        .filter(|descriptor| descriptor.platform.as_ref().is_none_or(is_ours))
        .find(|descriptor| reference.is_none_or(|reference| is_called(descriptor, reference)))
        .ok_or_else(|| match reference {
            Some(reference) => ImageError::Missing(format!("manifest called {reference:?} for this machine")),
            None => ImageError::Missing("manifest for this machine".to_owned()),
        })?;
    let document = verified(source, &descriptor.digest)?;
    if descriptor.media_type.ends_with("image.index.v1+json")
        || descriptor.media_type.ends_with("manifest.list.v2+json")
    {
        if depth >= MAX_DEPTH {
            return Err(ImageError::malformed("index.json", "indexes are nested too deeply"));
        }
        let index = parse("an index", &document)?;
        // The outer index has the name.
        let mut manifest = oci(source, &index, None, depth + 1)?;
        manifest.name = name_of(descriptor);
        return Ok(manifest);
    }
    let manifest: OciManifest = parse("the manifest", &document)?;
    let part = |descriptor: &Descriptor| -> Result<Part, ImageError> {
        Ok(Part { file: digest::blob_path(&descriptor.digest)?, digest: Some(descriptor.digest.clone()) })
    };
    Ok(Manifest {
        name: name_of(descriptor),
        config: part(&manifest.config)?,
        layers: manifest.layers.iter().map(part).collect::<Result<_, _>>()?,
    })
}

fn verified(source: &Source, wanted: &str) -> Result<Vec<u8>, ImageError> {
    let file = digest::blob_path(wanted)?;
    let document = source.document(&file)?;
    let found = digest::of(&document);
    if found == wanted {
        Ok(document)
    } else {
        Err(ImageError::Digest { what: file, wanted: wanted.to_owned(), found })
    }
}

fn is_ours(platform: &Platform) -> bool {
    Platform::host().rank(platform).is_some()
}

/// An image of a file, with the names that it has there.
pub(crate) enum Saved {
    /// Of a layout: the document that the name stands for.
    Oci(String, Descriptor),
    /// Of `docker save`, which keeps no manifest.
    Docker(Vec<String>, Manifest),
}

/// Every image of a file.
pub(crate) fn saved(source: &Source) -> Result<Vec<Saved>, ImageError> {
    if source.has("index.json") {
        let index: Index = parse("index.json", &source.document("index.json")?)?;
        let one = |descriptor: Descriptor| Saved::Oci(name_of(&descriptor), descriptor);
        return Ok(index.manifests.into_iter().map(one).collect());
    }
    if source.has("manifest.json") {
        let images: Vec<DockerManifest> = parse("manifest.json", &source.document("manifest.json")?)?;
        return images
            .into_iter()
            .map(|mut image| Ok(Saved::Docker(image.repo_tags.take().unwrap_or_default(), docker(vec![image], None)?)))
            .collect();
    }
    Err(ImageError::NotAnImage {
        path: source.path().to_path_buf(),
        why: "it has neither index.json nor manifest.json".to_owned(),
    })
}

const NAMES: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

fn name_of(descriptor: &Descriptor) -> String {
    NAMES.iter().find_map(|name| descriptor.annotations.get(*name)).cloned().unwrap_or_default()
}

/// By its whole name, or by the tag alone that some tools note.
fn is_called(descriptor: &Descriptor, reference: &str) -> bool {
    NAMES.iter().filter_map(|name| descriptor.annotations.get(*name)).any(|name| {
        name == reference
            || !name.contains([':', '/']) && reference.rsplit_once(':').is_some_and(|(_, tag)| tag == name)
    })
}

fn docker(images: Vec<DockerManifest>, reference: Option<&str>) -> Result<Manifest, ImageError> {
    let is_meant = |image: &DockerManifest| {
        reference.is_none_or(|reference| image.repo_tags.iter().flatten().any(|tag| tag == reference))
    };
    let image = images.into_iter().find(is_meant).ok_or_else(|| match reference {
        Some(reference) => ImageError::Missing(format!("image tagged {reference:?}")),
        None => ImageError::Missing("image in manifest.json".to_owned()),
    })?;
    // Newer versions of docker save a layout at the same time, whose paths are digests.
    let part = |file: String| {
        let digest = file.strip_prefix("blobs/sha256/").map(|hex| format!("sha256:{hex}"));
        Part { file, digest }
    };
    let config_digest =
        image.config.strip_suffix(".json").filter(|hex| hex.len() == 64).map(|hex| format!("sha256:{hex}"));
    let mut config = part(image.config);
    config.digest = config.digest.or(config_digest);
    Ok(Manifest {
        name: image.repo_tags.and_then(|tags| tags.into_iter().next()).unwrap_or_default(),
        config,
        layers: image.layers.into_iter().map(part).collect(),
    })
}
