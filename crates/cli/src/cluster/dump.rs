//! One file of a dump.

use ringfence_admission::cluster::{Builder, Kind};
use ringfence_manifest::{Document, Node};
use serde_json::Value;

use super::Needs;
use super::stream::{Raw, each};
use crate::commands::{complain, warn};
use crate::input::{Entry, InputError};

/// Adds what is needed of a file's objects. False if a document could not be read, which has then been said.
pub(super) fn add(builder: &mut Builder, source: &str, bytes: &[u8], needs: Needs) -> bool {
    let mut whole = true;
    for document in ringfence_manifest::read(bytes) {
        match (document.error(), document.root()) {
            (Some(error), _) => {
                let at = error.location;
                let message = format!("{source}:{}:{}: {}", at.line, at.column, error.message);
                complain(&format!("{}; the rest of the cluster is used", crate::view::clean(&message)));
                whole = false;
            }
            (None, Some(root)) => File { builder, source, document: &document, needs }.object(root, ("", "")),
            (None, None) => {}
        }
    }
    whole
}

#[derive(serde::Deserialize)]
struct Head {
    #[serde(default, rename = "apiVersion")]
    api_version: String,
    #[serde(default)]
    kind: String,
}

/// The same for a large file, an object at a time.
pub(super) fn add_large(builder: &mut Builder, entry: &Entry, needs: Needs) -> Result<bool, InputError> {
    let source = entry.name();
    let mut visit = |raw: Raw| {
        let head = serde_json::from_str(&raw.json);
        let Head { mut api_version, mut kind } = match head {
            Ok(head) => head,
            Err(error) => {
                warn(&crate::view::clean(&format!("{source}: an object cannot be read: {error}")));
                return;
            }
        };
        if let (Some((of_items, item)), true) = (raw.list_type(), kind.is_empty()) {
            of_items.clone_into(&mut api_version);
            item.clone_into(&mut kind);
        }
        if !Kind::of(&api_version, &kind).is_some_and(|kind| needs.wants(kind)) {
            return;
        }
        if let Ok(Value::Object(mut fields)) = serde_json::from_str(&raw.json) {
            fields.insert("apiVersion".to_owned(), api_version.into());
            fields.insert("kind".to_owned(), kind.into());
            builder.add(&source, Value::Object(fields));
        }
    };
    each(entry, &mut visit, &mut |_| {})
}

struct File<'a> {
    builder: &'a mut Builder,
    source: &'a str,
    document: &'a Document<'a>,
    needs: Needs,
}

impl File<'_> {
    /// Adds an object, or the objects of a list, which may have their type from it. A list never becomes one value:
    /// the dump of a large cluster is a list of most of it.
    fn object(&mut self, node: Node<'_>, (api_version, kind): (&str, &str)) {
        let text = |key: &str| node.get(key).and_then(Node::as_str).filter(|text| !text.is_empty());
        let (api_version, kind) = (text("apiVersion").unwrap_or(api_version), text("kind").unwrap_or(kind));
        let items = node.get("items").filter(|items| items.kind() == ringfence_manifest::Kind::Seq);
        if let (Some(item_kind), Some(items)) = (kind.strip_suffix("List"), items) {
            let of_items = if item_kind.is_empty() { ("", "") } else { (api_version, item_kind) };
            // That there are none is worth knowing, too.
            self.give(serde_json::json!({"apiVersion": api_version, "kind": kind, "items": []}), node);
            for item in items.items() {
                self.object(item, of_items);
            }
            return;
        }
        if Kind::of(api_version, kind).is_some_and(|kind| !self.needs.wants(kind)) {
            return;
        }
        // Kinds that admission does not read are passed over before they cost anything.
        if Kind::of(api_version, kind).is_none() && !kind.is_empty() {
            return;
        }
        match serde_json::to_value(node) {
            Ok(mut value) => {
                if let Value::Object(fields) = &mut value {
                    for (key, text) in [("apiVersion", api_version), ("kind", kind)] {
                        if !text.is_empty() {
                            fields.insert(key.to_owned(), text.into());
                        }
                    }
                }
                self.give(value, node);
            }
            Err(error) => warn(&format!("{}: {error}", self.place(node))),
        }
    }

    fn give(&mut self, value: Value, node: Node<'_>) {
        let place = self.place(node);
        self.builder.add(&place, value);
    }

    fn place(&self, node: Node<'_>) -> String {
        let at = self.document.location(node.span().start);
        format!("{}:{}", self.source, at.line)
    }
}
