//! What is kept of an object: no more than decides something.

use k8s_openapi::api::core::v1::{Namespace, NamespaceStatus};
use k8s_openapi::api::rbac::v1::PolicyRule;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry, ObjectMeta};
use ringfence_admission::sync::{CONTROL_LABEL, MINIMALLY_SUFFICIENT};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Labels and annotations that decide something.
fn matters(key: &str) -> bool {
    key.starts_with("pod-security.kubernetes.io/")
        || key.starts_with("openshift.io/sa.scc.")
        || key == CONTROL_LABEL
        || key == MINIMALLY_SUFFICIENT
}

/// Name, UID, phase, and of labels, annotations and their owners only those that decide something.
pub(super) fn namespace(namespace: Namespace) -> Namespace {
    let keep = |map: Option<BTreeMap<String, String>>| {
        let mut map = map?;
        map.retain(|key, _| matters(key));
        (!map.is_empty()).then_some(map)
    };
    let ObjectMeta { name, uid, labels, annotations, managed_fields, .. } = namespace.metadata;
    let managed_fields = managed_fields.map(|entries| entries.into_iter().filter_map(entry).collect::<Vec<_>>());
    let phase = namespace.status.and_then(|status| status.phase).filter(|phase| phase == "Terminating");
    Namespace {
        metadata: ObjectMeta {
            name,
            uid,
            labels: keep(labels),
            annotations: keep(annotations),
            managed_fields: managed_fields.filter(|entries| !entries.is_empty()),
            ..ObjectMeta::default()
        },
        spec: None,
        status: phase.map(|phase| NamespaceStatus { phase: Some(phase), ..NamespaceStatus::default() }),
    }
}

/// Who owns which label. What is not of the shape that it should be is kept, since that decides something as well.
fn entry(entry: ManagedFieldsEntry) -> Option<ManagedFieldsEntry> {
    let ManagedFieldsEntry { manager, operation, subresource, fields_v1, .. } = entry;
    let FieldsV1(fields) = fields_v1?;
    let kept = match fields.get("f:metadata") {
        None if fields.is_object() => return None,
        Some(Value::Object(metadata)) => {
            let mut kept = Map::new();
            for field in ["f:labels", "f:annotations"] {
                match metadata.get(field) {
                    None => {}
                    Some(Value::Object(keys)) => {
                        let ours = |key: &String| key.strip_prefix("f:").is_some_and(matters);
                        let keys: Map<String, Value> =
                            keys.iter().filter(|(key, _)| ours(key)).map(|(k, v)| (k.clone(), v.clone())).collect();
                        if !keys.is_empty() {
                            kept.insert(field.to_owned(), keys.into());
                        }
                    }
                    Some(odd) => {
                        kept.insert(field.to_owned(), odd.clone());
                    }
                }
            }
            if kept.is_empty() {
                return None;
            }
            Value::Object([("f:metadata".to_owned(), kept.into())].into_iter().collect())
        }
        _ => fields,
    };
    Some(ManagedFieldsEntry {
        manager,
        operation,
        subresource,
        fields_v1: Some(FieldsV1(kept)),
        ..ManagedFieldsEntry::default()
    })
}

/// Names, and the labels by which cluster roles are aggregated.
pub(super) fn metadata(metadata: ObjectMeta) -> ObjectMeta {
    let ObjectMeta { name, namespace, labels, .. } = metadata;
    ObjectMeta { name, namespace, labels, ..ObjectMeta::default() }
}

/// Only rules that can be about constraints are kept, each at its place.
pub(super) fn rules(rules: Option<Vec<PolicyRule>>) -> Option<Vec<PolicyRule>> {
    let keep = |rule: PolicyRule| if is_relevant(&rule) { rule } else { PolicyRule::default() };
    rules.map(|rules| rules.into_iter().map(keep).collect())
}

/// Whether a rule can be about constraints.
pub(super) fn is_relevant(rule: &PolicyRule) -> bool {
    let groups = rule.api_groups.as_deref().unwrap_or_default();
    groups.iter().any(|group| group == "*" || group == "security.openshift.io")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn labels_their_owners_and_what_is_odd_are_kept_and_nothing_else() {
        let whole = json!({"metadata": {"name": "a", "uid": "u", "resourceVersion": "7",
            "labels": {"team": "x", "pod-security.kubernetes.io/warn": "baseline"},
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "…", "openshift.io/sa.scc.mcs": "s0"},
            "managedFields": [
                {"manager": "a", "operation": "Update", "fieldsV1": {"f:metadata": {"f:labels": {".": {}, "f:team": {},
                    "f:pod-security.kubernetes.io/warn": {}}}}},
                {"manager": "b", "fieldsV1": {"f:status": {}}},
                {"manager": "c", "fieldsV1": {"f:metadata": {"f:labels": 1}}}]},
            "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}});
        let slim = serde_json::to_value(namespace(serde_json::from_value(whole).unwrap())).unwrap();
        let metadata = &slim["metadata"];
        assert_eq!(metadata["labels"], json!({"pod-security.kubernetes.io/warn": "baseline"}));
        assert_eq!(metadata["annotations"], json!({"openshift.io/sa.scc.mcs": "s0"}));
        assert_eq!(
            metadata["managedFields"],
            json!([
                {"manager": "a", "operation": "Update",
                    "fieldsV1": {"f:metadata": {"f:labels": {"f:pod-security.kubernetes.io/warn": {}}}}},
                {"manager": "c", "fieldsV1": {"f:metadata": {"f:labels": 1}}}
            ])
        );
    }
}
