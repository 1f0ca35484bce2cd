//! JSON Patch: what to change in an object, and nothing else. See RFC 6902 and, for paths, RFC 6901.

use k8s_openapi::ByteString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A patch as a response carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Patch {
    patch_type: &'static str,
    patch: ByteString,
}

impl Patch {
    /// The patch of these changes; `None` if there are none.
    pub fn of(changes: &[Change]) -> Option<Self> {
        if changes.is_empty() {
            return None;
        }
        // Values that were read as JSON can be written as JSON.
        let patch = serde_json::to_vec(changes).ok()?;
        Some(Self { patch_type: "JSONPatch", patch: ByteString(patch) })
    }
}

/// One operation of a patch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Change {
    /// Put a value where there is none, or, at the end of a list (`-`), one more.
    Add {
        /// Where.
        path: String,
        /// What.
        value: Value,
    },
    /// Put a value in place of another.
    Replace {
        /// Where.
        path: String,
        /// What.
        value: Value,
    },
    /// Take a value away.
    Remove {
        /// Where.
        path: String,
    },
}

/// The changes that make `after` of `before`, in an order in which they can be applied.
pub fn diff(before: &Value, after: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    differ("", before, after, &mut changes);
    changes
}

fn differ(path: &str, before: &Value, after: &Value, changes: &mut Vec<Change>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => fields(path, before, after, changes),
        (Value::Array(before), Value::Array(after)) => items(path, before, after, changes),
        (before, after) if before == after => {}
        (_, after) => changes.push(Change::Replace { path: path.to_owned(), value: after.clone() }),
    }
}

fn fields(path: &str, before: &Map<String, Value>, after: &Map<String, Value>, changes: &mut Vec<Change>) {
    let at = |name: &str| format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        changes.push(Change::Remove { path: at(name) });
    }
    for (name, value) in after {
        match before.get(name) {
            Some(old) => differ(&at(name), old, value, changes),
            None => changes.push(Change::Add { path: at(name), value: value.clone() }),
        }
    }
}

fn items(path: &str, before: &[Value], after: &[Value], changes: &mut Vec<Change>) {
    for (i, (old, new)) in before.iter().zip(after).enumerate() {
        differ(&format!("{path}/{i}"), old, new, changes);
    }
    // From the end, so that no place moves before its turn.
    for i in (after.len()..before.len()).rev() {
        changes.push(Change::Remove { path: format!("{path}/{i}") });
    }
    for value in after.iter().skip(before.len()) {
        changes.push(Change::Add { path: format!("{path}/-"), value: value.clone() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn apply(object: &mut Value, change: &Change) {
        let (path, value) = match change {
            Change::Add { path, value } | Change::Replace { path, value } => (path, Some(value.clone())),
            Change::Remove { path } => (path, None),
        };
        let Some((parent, last)) = path.rsplit_once('/') else {
            *object = value.unwrap();
            return;
        };
        let last = last.replace("~1", "/").replace("~0", "~");
        match (object.pointer_mut(parent).unwrap(), value) {
            (Value::Object(fields), Some(value)) => drop(fields.insert(last, value)),
            (Value::Object(fields), None) => drop(fields.remove(&last).unwrap()),
            (Value::Array(items), Some(value)) if last == "-" => items.push(value),
            (Value::Array(items), Some(value)) => items[last.parse::<usize>().unwrap()] = value,
            (Value::Array(items), None) => drop(items.remove(last.parse().unwrap())),
            other => panic!("{other:?}"),
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), (0..4_i64).prop_map(Value::from)];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(prop::sample::select(vec!["a", "b/c", "~d", ""]), inner, 0..4)
                    .prop_map(|map| map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn applied_it_makes_the_one_of_the_other((mut before, after) in (json(), json())) {
            let changes = diff(&before, &after);
            prop_assert_eq!(changes.is_empty(), before == after);
            for change in &changes {
                apply(&mut before, change);
            }
            prop_assert_eq!(before, after);
        }
    }

    #[test]
    fn touches_only_what_differs() {
        let (before, after) = (json!({"a": {"b": 1, "c/d": 2}, "e": []}), json!({"a": {"b": 1, "c/d": 3}, "e": [4]}));
        let changes = serde_json::to_value(diff(&before, &after)).unwrap();
        assert_eq!(
            changes,
            json!([{"op": "replace", "path": "/a/c~1d", "value": 3}, {"op": "add", "path": "/e/-", "value": 4}])
        );
    }
}
