//! Nodes from a file: facts as people write them, a report of `ringfence node check`, or Node objects that the DaemonSet
//! has annotated.

use std::path::{Path, PathBuf};

use ringfence_context::facts::NodeFacts;
use serde_json::Value;

use super::ANNOTATION;
use crate::facts::{FactsError, parse};

/// Why a file has no nodes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NodeFileError {
    #[error(transparent)]
    File(#[from] FactsError),
    #[error("{file}: node {name:?} has no annotation {ANNOTATION}: run the DaemonSet of `ringfence node daemonset`")]
    NotAnnotated { file: String, name: String },
    #[error("{file}: {what}: {source}")]
    Facts {
        file: String,
        what: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("{file}: has {count} nodes, and one is asked for")]
    Several { file: String, count: usize },
    /// A list would be taken for the fields in their order.
    #[error("{file}:1:1: expected the facts of a node, as keys and values, and found {found}")]
    NoMapping { file: String, found: &'static str },
    #[error("{file}: has no nodes")]
    None { file: String },
}

/// The nodes of a file, at least one.
pub(crate) fn nodes(path: &Path) -> Result<Vec<NodeFacts>, NodeFileError> {
    let file = path.display().to_string();
    let value: Value = parse(path)?;
    let found = match value {
        Value::Object(_) => None,
        Value::Array(_) => Some("a list"),
        _ => Some("a single value"),
    };
    if let Some(found) = found {
        return Err(NodeFileError::NoMapping { file, found });
    }
    let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default();
    let nodes = match (kind, value.get("items"), value.get("nodes")) {
        ("Node", ..) => vec![annotated(&file, &value)?],
        ("NodeList" | "List", Some(Value::Array(items)), _) => {
            items.iter().map(|item| annotated(&file, item)).collect::<Result<_, _>>()?
        }
        ("", _, Some(Value::Array(reported))) => {
            let facts = |node: &Value| serde_json::from_value(node.clone());
            let what = |source| NodeFileError::Facts { file: file.clone(), what: "nodes".to_owned(), source };
            reported.iter().map(facts).collect::<Result<_, _>>().map_err(what)?
        }
        // Read again as what it must be, for errors that say where.
        _ => vec![parse(path)?],
    };
    if nodes.is_empty() { Err(NodeFileError::None { file }) } else { Ok(nodes) }
}

/// The nodes of several files. A node without a name is called after its file, where it is the only one there.
pub(crate) fn all(paths: &[PathBuf]) -> Result<Vec<NodeFacts>, NodeFileError> {
    let mut all = Vec::new();
    for path in paths {
        let mut read = nodes(path)?;
        if let [only] = &mut read[..]
            && only.name.is_none()
        {
            only.name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        }
        all.append(&mut read);
    }
    Ok(all)
}

/// The one node of a file.
pub(crate) fn node(path: &Path) -> Result<NodeFacts, NodeFileError> {
    let mut nodes = nodes(path)?;
    match (nodes.pop(), nodes.len()) {
        (Some(node), 0) => Ok(node),
        (_, others) => Err(NodeFileError::Several { file: path.display().to_string(), count: others + 1 }),
    }
}

/// The facts in a Node's annotation. Its own status knows some that a pod cannot find.
fn annotated(file: &str, node: &Value) -> Result<NodeFacts, NodeFileError> {
    let text = |pointer: &str| node.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let name = text("/metadata/name").unwrap_or_default();
    let annotation = node.pointer("/metadata/annotations").and_then(|all| all.get(ANNOTATION)).and_then(Value::as_str);
    let Some(annotation) = annotation else {
        return Err(NodeFileError::NotAnnotated { file: file.to_owned(), name });
    };
    let mut facts: NodeFacts = serde_json::from_str(annotation).map_err(|source| NodeFileError::Facts {
        file: file.to_owned(),
        what: format!("annotation {ANNOTATION} of node {name:?}"),
        source,
    })?;
    facts.name = Some(name);
    super::look::complete(&mut facts, node);
    Ok(facts)
}
