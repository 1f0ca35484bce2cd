//! The change under examination.

use crate::pod_security::PodSecurity;
use k8s_openapi::api::core::v1::Namespace;
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

/// A change of namespaces' labels, or of the plugin's configuration, or of both.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Labels to set, or, without a value, to take away.
    pub labels: BTreeMap<String, Option<String>>,
    /// The namespaces to label; `None` for all.
    pub namespaces: Option<BTreeSet<String>>,
    /// The configuration to come.
    pub pod_security: Option<PodSecurity>,
}

impl Change {
    /// The namespace with its new labels.
    pub(super) fn applied_to<'n>(&self, namespace: &'n Namespace) -> Cow<'n, Namespace> {
        let name = namespace.metadata.name.as_deref().unwrap_or_default();
        if self.labels.is_empty() || self.namespaces.as_ref().is_some_and(|names| !names.contains(name)) {
            return Cow::Borrowed(namespace);
        }
        let mut namespace = namespace.clone();
        let labels = namespace.metadata.labels.get_or_insert_default();
        for (label, value) in &self.labels {
            match value {
                Some(value) => labels.insert(label.clone(), value.clone()),
                None => labels.remove(label),
            };
        }
        Cow::Owned(namespace)
    }
}
