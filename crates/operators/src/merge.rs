//! How what an operator adds goes together with what the user wrote.

use serde_json::Value as Json;

use crate::place::{PodPath, Step};
use crate::profile::Mode;
use crate::tree::{Source, Tree, Value};

/// A value stands where a pod template has something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found}")]
pub(crate) struct WrongType {
    /// Where the value is from.
    pub(crate) place: Source,
    expected: &'static str,
    found: &'static str,
}

impl WrongType {
    fn new(tree: &Tree, expected: &'static str) -> Self {
        Self { place: tree.source.clone(), expected, found: tree.type_name() }
    }
}

/// Puts `value` at every place that `path` names.
pub(crate) fn put(pod: &mut Tree, path: &PodPath, value: &Tree, mode: Mode) -> Result<(), WrongType> {
    walk(pod, &path.steps, value, mode, "")
}

fn walk(at: &mut Tree, steps: &[Step], value: &Tree, mode: Mode, name: &str) -> Result<(), WrongType> {
    match steps {
        [] => {
            merge(at, value, mode, name);
            Ok(())
        }
        [Step::Field(field), rest @ ..] => {
            let source = value.source.clone();
            let entries = map(at)?;
            let found = entries.iter().position(|(key, value)| key == field && !value.is_null());
            let index = found.unwrap_or_else(|| {
                entries.retain(|(key, _)| key != field);
                let fresh = match rest.first() {
                    None => Tree { value: Value::Leaf(Json::Null), source },
                    Some(Step::Field(_)) => Tree::empty(source),
                    Some(_) => Tree { value: Value::List(vec![]), source },
                };
                entries.push((field.clone(), fresh));
                entries.len() - 1
            });
            match entries.get_mut(index) {
                Some((_, next)) => walk(next, rest, value, mode, field),
                None => Ok(()),
            }
        }
        [Step::Named(wanted), rest @ ..] => {
            let source = value.source.clone();
            let items = list(at)?;
            let named = |item: &Tree| item.get("name").and_then(Tree::as_str) == Some(wanted);
            let index = items.iter().position(named).unwrap_or_else(|| {
                let name = Tree { value: Value::Leaf(wanted.as_str().into()), source: source.clone() };
                items.push(Tree { value: Value::Map(vec![("name".to_owned(), name)]), source });
                items.len() - 1
            });
            match items.get_mut(index) {
                Some(item) => walk(item, rest, value, mode, name),
                None => Ok(()),
            }
        }
        [Step::Each, rest @ ..] => {
            for item in list(at)? {
                walk(item, rest, value, mode, name)?;
            }
            Ok(())
        }
    }
}

fn map(tree: &mut Tree) -> Result<&mut Vec<(String, Tree)>, WrongType> {
    if !matches!(tree.value, Value::Map(_)) {
        return Err(WrongType::new(tree, "a mapping"));
    }
    match &mut tree.value {
        Value::Map(entries) => Ok(entries),
        // Refused above.
        _ => Err(WrongType { place: tree.source.clone(), expected: "a mapping", found: "something else" }),
    }
}

fn list(tree: &mut Tree) -> Result<&mut Vec<Tree>, WrongType> {
    if !matches!(tree.value, Value::List(_)) {
        return Err(WrongType::new(tree, "a list"));
    }
    match &mut tree.value {
        Value::List(items) => Ok(items),
        // Refused above.
        _ => Err(WrongType { place: tree.source.clone(), expected: "a list", found: "something else" }),
    }
}

/// `name` is the field that holds the value, which says how its lists go together.
fn merge(at: &mut Tree, new: &Tree, mode: Mode, name: &str) {
    if at.is_null() {
        *at = new.clone();
        return;
    }
    if mode == Mode::Default {
        return;
    }
    match (&mut at.value, &new.value) {
        (Value::Map(own), Value::Map(entries)) => {
            for (key, value) in entries {
                match own.iter_mut().find(|(known, _)| known == key) {
                    Some((_, own)) if mode == Mode::Override && !mergeable(own, value) => *own = value.clone(),
                    Some((_, own)) => merge(own, value, mode, key),
                    None => own.push((key.clone(), value.clone())),
                }
            }
        }
        (Value::List(own), Value::List(items)) => lists(own, items, mode, name),
        _ if mode == Mode::Override => *at = new.clone(),
        _ => {}
    }
}

/// Whether both are mappings, or both lists whose items have names.
fn mergeable(own: &Tree, new: &Tree) -> bool {
    matches!((&own.value, &new.value), (Value::Map(_), Value::Map(_)) | (Value::List(_), Value::List(_)))
}

/// What tells the items of a list apart; none for lists that are taken as a whole.
fn keys(list: &str) -> &'static [&'static str] {
    match list {
        "containers" | "initContainers" | "ephemeralContainers" | "volumes" | "env" | "imagePullSecrets" => &["name"],
        "ports" => &["name", "containerPort"],
        // A mount is in the way of another of the same volume and of one at the same path.
        "volumeMounts" | "volumeDevices" => &["name", "mountPath", "devicePath"],
        _ => &[],
    }
}

fn same(one: &Tree, other: &Tree, keys: &[&str]) -> bool {
    keys.iter().any(|key| match (one.get(key), other.get(key)) {
        (Some(one), Some(other)) => one.json() == other.json(),
        _ => false,
    })
}

fn lists(own: &mut Vec<Tree>, items: &[Tree], mode: Mode, name: &str) {
    let keys = keys(name);
    if keys.is_empty() {
        // Commands, arguments, capabilities: one or the other. An empty list is none.
        if own.is_empty() || mode == Mode::Override {
            *own = items.to_vec();
        }
        return;
    }
    let containers = name.ends_with("ontainers");
    let mut front = Vec::new();
    for item in items {
        let known = own.iter().position(|known| same(known, item, keys));
        let mut merged = match known {
            Some(index) if mode == Mode::Prepend => own.remove(index),
            Some(index) => {
                if let Some(known) = own.get_mut(index).filter(|_| containers && mode != Mode::Insert) {
                    merge(known, item, mode, name);
                } else if mode == Mode::Override
                    && let Some(known) = own.get_mut(index)
                {
                    *known = item.clone();
                }
                continue;
            }
            None if mode == Mode::Prepend => {
                front.push(item.clone());
                continue;
            }
            None => {
                own.push(item.clone());
                continue;
            }
        };
        merge(&mut merged, item, Mode::Fill, name);
        front.push(merged);
    }
    own.splice(0..0, front);
}
