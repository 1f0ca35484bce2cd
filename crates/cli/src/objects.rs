//! The ConfigMaps and Secrets that came with a pod.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use ringfence_context::facts::StorageFacts;
use ringfence_manifest::{Document, Node};
use ringfence_runtime::volume::Objects;

/// ConfigMaps and Secrets of one source and namespace, by name.
#[derive(Debug, Default)]
pub(crate) struct Found {
    config_maps: BTreeMap<String, ConfigMap>,
    secrets: BTreeMap<String, Secret>,
}

impl Found {
    /// Those of `documents` that a pod of `namespace` sees. What says no namespace is taken to be in the pod's.
    pub(crate) fn collect(documents: &[Document<'_>], namespace: &str) -> Self {
        let mut found = Self::default();
        for root in documents.iter().filter_map(Document::root) {
            found.add(root, namespace);
            // `kubectl get` prints lists; a list within a list it never does.
            for item in root.get("items").into_iter().flat_map(Node::items) {
                found.add(item, namespace);
            }
        }
        found
    }

    /// Their names as `ConfigMap/name` and `Secret/name`.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let config_maps = self.config_maps.keys().map(|name| format!("ConfigMap/{name}"));
        config_maps.chain(self.secrets.keys().map(|name| format!("Secret/{name}"))).collect()
    }

    fn add(&mut self, node: Node<'_>, namespace: &str) {
        let own = node.find("metadata.namespace").and_then(Node::as_str).unwrap_or_default();
        let Some(name) = node.find("metadata.name").and_then(Node::as_str) else { return };
        if !own.is_empty() && !namespace.is_empty() && own != namespace {
            return;
        }
        // One that cannot be decoded is missing, which the volume that wants it then says.
        match node.get("kind").and_then(Node::as_str) {
            Some("ConfigMap") => {
                if let Ok(object) = node.decode::<ConfigMap>() {
                    self.config_maps.insert(name.to_owned(), object);
                }
            }
            Some("Secret") => {
                if let Ok(object) = node.decode::<Secret>() {
                    self.secrets.insert(name.to_owned(), with_string_data(object));
                }
            }
            _ => {}
        }
    }
}

/// The claims, volumes and CSI drivers among the documents, lists included. One that cannot be decoded is missing.
pub(crate) fn storage(documents: &[Document<'_>]) -> StorageFacts {
    let mut facts = StorageFacts::default();
    for root in documents.iter().filter_map(Document::root) {
        for node in std::iter::once(root).chain(root.get("items").into_iter().flat_map(Node::items)) {
            match node.get("kind").and_then(Node::as_str) {
                Some("PersistentVolumeClaim") => facts.claims.extend(node.decode().ok()),
                Some("PersistentVolume") => facts.volumes.extend(node.decode().ok()),
                Some("CSIDriver") => facts.drivers.extend(node.decode().ok()),
                _ => {}
            }
        }
    }
    facts
}

/// The API server merges `stringData` into `data`; it wins.
fn with_string_data(mut secret: Secret) -> Secret {
    for (key, value) in secret.string_data.take().unwrap_or_default() {
        secret.data.get_or_insert_default().insert(key, k8s_openapi::ByteString(value.into_bytes()));
    }
    secret
}

impl Objects for Found {
    fn config_map(&self, name: &str) -> Option<&ConfigMap> {
        self.config_maps.get(name)
    }

    fn secret(&self, name: &str) -> Option<&Secret> {
        self.secrets.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_of_another_namespace_are_not_seen() {
        let yaml = b"{kind: ConfigMap, metadata: {name: a, namespace: other}}\n---\n{kind: Secret, metadata: {name: b}, stringData: {k: v}}\n---\nkind: List\nitems:\n- {kind: ConfigMap, metadata: {name: c, namespace: mine}}\n";
        let documents = ringfence_manifest::read(yaml);
        let found = Found::collect(&documents, "mine");
        assert_eq!(found.names().into_iter().collect::<Vec<_>>(), ["ConfigMap/c", "Secret/b"]);
        let data = found.secret("b").unwrap().data.as_ref().unwrap();
        assert_eq!(data["k"].0, b"v");
    }
}
