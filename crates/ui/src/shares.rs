//! How many pods have which security context constraint, by namespace, found out once for as long as neither the pods,
//! nor the constraints, nor what the namespace gives them change.

use k8s_openapi::api::core::v1::Namespace;
use ringfence_admission::admit::{Now, Pipeline, Share};
use ringfence_admission::cluster::{Cluster, Platform};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};

/// Shares that are kept.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    /// By namespace. Only whole entries go in, so that a poisoned lock is as good as new.
    known: Mutex<HashMap<String, Known>>,
}

#[derive(Debug, Clone)]
struct Known {
    of: Revision,
    shares: Arc<[Share]>,
}

/// What shares follow from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Revision {
    pods: u64,
    constraints: u64,
    /// What the namespace says, hashed.
    namespace: u64,
}

/// The pods of a namespace, by constraint.
pub(crate) type Shared = (String, Arc<[Share]>);

/// How many pods have a constraint, or would be given it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Counts {
    /// Those for which it was recorded when they were made.
    pub(crate) pods: usize,
    /// Of these, those that would be given another one now.
    pub(crate) would_change: usize,
    /// Of these, those that no constraint would take now.
    pub(crate) would_be_refused: usize,
    /// All pods that would be given it now, whatever they have.
    pub(crate) would_have: usize,
}

impl Counts {
    /// Counts a share of pods for the constraint, or for those without one.
    pub(crate) fn add(&mut self, share: &Share, constraint: Option<&str>) {
        if share.recorded.as_deref() == constraint {
            self.pods += share.pods;
            self.would_change += if share.now.is_other(constraint) { share.pods } else { 0 };
            self.would_be_refused += if share.now == Now::Refused { share.pods } else { 0 };
        }
        if let Now::Given(given) = &share.now
            && Some(&**given) == constraint
        {
            self.would_have += share.pods;
        }
    }
}

impl Shares {
    /// Every namespace, by name; none on a cluster without constraints.
    pub(crate) fn all<C: Cluster>(&self, cluster: &C, pipeline: &Pipeline<C>) -> Vec<Shared> {
        if cluster.platform() != Platform::OpenShift {
            return Vec::new();
        }
        let mut namespaces = Vec::new();
        cluster.each_namespace(&mut |namespace| {
            namespaces.push((namespace.metadata.name.clone().unwrap_or_default(), hash(namespace)));
        });
        let all: Vec<Shared> = namespaces
            .into_iter()
            .map(|(name, hash)| {
                let shares = self.of(cluster, pipeline, &name, hash);
                (name, shares)
            })
            .collect();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() > all.len() {
            // `each_namespace` hands them over by name.
            known.retain(|name, _| all.binary_search_by(|(other, _)| other.cmp(name)).is_ok());
        }
        drop(known);
        all
    }

    /// One namespace; nothing on a cluster without constraints.
    pub(crate) fn one<C: Cluster>(
        &self,
        cluster: &C,
        pipeline: &Pipeline<C>,
        name: &str,
        namespace: &Namespace,
    ) -> Arc<[Share]> {
        match cluster.platform() {
            Platform::OpenShift => self.of(cluster, pipeline, name, hash(namespace)),
            Platform::Kubernetes => Arc::new([]),
        }
    }

    fn of<C: Cluster>(&self, cluster: &C, pipeline: &Pipeline<C>, name: &str, namespace: u64) -> Arc<[Share]> {
        // Revisions are read first: what changes meanwhile is seen the next time.
        let of = cluster.pods_revision(name).zip(cluster.constraints_revision()).map(|(pods, constraints)| Revision {
            pods,
            constraints,
            namespace,
        });
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if let Some(known) = known.filter(|known| Some(known.of) == of) {
            return known.shares;
        }
        // A namespace that is gone by now has no pods.
        let shares: Arc<[Share]> = pipeline.shares(cluster, name).unwrap_or_default().into();
        if let Some(of) = of {
            let known = Known { of, shares: Arc::clone(&shares) };
            self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), known);
        }
        shares
    }
}

fn hash(namespace: &Namespace) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&namespace.metadata.annotations, &namespace.metadata.labels).hash(&mut hasher);
    hasher.finish()
}

/// The name of a constraint.
#[allow(clippy::ref_option, reason = "serde calls it so")]
pub(crate) fn name<S: serde::Serializer>(name: &Option<Arc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&name.as_deref(), serializer)
}
