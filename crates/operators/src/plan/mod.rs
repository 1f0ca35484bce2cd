//! What to type for an installation, an upgrade or a change of mode, and how to tell before and after each step.
//!
//! ```text
//! custom resource + Ask ─▶ plan() ─▶ Plan: steps, each with commands, checks before, checks after
//! ```
//!
//! Pure: whether a check holds is asked of a cluster by the caller, through [`Fact`].

mod eck;
mod error;
mod olm;
mod redis;
mod scc;
mod step;
mod versions;

use ringfence_manifest::Node;

pub use error::PlanError;
pub use scc::{redis_enterprise_scc, redis_enterprise_scc_name};
pub use step::{Check, Command, Edit, Fact, Input, Plan, Step};

use crate::Platform;
use crate::redis::Cluster;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// The version that runs now; `None` for a new installation.
    pub from: Option<&'a str>,
    /// The version wanted.
    pub to: Option<&'a str>,
    /// Where.
    pub platform: Platform,
    /// The namespace of an object that does not say its own.
    pub namespace: Option<&'a str>,
    /// The resource as it runs now, where that differs from the one wanted.
    pub before: Option<Node<'a>>,
    /// The user that an older Elasticsearch is to run as.
    pub user: u32,
}

/// The plan for a custom resource.
pub fn plan(resource: Node<'_>, ask: &Ask<'_>) -> Result<Plan, PlanError> {
    let text = |key| resource.get(key).and_then(Node::as_str).unwrap_or_default();
    let (kind, group) = (text("kind"), text("apiVersion").split('/').next().unwrap_or_default());
    match (kind, group) {
        _ if Cluster::is(resource) => redis::plan(resource, ask),
        ("Elasticsearch", "elasticsearch.k8s.elastic.co") => eck::plan(resource, ask),
        ("ClusterServiceVersion", "operators.coreos.com") => olm::plan(resource, ask),
        _ => Err(PlanError::Kind { kind: kind.to_owned(), group: group.to_owned() }),
    }
}

#[cfg(test)]
mod tests;
