//! What becomes of a pod, or of the pods that a workload makes: the API server's admission plugins in their order.
//!
//! ```text
//! NamespaceLifecycle ─▶ ServiceAccount ─▶ SecurityContextConstraints ─▶ PodSecurity ─▶ SecurityContextConstraints
//!   is there a place?    whose pod is it?   which one, filling in what    of the pod     is it still as one wants it?
//! ```
//!
//! The second look of the constraints is at the pod as it will be stored; on plain Kubernetes there is neither look.

pub(crate) mod access;
mod again;
mod constrain;
mod lifecycle;
mod maker;
mod pipeline;
mod result;
mod run_level;
mod service_account;
mod token_volume;
mod update;

pub use again::{Again, Now, Share, recorded};
pub use constrain::Constrained;
pub use maker::{Maker, Pods, pods_of};
pub use pipeline::{Admitter, Pipeline, Workload};
pub use result::{Admission, Assumption, Plugin};
pub use run_level::is_without_constraints;
pub use update::Part;

use crate::cluster::{Kind, Platform};

/// The kinds of object that an admission follows from.
pub const fn needs(platform: Platform) -> &'static [Kind] {
    match platform {
        Platform::Kubernetes => &[Kind::Namespace, Kind::ServiceAccount],
        Platform::OpenShift => &crate::sync::NEEDS,
    }
}
