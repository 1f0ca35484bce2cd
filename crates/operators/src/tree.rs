//! Values that remember where they come from.

use std::sync::Arc;

use ringfence_manifest::{Kind, Node};
use serde_json::Value as Json;

/// Deeper values are refused: no pod template is, and every walk here is a recursion.
const MAX_DEPTH: usize = 64;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The custom resource, at this path from its root.
    Written(String),
    /// The operator.
    Added(Arc<Addition>),
}

/// What an operator adds, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Addition {
    /// The reason, as `ECK 2.8.0 and later: …`.
    pub(crate) why: String,
    /// The field of the custom resource that decides it, from its root.
    pub(crate) field: Option<String>,
}

/// A value with its source.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tree {
    pub(crate) value: Value,
    pub(crate) source: Source,
}

/// What a value is. Numbers and the like are JSON's.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Leaf(Json),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

/// A value is nested more deeply than anything that an operator reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nested more than {MAX_DEPTH} levels deep")]
pub(crate) struct TooDeep;

impl Tree {
    /// The value at `path` of a custom resource. What is null is not there, as Go has it.
    pub(crate) fn written(node: Node<'_>, path: &str) -> Result<Self, TooDeep> {
        Self::read(node, path, 0)
    }

    fn read(node: Node<'_>, path: &str, depth: usize) -> Result<Self, TooDeep> {
        if depth > MAX_DEPTH {
            return Err(TooDeep);
        }
        let value = match node.kind() {
            Kind::Null => Value::Leaf(Json::Null),
            Kind::Bool(flag) => Value::Leaf(flag.into()),
            Kind::Int(number) => Value::Leaf(number.into()),
            Kind::Uint(number) => Value::Leaf(number.into()),
            Kind::Float(number) => Value::Leaf(number.into()),
            Kind::Str(text) => Value::Leaf(text.into()),
            Kind::Seq => {
                let items = node.items().enumerate();
                Value::List(
                    items
                        .map(|(i, item)| Self::read(item, &format!("{path}[{i}]"), depth + 1))
                        .collect::<Result<_, _>>()?,
                )
            }
            Kind::Map => {
                let entries = node.entries().filter(|(_, value)| value.kind() != Kind::Null);
                let below = |(key, value): (&str, Node<'_>)| {
                    Ok((key.to_owned(), Self::read(value, &field(path, key), depth + 1)?))
                };
                Value::Map(entries.map(below).collect::<Result<_, _>>()?)
            }
        };
        Ok(Self { value, source: Source::Written(path.to_owned()) })
    }

    /// A value that the operator adds.
    pub(crate) fn added(json: Json, addition: &Arc<Addition>) -> Self {
        let value = match json {
            Json::Array(items) => Value::List(items.into_iter().map(|item| Self::added(item, addition)).collect()),
            Json::Object(entries) => {
                let kept = entries.into_iter().filter(|(_, value)| !value.is_null());
                Value::Map(kept.map(|(key, value)| (key, Self::added(value, addition))).collect())
            }
            leaf => Value::Leaf(leaf),
        };
        Self { value, source: Source::Added(Arc::clone(addition)) }
    }

    /// An empty mapping.
    pub(crate) fn empty(source: Source) -> Self {
        Self { value: Value::Map(vec![]), source }
    }

    pub(crate) fn is_null(&self) -> bool {
        self.value == Value::Leaf(Json::Null)
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Leaf(Json::String(text)) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The value alone.
    pub(crate) fn json(&self) -> Json {
        match &self.value {
            Value::Leaf(leaf) => leaf.clone(),
            Value::List(items) => Json::Array(items.iter().map(Self::json).collect()),
            Value::Map(entries) => {
                Json::Object(entries.iter().map(|(key, value)| (key.clone(), value.json())).collect())
            }
        }
    }

    /// What people call the type.
    pub(crate) fn type_name(&self) -> &'static str {
        match &self.value {
            Value::Leaf(Json::Null) => "null",
            Value::Leaf(Json::Bool(_)) => "a boolean",
            Value::Leaf(Json::Number(_)) => "a number",
            Value::Leaf(_) => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// Calls `visit` with the path below this value and the source, of everything in it.
    pub(crate) fn visit(&self, path: &str, visit: &mut dyn FnMut(&str, &Source)) {
        visit(path, &self.source);
        match &self.value {
            Value::Leaf(_) => {}
            Value::List(items) => {
                for (i, item) in items.iter().enumerate() {
                    item.visit(&format!("{path}[{i}]"), visit);
                }
            }
            Value::Map(entries) => {
                for (key, value) in entries {
                    value.visit(&field(path, key), visit);
                }
            }
        }
    }
}

/// The path of a field. Keys that hold what separates steps stand in brackets.
pub(crate) fn field(parent: &str, key: &str) -> String {
    match (parent.is_empty(), key.is_empty() || key.contains(['.', '[', ']', '/'])) {
        (_, true) => format!("{parent}[{key}]"),
        (true, false) => key.to_owned(),
        (false, false) => format!("{parent}.{key}"),
    }
}
