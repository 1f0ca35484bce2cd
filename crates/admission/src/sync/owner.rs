//! `metadata.managedFields`: who set a label or an annotation.

use super::{FORMER_MANAGER, MANAGER};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The labels and annotations that each field manager says it has set.
#[derive(Debug, Clone, Default)]
pub(super) struct Owners<'m> {
    by_label: BTreeMap<&'m str, BTreeSet<&'m str>>,
    by_annotation: BTreeMap<&'m str, BTreeSet<&'m str>>,
}

/// Whose a label is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner<'m> {
    /// Nobody's.
    Nobody,
    /// The synchroniser's, perhaps under its former name.
    Ours,
    /// Somebody else's.
    Other(&'m str),
}

/// The managed fields are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to get labels from the managed fields of {manager:?}")]
pub(super) struct BadManagedFields {
    manager: String,
}

impl<'m> Owners<'m> {
    pub(super) fn read(metadata: &'m ObjectMeta) -> Result<Self, BadManagedFields> {
        let mut owners = Self::default();
        for entry in metadata.managed_fields.iter().flatten() {
            let manager = entry.manager.as_deref().unwrap_or_default();
            let bad = || BadManagedFields { manager: manager.to_owned() };
            let Some(fields) = &entry.fields_v1 else { continue };
            let child = |of: &'m Value, name: &str| -> Result<Option<&'m Value>, BadManagedFields> {
                match of.as_object() {
                    Some(object) => Ok(object.get(name)),
                    None => Err(bad()),
                }
            };
            let Some(own) = child(&fields.0, "f:metadata")? else { continue };
            // Annotations of the wrong shape are not looked at by the synchroniser itself.
            for key in own.get("f:annotations").and_then(Value::as_object).into_iter().flat_map(|keys| keys.keys()) {
                owners.by_annotation.entry(key.strip_prefix("f:").unwrap_or(key)).or_default().insert(manager);
            }
            let Some(labels) = child(own, "f:labels")? else { continue };
            for key in labels.as_object().ok_or_else(bad)?.keys() {
                owners.by_label.entry(key.strip_prefix("f:").unwrap_or(key)).or_default().insert(manager);
            }
        }
        Ok(owners)
    }

    /// Who else set an annotation, so that to change it would be a conflict. What the synchroniser wrote under its
    /// former name it takes over for labels alone.
    pub(super) fn other_of_annotation(&self, annotation: &str) -> Option<&'m str> {
        self.by_annotation.get(annotation)?.iter().find(|manager| **manager != MANAGER).copied()
    }

    /// Whether an annotation is the synchroniser's, perhaps with others.
    pub(super) fn is_our_annotation(&self, annotation: &str) -> bool {
        self.by_annotation.get(annotation).is_some_and(|managers| managers.contains(MANAGER))
    }

    /// Several may have set the same value. Then it is the synchroniser's if it ever wrote under its former name,
    /// which takes the label over, and otherwise theirs, because to change it would be a conflict.
    pub(super) fn of(&self, label: &str) -> Owner<'m> {
        let Some(managers) = self.by_label.get(label) else { return Owner::Nobody };
        if managers.contains(FORMER_MANAGER) {
            return Owner::Ours;
        }
        // A manager without a name counts as none.
        managers
            .iter()
            .find(|manager| !manager.is_empty() && **manager != MANAGER)
            .map_or(if managers.contains(MANAGER) { Owner::Ours } else { Owner::Nobody }, |manager| {
                Owner::Other(manager)
            })
    }
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "JSON written in place reads best without a reference before it")]
mod tests {
    use super::*;
    use serde_json::json;

    fn metadata(managers: &[(&str, Value)]) -> ObjectMeta {
        let entries: Vec<_> =
            managers.iter().map(|(manager, fields)| json!({"manager": manager, "fieldsV1": fields})).collect();
        serde_json::from_value(json!({ "managedFields": entries })).unwrap()
    }

    fn sets(label: &str) -> Value {
        json!({"f:metadata": {"f:labels": {".": {}, format!("f:{label}"): {}}}})
    }

    #[test]
    fn a_label_belongs_to_who_set_it() {
        let metadata = metadata(&[
            ("kubectl", sets("a")),
            (MANAGER, sets("b")),
            (FORMER_MANAGER, sets("c")),
            ("x", json!({"f:status": {}})),
        ]);
        let owners = Owners::read(&metadata).unwrap();
        assert_eq!(owners.of("a"), Owner::Other("kubectl"));
        assert_eq!((owners.of("b"), owners.of("c"), owners.of("d")), (Owner::Ours, Owner::Ours, Owner::Nobody));
    }

    #[test]
    fn a_shared_label_is_the_others_unless_it_was_taken_over() {
        let shared = metadata(&[(MANAGER, sets("a")), ("kubectl", sets("a"))]);
        assert_eq!(Owners::read(&shared).unwrap().of("a"), Owner::Other("kubectl"));
        let taken = metadata(&[(FORMER_MANAGER, sets("a")), ("kubectl", sets("a"))]);
        assert_eq!(Owners::read(&taken).unwrap().of("a"), Owner::Ours);
    }

    #[test]
    fn fields_of_the_wrong_shape_are_an_error() {
        for fields in [json!({"f:metadata": []}), json!({"f:metadata": {"f:labels": 1}}), json!([])] {
            assert!(Owners::read(&metadata(&[("m", fields)])).is_err());
        }
    }
}
