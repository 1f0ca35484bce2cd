//! What admission asks of a cluster, and a cluster that was written down.

mod kind;
mod lookup;
mod problem;
mod snapshot;
mod stream;

pub use kind::Kind;
pub use lookup::LookupError;
pub use problem::Problem;
pub use snapshot::{Builder, Snapshot};
pub use stream::{Item, each_item};

use k8s_openapi::api::core::v1::{Namespace, Pod};
use std::{ops::ControlFlow, sync::Arc};

/// Where namespaces are looked up.
pub trait Namespaces {
    /// The namespace of that name.
    fn namespace(&self, name: &str) -> Result<Arc<Namespace>, LookupError>;
}

/// Where the pods of a namespace are listed.
pub trait Pods {
    /// Hands every pod of the namespace to the visitor, in the order of their names, until it breaks off.
    fn pods(&self, namespace: &str, visit: &mut dyn FnMut(&Pod) -> ControlFlow<()>) -> Result<(), LookupError>;
}

/// What kind of cluster it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// Pod Security alone.
    Kubernetes,
    /// Security context constraints, then Pod Security.
    OpenShift,
}
