//! Where the cluster's objects come from.

use ringfence_admission::cluster::{Cluster, Snapshot};
use std::pin::Pin;
use std::sync::Arc;

/// A cluster that requests are judged against.
pub type AnyCluster = Arc<dyn Cluster + Send + Sync>;

/// Knows a cluster, now or soon.
pub trait Source: Send + Sync {
    /// The cluster, or why there is none yet.
    fn cluster(&self) -> Result<AnyCluster, &'static str>;

    /// Makes sure that a namespace that was made a moment ago is known. `None` if nothing is to be done.
    fn look_up<'s>(&'s self, namespace: &'s str) -> Option<Pin<Box<dyn Future<Output = ()> + Send + 's>>> {
        let _ = namespace;
        None
    }

    /// Adds what is worth knowing to the metrics.
    fn metrics(&self, out: &mut String) {
        let _ = out;
    }
}

/// A snapshot is known from the start, and never changes.
impl Source for Arc<Snapshot> {
    fn cluster(&self) -> Result<AnyCluster, &'static str> {
        Ok(Arc::clone(self) as AnyCluster)
    }
}
