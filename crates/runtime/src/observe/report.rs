//! What the probe prints, and what it comes to beside the host.

use std::collections::BTreeMap;

use ringfence_context::process::ProcessState;
use serde::{Deserialize, Serialize};

use super::NamespaceIds;

/// The probe's line: its own state, the namespaces that it is in, and why something could not be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProbeReport {
    /// The state, without `namespaces`, which only a comparison can tell.
    pub state: ProcessState,
    /// The namespaces' inode numbers.
    pub namespace_ids: NamespaceIds,
    /// What could not be seen, by field, with the reason.
    pub not_seen: BTreeMap<String, String>,
}

impl ProbeReport {
    /// The state with the namespaces held against the host's.
    pub fn against(mut self, host: &NamespaceIds) -> (ProcessState, BTreeMap<String, String>) {
        self.state.namespaces = self.namespace_ids.against(host);
        (self.state, self.not_seen)
    }
}
