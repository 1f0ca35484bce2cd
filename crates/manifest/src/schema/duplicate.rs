//! Keys that a mapping has twice.

use crate::document::{Document, Node};
use crate::problem::{Problem, ProblemKind};
use crate::tree::{Duplicate, Value};
use crate::workload::join;

/// A problem for each key that occurs again in its mapping, in a merge as well.
pub(crate) fn duplicates(document: &Document<'_>) -> Vec<Problem> {
    let tree = &document.tree;
    tree.duplicates
        .iter()
        .map(|duplicate| {
            let field = document.root().and_then(|root| path_to(root, duplicate)).unwrap_or_else(|| {
                // A value that is itself overridden has no place in the tree any more.
                document.text().get(duplicate.key_span.range()).unwrap_or_default().to_owned()
            });
            let message = format!("duplicate field \"{field}\"");
            let hint = Some("the last one counts; remove the others".to_owned());
            let span = duplicate.key_span;
            let location = document.location(span.start);
            Problem { kind: ProblemKind::Duplicate, field, message, hint, span, location }
        })
        .collect()
}

/// The path of the mapping's entry in which the duplicate ended up. Each collection is looked at once.
fn path_to(root: Node<'_>, duplicate: &Duplicate) -> Option<String> {
    let mut seen = std::collections::HashSet::new();
    let mut open = vec![(root, String::new())];
    while let Some((node, path)) = open.pop() {
        match node.data().value {
            Value::Map { first, len } if len > 0 && seen.insert((true, first)) => {
                for entry in node.raw_entries() {
                    let key = entry.key.get(node.text, &node.tree.side);
                    let path = join(&path, &crate::path::key(key));
                    if entry.value == duplicate.value && entry.key_span == duplicate.key_span {
                        return Some(path);
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
    None
}
