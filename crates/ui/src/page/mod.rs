//! One file for each view: what it shows, found in the cluster, and how.

pub(crate) mod namespace;
pub(crate) mod namespaces;
pub(crate) mod overview;
pub(crate) mod pod;
pub(crate) mod pods;
mod scc;
pub(crate) mod search;
pub(crate) mod workloads;

/// Whether a text is in another, whatever the case.
fn has(text: &str, wanted: &str) -> bool {
    // Names are short, and nearly always in lower case already.
    wanted.is_empty() || text.contains(wanted) || text.to_lowercase().contains(&wanted.to_lowercase())
}
