//! What of a RedisEnterpriseCluster decides about its pods.

use ringfence_manifest::{Kind, Node};

use super::{GROUP, Mode};
use crate::Version;

/// A RedisEnterpriseCluster, as far as its pods' privileges depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`, empty where the manifest does not say.
    pub namespace: String,
    /// `spec.securityContext.resourceLimits.allowAutoAdjustment`.
    pub allow_auto_adjustment: Option<bool>,
    /// The service account of the node pods: `spec.serviceAccountName`, or the cluster's own name.
    pub service_account: String,
    /// Whether the operator makes that service account: `spec.createServiceAccount`, true where absent.
    pub creates_service_account: bool,
    /// How many pods the node StatefulSet has: `spec.nodes`, 3 where absent.
    pub nodes: i64,
}

/// Why a RedisEnterpriseCluster could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct ClusterError {
    /// The field, from the object's root.
    pub field: &'static str,
    /// What is wrong with it, and what to write.
    pub message: String,
}

impl Cluster {
    /// Whether `node` is a RedisEnterpriseCluster, whatever the version of its API.
    #[must_use]
    pub fn is(node: Node<'_>) -> bool {
        let text = |key| node.get(key).and_then(Node::as_str).unwrap_or_default();
        let group = text("apiVersion").split('/').next().unwrap_or_default();
        text("kind") == "RedisEnterpriseCluster" && group == GROUP
    }

    /// Reads a RedisEnterpriseCluster.
    pub fn read(node: Node<'_>) -> Result<Self, ClusterError> {
        let name = text(node, "metadata.name")?.unwrap_or_default();
        if name.is_empty() {
            let message = "a RedisEnterpriseCluster needs a name: its pods and service account are named after it";
            return Err(ClusterError { field: "metadata.name", message: message.to_owned() });
        }
        let service_account = text(node, "spec.serviceAccountName")?.filter(|name| !name.is_empty());
        Ok(Self {
            namespace: text(node, "metadata.namespace")?.unwrap_or_default(),
            allow_auto_adjustment: flag(node, "spec.securityContext.resourceLimits.allowAutoAdjustment")?,
            service_account: service_account.unwrap_or_else(|| name.clone()),
            creates_service_account: flag(node, "spec.createServiceAccount")?.unwrap_or(true),
            nodes: number(node, "spec.nodes")?.unwrap_or(3),
            name,
        })
    }

    /// The mode of its node containers under an operator of this version.
    #[must_use]
    pub fn mode(&self, operator: &Version) -> Mode {
        Mode::of(operator, self.allow_auto_adjustment)
    }

    /// The StatefulSet of its nodes.
    #[must_use]
    pub fn stateful_set(&self) -> &str {
        &self.name
    }

    /// The pods of its nodes.
    pub fn pods(&self) -> impl Iterator<Item = String> {
        (0..self.nodes.clamp(0, 1000)).map(|i| format!("{}-{i}", self.name))
    }

    /// The Deployment of the services rigger.
    #[must_use]
    pub fn services_rigger(&self) -> String {
        format!("{}-services-rigger", self.name)
    }
}

fn wrong(field: &'static str, wanted: &str, found: Node<'_>) -> ClusterError {
    ClusterError { field, message: format!("expected {wanted}, found {}", found.to_json()) }
}

fn text(node: Node<'_>, field: &'static str) -> Result<Option<String>, ClusterError> {
    match node.find(field) {
        None => Ok(None),
        Some(found) => match found.kind() {
            Kind::Null => Ok(None),
            Kind::Str(text) => Ok(Some(text.to_owned())),
            _ => Err(wrong(field, "a string", found)),
        },
    }
}

fn flag(node: Node<'_>, field: &'static str) -> Result<Option<bool>, ClusterError> {
    match node.find(field) {
        None => Ok(None),
        Some(found) => match found.kind() {
            Kind::Null => Ok(None),
            Kind::Bool(flag) => Ok(Some(flag)),
            _ => Err(wrong(field, "true or false", found)),
        },
    }
}

fn number(node: Node<'_>, field: &'static str) -> Result<Option<i64>, ClusterError> {
    match node.find(field) {
        None => Ok(None),
        Some(found) => match found.kind() {
            Kind::Null => Ok(None),
            Kind::Int(number) => Ok(Some(number)),
            _ => Err(wrong(field, "a whole number", found)),
        },
    }
}
