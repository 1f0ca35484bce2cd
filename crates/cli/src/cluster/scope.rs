//! Which namespaces a question is about, for whoever may not look into all of them.

use std::collections::BTreeSet;

use ringfence_admission::cluster::Kind;
use ringfence_manifest::{Document, Node};

use crate::input::Inputs;

/// Where a command looks if it may not look everywhere.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scope<'s> {
    /// In namespaces that were named.
    Named(&'s [String]),
    /// In the namespaces of the objects that are asked about.
    Inputs {
        inputs: &'s Inputs,
        /// That of objects that name none; otherwise the context's.
        default: Option<&'s str>,
    },
}

impl Scope<'_> {
    /// The namespaces. What cannot be read is complained of when it is judged.
    pub(super) fn namespaces(self, of_context: &str) -> BTreeSet<String> {
        match self {
            Self::Named(names) => names.iter().cloned().collect(),
            Self::Inputs { inputs, default } => {
                let mut found = BTreeSet::new();
                for entry in inputs.entries().0 {
                    let bytes = entry.peek().unwrap_or_default();
                    for document in ringfence_manifest::read(&bytes) {
                        if let Some(root) = Document::root(&document) {
                            collect(root, default.unwrap_or(of_context), &mut found);
                        }
                    }
                }
                found
            }
        }
    }
}

fn collect(root: Node<'_>, default: &str, found: &mut BTreeSet<String>) {
    for object in objects_of(root) {
        let text = |path: &str| object.find(path).and_then(Node::as_str).filter(|text| !text.is_empty());
        let (api_version, kind) = (text("apiVersion").unwrap_or("v1"), text("kind").unwrap_or_default());
        let name = match Kind::of(api_version, kind) {
            Some(Kind::Namespace) => text("metadata.name").unwrap_or_default(),
            Some(kind) if kind.is_cluster_scoped() => continue,
            _ => text("metadata.namespace").unwrap_or(default),
        };
        if is_name(name) {
            found.insert(name.to_owned());
        }
    }
}

/// The object, or those of a list.
fn objects_of(root: Node<'_>) -> Vec<Node<'_>> {
    let is_list = root.get("kind").and_then(Node::as_str).is_some_and(|kind| kind.ends_with("List"));
    match root.get("items") {
        Some(items) if is_list => items.items().collect(),
        _ => vec![root],
    }
}

/// Whether a namespace may be called that. Anything else would make another path of the request.
fn is_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= 63 && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        let mut found = BTreeSet::new();
        for document in ringfence_manifest::read(text.as_bytes()) {
            collect(document.root().unwrap(), "fallback", &mut found);
        }
        found.into_iter().collect()
    }

    #[test]
    fn objects_name_their_namespaces_and_namespaces_themselves() {
        let text = "{kind: List, items: [{kind: Pod, apiVersion: v1, metadata: {namespace: a}}, {kind: Deployment}]}\n\
                    --- {kind: Namespace, apiVersion: v1, metadata: {name: b}}\n\
                    --- {kind: ClusterRole, apiVersion: rbac.authorization.k8s.io/v1, metadata: {name: c}}\n";
        assert_eq!(of(text), ["a", "b", "fallback"]);
    }

    #[test]
    fn what_is_no_name_is_not_asked_for() {
        assert!(of("{kind: Pod, metadata: {namespace: ../../secrets}}").is_empty());
    }
}
