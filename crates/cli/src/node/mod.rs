//! What a node can honour: how its facts are read, judged and shown.

pub(crate) mod file;
pub(crate) mod look;
pub(crate) mod metrics;
pub(crate) mod report;
mod runtime;
pub(crate) mod serve;
pub(crate) mod text;

/// The annotation of a Node that holds its facts as JSON.
pub(crate) const ANNOTATION: &str = "ringfence.github.io/node-facts";
