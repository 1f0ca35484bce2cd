//! The documents of an image: manifests and indexes, of OCI (image-spec, `manifest.md`, `image-index.md`) and of docker
//! (distribution, `manifest-v2-2.md`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Platform;

/// A document is not larger than this (distribution-spec: registries should take manifests of 4 MiB).
pub const MAX_DOCUMENT: u64 = 4 << 20;

/// More layers than any storage driver takes.
const MAX_LAYERS: usize = 512;

/// More variants of one image than anybody builds.
const MAX_MANIFESTS: usize = 1024;

/// Media types, as a client says which it understands.
pub const ACCEPTED: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// The media type of an OCI manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of an OCI index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// What a document says of another blob.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Descriptor {
    /// Its media type.
    pub media_type: String,
    /// `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// Its size in bytes.
    pub size: u64,
    /// For which machine it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Names and notes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Where else its bytes may be had. Never asked: whoever wrote the manifest would choose whom this machine calls.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
}

/// A document by its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// Variants of an image, each for another machine.
    Index(Vec<Descriptor>),
    /// An image.
    Image {
        /// The configuration.
        config: Descriptor,
        /// The layers, the lowest first.
        layers: Vec<Descriptor>,
    },
}

/// Why a document cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// It is no JSON of this form.
    #[error("it is not understood")]
    Json(#[source] serde_json::Error),
    /// Docker's old form, without digests of the layers' contents.
    #[error(
        "it is an image of manifest schema 1, which docker gave up in 2019 and cannot be verified; build or push it again with a current tool"
    )]
    Schema1,
    /// It is something else than an image, such as a chart or a signature.
    #[error("it is no image: {0}")]
    NotAnImage(String),
    /// It has more parts than an honest one.
    #[error("it has more than {limit} {what}")]
    TooMany {
        /// The limit.
        limit: usize,
        /// `layers` or `manifests`.
        what: &'static str,
    },
    /// A digest is not sha256.
    #[error("{0:?} is not sha256: and 64 hexadecimal digits")]
    Digest(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Any {
    schema_version: Option<u64>,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
    #[serde(default)]
    fs_layers: Option<serde::de::IgnoredAny>,
}

impl Document {
    /// Reads a document. What it is its own fields say, which its digest covers, rather than whoever sent it.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let any: Any = serde_json::from_slice(bytes).map_err(DocumentError::Json)?;
        if any.schema_version == Some(1) || any.fs_layers.is_some() {
            return Err(DocumentError::Schema1);
        }
        let document = match (any.manifests, any.config, any.layers) {
            // A document that can be read as either is read differently by different tools (CVE-2021-41190).
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
                return Err(DocumentError::NotAnImage("it has both manifests and layers".to_owned()));
            }
            (Some(manifests), None, None) => Self::Index(manifests),
            (None, Some(config), Some(layers)) => Self::Image { config, layers },
            _ => {
                let what = any.media_type.unwrap_or_else(|| "neither manifests nor layers".to_owned());
                return Err(DocumentError::NotAnImage(what));
            }
        };
        match &document {
            Self::Index(manifests) if manifests.len() > MAX_MANIFESTS => {
                Err(DocumentError::TooMany { limit: MAX_MANIFESTS, what: "manifests" })
            }
            Self::Image { layers, .. } if layers.len() > MAX_LAYERS => {
                Err(DocumentError::TooMany { limit: MAX_LAYERS, what: "layers" })
            }
            Self::Image { config, layers } => {
                for part in layers.iter().chain([config]) {
                    if !is_digest(&part.digest) {
                        return Err(DocumentError::Digest(part.digest.clone()));
                    }
                }
                Ok(document)
            }
            Self::Index(_) => Ok(document),
        }
    }
}

/// The descriptors of an index for `platform`, the best first. Attestations, which builders store as variants for an
/// unknown machine, are none. One that does not say for which machine it is may be for any.
pub fn choose<'d>(manifests: &'d [Descriptor], platform: &Platform) -> Vec<&'d Descriptor> {
    let rank = |descriptor: &Descriptor| match &descriptor.platform {
        Some(offered) => platform.rank(offered),
        None => Some(u32::MAX),
    };
    let mut fitting: Vec<_> = manifests
        .iter()
        .filter(|descriptor| is_digest(&descriptor.digest))
        .filter_map(|descriptor| Some((rank(descriptor)?, descriptor)))
        .collect();
    // Stable: of two that fit alike the first is taken.
    fitting.sort_by_key(|(rank, _)| *rank);
    fitting.into_iter().map(|(_, descriptor)| descriptor).collect()
}

/// The digest of bytes.
pub fn digest(bytes: &[u8]) -> String {
    crate::rootfs::image::digest::of(bytes)
}

/// Whether it is `sha256:` and 64 lower-case hexadecimal digits.
pub fn is_digest(text: &str) -> bool {
    crate::rootfs::image::digest::blob_path(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn manifests_and_indexes_are_told_apart_by_what_they_have() {
        let image = format!(r#"{{"schemaVersion":2,"config":{{"digest":"{DIGEST}","size":1}},"layers":[]}}"#);
        assert!(matches!(Document::parse(image.as_bytes()), Ok(Document::Image { .. })));
        assert!(matches!(Document::parse(br#"{"manifests":[]}"#), Ok(Document::Index(_))));
        let both = format!(r#"{{"manifests":[],"config":{{"digest":"{DIGEST}"}},"layers":[]}}"#);
        assert!(matches!(Document::parse(both.as_bytes()), Err(DocumentError::NotAnImage(_))));
        assert!(matches!(Document::parse(b"{}"), Err(DocumentError::NotAnImage(_))));
        assert!(matches!(Document::parse(b"["), Err(DocumentError::Json(_))));
    }

    #[test]
    fn schema_1_is_refused_by_its_name() {
        for text in [r#"{"schemaVersion":1,"fsLayers":[]}"#, r#"{"schemaVersion":1}"#, r#"{"fsLayers":[]}"#] {
            assert!(matches!(Document::parse(text.as_bytes()), Err(DocumentError::Schema1)), "{text}");
        }
    }

    #[test]
    fn a_digest_that_is_a_path_is_refused() {
        let image = r#"{"config":{"digest":"sha256:../../../etc/passwd"},"layers":[]}"#;
        assert!(matches!(Document::parse(image.as_bytes()), Err(DocumentError::Digest(_))));
    }

    #[test]
    fn the_best_variant_is_chosen_and_attestations_never() {
        let of = |platform: Option<&str>| Descriptor {
            digest: DIGEST.to_owned(),
            platform: platform.map(|text| text.parse().unwrap()),
            ..Descriptor::default()
        };
        let all = [of(Some("unknown/unknown")), of(Some("linux/arm/v6")), of(Some("linux/arm/v7")), of(None)];
        let chosen = choose(&all, &"linux/arm/v7".parse().unwrap());
        assert_eq!(chosen.len(), 3);
        assert!(std::ptr::eq(chosen[0], &raw const all[2]));
        assert!(std::ptr::eq(chosen[1], &raw const all[1]));
    }
}
