//! Why a document cannot be read.

use crate::location::Location;

/// A document that is neither YAML nor JSON as the API machinery reads them, or that exceeds a bound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {}, column {}: {message}", location.line, location.column)]
pub struct ReadError {
    /// What is wrong, in go-yaml's words where it is the same thing.
    pub message: String,
    /// Where it showed.
    pub location: Location,
}

impl ReadError {
    pub(crate) fn at(message: impl Into<String>, text: &str, pos: usize) -> Self {
        ReadError { message: message.into(), location: Location::START.advanced(text, pos) }
    }
}
