//! Why an object is not to be had.

use crate::quote::Quoted;

/// The object cannot be had. It is worded as the API server words it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LookupError {
    /// Whether the object is known not to exist.
    pub not_found: bool,
    message: String,
}

impl LookupError {
    /// There is no such object: `namespaces "a" not found`.
    pub fn not_found(resource: &str, name: &str) -> Self {
        if name.is_empty() {
            // A client refuses to ask for it.
            return Self { not_found: true, message: "resource name may not be empty".to_owned() };
        }
        Self { not_found: true, message: format!("{resource} {} not found", Quoted(name)) }
    }

    /// Something else is in the way.
    pub fn other(message: impl Into<String>) -> Self {
        Self { not_found: false, message: message.into() }
    }
}
