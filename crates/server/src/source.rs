//! Where the cluster's objects come from.

use k8s_openapi::api::core::v1::Pod;
use ringfence_admission::cluster::{Cluster, Pods as _, Snapshot};
use ringfence_admission::waiver::Waivers;
use ringfence_live::NotHad;
use ringfence_ui::Freshness;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;

/// A cluster that requests are judged against.
pub type AnyCluster = Arc<dyn Cluster + Send + Sync>;

/// A pod that is asked for.
pub type Asked<'s> = Pin<Box<dyn Future<Output = Result<Pod, NotHad>> + Send + 's>>;

/// Knows a cluster, now or soon.
pub trait Source: Send + Sync {
    /// The cluster, or why there is none yet.
    fn cluster(&self) -> Result<AnyCluster, &'static str>;

    /// Makes sure that a namespace that was made a moment ago is known. `None` if nothing is to be done.
    fn look_up<'s>(&'s self, namespace: &'s str) -> Option<Pin<Box<dyn Future<Output = ()> + Send + 's>>> {
        let _ = namespace;
        None
    }

    /// The pod of that name, as it is stored, or why it is not to be had.
    fn pod<'s>(&'s self, namespace: &'s str, name: &'s str) -> Asked<'s>;

    /// How fresh what is known is; `None` where nothing ever changes.
    fn freshness(&self) -> Option<Freshness> {
        None
    }

    /// The waivers that count, if any do.
    fn waivers(&self) -> Option<Arc<Waivers>> {
        None
    }

    /// A number that changes whenever constraints, or what namespaces give them, do.
    fn revision(&self) -> u64 {
        0
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

    fn pod<'s>(&'s self, namespace: &'s str, name: &'s str) -> Asked<'s> {
        let mut found = Err(NotHad::None);
        // A snapshot never fails.
        let _ = self.pods(namespace, &mut |pod| {
            if pod.metadata.name.as_deref() == Some(name) {
                found = Ok(pod.clone());
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        Box::pin(std::future::ready(found))
    }
}
