//! Why there is no plan.

use crate::redis::ClusterError;

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No plan is known for the kind.
    #[error(
        "there is no plan for kind {kind:?} of {group:?}: plans are known for RedisEnterpriseCluster of app.redislabs.com, Elasticsearch of elasticsearch.k8s.elastic.co and ClusterServiceVersion of operators.coreos.com"
    )]
    Kind {
        /// The kind.
        kind: String,
        /// Its API group.
        group: String,
    },
    /// A version is not of the form that the product's versions have.
    #[error("--{option} {text:?} is no version of {product}: write it as {form}")]
    Malformed {
        /// `from` or `to`.
        option: &'static str,
        /// As given.
        text: String,
        /// Whose version.
        product: &'static str,
        /// An example.
        form: &'static str,
    },
    /// There has never been such a version.
    #[error("--{option} {text:?}: {product} has no release {line}; it has {known}")]
    Unknown {
        /// `from` or `to`.
        option: &'static str,
        /// As given.
        text: String,
        /// Whose version.
        product: &'static str,
        /// The release that there is not.
        line: String,
        /// Those that there are.
        known: String,
    },
    /// A version is needed and was not given.
    #[error("which version? name it with --{option}, such as {form}")]
    NoVersion {
        /// `from` or `to`.
        option: &'static str,
        /// An example.
        form: &'static str,
    },
    /// The version wanted is older.
    #[error("from {from} to {to} is a downgrade, for which there is no plan")]
    Downgrade {
        /// The one that runs.
        from: String,
        /// The one wanted.
        to: String,
    },
    /// Both versions are the same, and nothing else changes.
    #[error(
        "{version} runs already and nothing changes: name a newer --to, or the resource as it runs now with --before"
    )]
    Same {
        /// The version.
        version: String,
    },
    /// The namespace is not known.
    #[error("metadata.namespace: is not said, and the commands need it: write it, or name it with --namespace")]
    NoNamespace,
    /// A field is not what it should be.
    #[error("{field}: {message}")]
    Field {
        /// The field, from the object's root.
        field: String,
        /// What is wrong, and what to write.
        message: String,
    },
}

impl From<ClusterError> for PlanError {
    fn from(error: ClusterError) -> Self {
        Self::Field { field: error.field.to_owned(), message: error.message }
    }
}

impl PlanError {
    /// The field that is wrong, where it is one.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Kind { .. } => Some("kind"),
            Self::NoNamespace => Some("metadata"),
            Self::Field { field, .. } => Some(field),
            _ => None,
        }
    }
}
