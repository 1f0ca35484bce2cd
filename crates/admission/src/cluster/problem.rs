//! What is wrong with a written-down cluster.

use super::kind::Kind;
use crate::{decode::DecodeError, rbac};

/// Something that could not be used, or is missed. Everything else is answered all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// An object is not what its kind should be.
    #[error("{source_name}: {kind} {name:?}: {error}")]
    BadObject {
        /// Where it was read.
        source_name: String,
        /// Its kind.
        kind: Kind,
        /// Its name, with its namespace before a slash.
        name: String,
        /// What is wrong.
        error: DecodeError,
    },
    /// Something is no object at all.
    #[error("{source_name}: not a Kubernetes object: {what}")]
    NoObject {
        /// Where it was read.
        source_name: String,
        /// What it is.
        what: &'static str,
    },
    /// An object has no name, or no namespace though it must have one.
    #[error("{source_name}: {kind} without {field}")]
    Unnamed {
        /// Where it was read.
        source_name: String,
        /// Its kind.
        kind: Kind,
        /// What is missing.
        field: &'static str,
    },
    /// An object is there more than once; the last counts.
    #[error("{source_name}: {kind} {name:?} is there again, and counts in place of the earlier one")]
    Again {
        /// Where the later one was read.
        source_name: String,
        /// Its kind.
        kind: Kind,
        /// Its name, with its namespace before a slash.
        name: String,
    },
    /// A binding is void.
    #[error(transparent)]
    Rbac(#[from] rbac::Problem),
}
