//! Keys that a mapping has twice.

use std::collections::{HashMap, HashSet};

use crate::document::{Document, Node};
use crate::problem::{Problem, ProblemKind};
use crate::tree::{Duplicate, NodeId, Span, Value};
use crate::workload::join;

/// A problem for each key that occurs again in its mapping, in a merge as well.
pub(crate) fn duplicates(document: &Document<'_>) -> Vec<Problem> {
    let duplicates = &document.tree.duplicates;
    let Some(root) = document.root().filter(|_| !duplicates.is_empty()) else { return Vec::new() };
    let mut paths = paths(root, duplicates);
    let problem = |duplicate: &Duplicate| {
        let field = paths.remove(&id(duplicate.value, duplicate.key_span)).unwrap_or_else(|| {
            // A value that is itself overridden has no place in the tree any more.
            document.text().get(duplicate.key_span.range()).unwrap_or_default().to_owned()
        });
        let message = format!("duplicate field \"{field}\"");
        let hint = Some("the last one counts; remove the others".to_owned());
        let span = duplicate.key_span;
        let location = document.location(span.start);
        Problem { kind: ProblemKind::Duplicate, field, message, hint, span, location }
    };
    duplicates.iter().map(problem).collect()
}

/// What tells an entry from all others, those aside that a merge made of it.
fn id(value: NodeId, key: Span) -> (NodeId, u32) {
    (value, key.start)
}

/// The paths of the entries in which the duplicates ended up. Each collection is looked at once.
fn paths(root: Node<'_>, duplicates: &[Duplicate]) -> HashMap<(NodeId, u32), String> {
    let wanted: HashSet<_> = duplicates.iter().map(|d| id(d.value, d.key_span)).collect();
    let mut found = HashMap::new();
    let mut seen = HashSet::new();
    let mut open = vec![(root, String::new())];
    while let Some((node, path)) = open.pop() {
        match node.data().value {
            Value::Map { first, len } if len > 0 && seen.insert((true, first)) => {
                for entry in node.raw_entries() {
                    let key = entry.key.get(node.text, &node.tree.side);
                    let path = join(&path, &crate::path::key(key));
                    let id = id(entry.value, entry.key_span);
                    if wanted.contains(&id) {
                        found.insert(id, path.clone());
                    }
                    open.push((node.with(entry.value), path));
                }
            }
            Value::Seq { first, len } if len > 0 && seen.insert((false, first)) => {
                open.extend(node.items().enumerate().map(|(i, n)| (n, format!("{path}[{i}]"))));
            }
            _ => {}
        }
    }
    found
}
