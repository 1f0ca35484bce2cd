//! What is known beside the manifest: images, the node, seccomp profiles. All of it is data that a caller supplies.

mod image;
mod image_name;
mod images_file;
mod node;
mod storage;

use std::collections::{BTreeMap, BTreeSet};

pub use image::{ImageFacts, ImageUser};
pub use image_name::{ImageNameError, normalise_image_name};
pub use images_file::{ImagesError, ImagesFile};
pub use node::{Limits, NodeCapabilities, NodeFacts, OpenFiles, RuntimeHandler};
pub use storage::StorageFacts;

/// Everything known beside the manifest. The default knows nothing, so that what depends on it is explicitly unknown.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Images by their normalised name (`docker.io/library/busybox:latest`); see [`Facts::add_images`].
    pub images: BTreeMap<String, ImageFacts>,
    /// The node, when one is known.
    pub node: Option<NodeFacts>,
    /// Which Localhost seccomp profiles the node has, when its seccomp directory is known: path relative to it, and
    /// what reading it gave.
    pub seccomp_profiles: Option<BTreeMap<String, Result<(), String>>>,
    /// Content of ConfigMaps and Secrets that came with the manifest is the caller's matter; here only which exist,
    /// as `ConfigMap/name` and `Secret/name`, when that is known.
    pub objects: Option<BTreeSet<String>>,
    /// The volumes that the `volumeClaimTemplates` of a StatefulSet supply beside the pod's own, by their names; the
    /// empty set for a workload that has none, `None` where that is not known.
    pub claim_templates: Option<BTreeSet<String>>,
    /// Claims, volumes and drivers of the cluster, as far as they came with the manifest.
    pub storage: StorageFacts,
}
