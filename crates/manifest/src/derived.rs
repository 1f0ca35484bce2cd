//! Workloads that an operator makes of a custom resource.

use std::collections::{BTreeMap, BTreeSet};

use crate::workload::join;

/// Where the parts of a derived workload come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Derivation {
    /// The custom resource's `apiVersion`.
    pub api_version: String,
    /// The custom resource's `kind`.
    pub kind: String,
    /// The custom resource's name.
    pub name: String,
    /// Who makes the workload, such as `ECK 2.14.0`.
    pub operator: String,
    /// Where the resource holds the pod template that the operator starts from; empty where it holds none.
    pub template: String,
    /// Where what the pods have comes from, by path from the pod's root: `spec.containers[0].securityContext`.
    pub sources: BTreeMap<String, Source>,
    /// The names of the added containers, by path: `spec.containers[0]`.
    pub containers: BTreeMap<String, String>,
    /// The names of the volumes that the workload claims.
    pub claims: BTreeSet<String>,
}

/// Where a value of a derived pod comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The custom resource, at this path from its root.
    Written(String),
    /// The operator.
    Added {
        /// Why it does.
        why: String,
        /// The field of the resource that decides it, from the resource's root.
        field: Option<String>,
    },
}

impl Derivation {
    /// Where the value at a path of the pod comes from; `None` where the pod has none.
    pub fn source(&self, pod_path: &str) -> Option<&Source> {
        self.sources.get(pod_path)
    }

    /// The field of the resource to look at, or to write, for a path of the pod.
    pub fn field(&self, pod_path: &str) -> String {
        let mut head = pod_path;
        // Decided by a field, but for something above it.
        let mut decided = None;
        loop {
            let below = pod_path.get(head.len()..).unwrap_or_default();
            match self.sources.get(head) {
                Some(Source::Written(path)) => return join(path, below.trim_start_matches('.')),
                Some(Source::Added { field: Some(field), .. }) if head == pod_path => return field.clone(),
                Some(Source::Added { field, .. }) => decided = decided.or(field.as_ref()),
                None => {}
            }
            if let Some(name) = self.containers.get(head).filter(|_| !self.template.is_empty()) {
                // The user's own container of that name is what the operator's goes together with.
                let list = head.rsplit_once('[').map_or(head, |(list, _)| list);
                let container = join(&self.template, &format!("{list}[name={name}]"));
                return join(&container, below.trim_start_matches('.'));
            }
            let Some(end) = head.rfind(['.', '[']) else { break };
            head = head.get(..end).unwrap_or_default();
        }
        match decided {
            Some(field) => field.clone(),
            None if self.template.is_empty() => "spec".to_owned(),
            None => join(&self.template, pod_path),
        }
    }
}
