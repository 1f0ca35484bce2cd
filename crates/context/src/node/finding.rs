//! One thing that a node does to a manifest.

use serde::Serialize;

/// What a node cannot honour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The fact of the node that decides, by its key, such as `capabilities.bounding`.
    pub fact: &'static str,
    /// The container; `None` for the pod as a whole.
    pub container: Option<String>,
    /// The field that asks for it: a path from the pod.
    pub field: String,
    /// What happens, in one sentence.
    pub message: String,
    /// What to change, on the node or in the manifest.
    pub help: Option<String>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// It works, but not as one may think.
    Note,
    /// What decides is not known of this node.
    Unknown,
    /// It does not work there.
    Breaks,
}
