//! What is written to a namespace so that it comes to its plan, and under whose name.
//!
//! Upstream: `syncNamespace` and `forceHistoricalLabelsOwnership` of
//! `pkg/psalabelsyncer/podsecurity_label_sync_controller.go`, `sync` of `privileged_namespaces_controller.go`.

use super::{
    FORMER_MANAGER, MANAGER, MINIMALLY_SUFFICIENT, PRIVILEGED_MANAGER, Settings,
    level::LABELS,
    owner::Owners,
    plan::{Outcome, Plan, Skip},
};
use crate::pod_security::Mode;
use k8s_openapi::{api::core::v1::Namespace, apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A server-side apply: the labels and annotations that the manager wants, and no others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apply {
    /// The field manager.
    pub manager: &'static str,
    /// Whether fields of other managers are taken from them. Otherwise one of theirs that would change is a conflict,
    /// and nothing is written.
    pub force: bool,
    /// All labels that are to be the manager's.
    pub labels: BTreeMap<String, String>,
    /// All annotations that are to be the manager's.
    pub annotations: BTreeMap<String, String>,
}

impl Apply {
    /// The configuration that is sent. With the namespace's UID a namespace that was deleted meanwhile is neither made
    /// anew nor taken for another of its name.
    pub fn configuration(&self, namespace: &Namespace) -> Value {
        let mut metadata = json!({ "name": namespace.metadata.name });
        if let Some(uid) = &namespace.metadata.uid {
            metadata["uid"] = uid.as_str().into();
        }
        for (field, values) in [("labels", &self.labels), ("annotations", &self.annotations)] {
            if !values.is_empty() {
                metadata[field] = json!(values);
            }
        }
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    }
}

impl Plan {
    /// What has to be applied to the namespace that was planned, with the same settings. `None` if it is as it should
    /// be, or is left alone. Labels that once were the former manager's must have been taken over by then.
    ///
    /// Labels of other managers are left out, so that the synchroniser gives up what it shares with them. Its
    /// annotation is named whenever it is to stay: upstream leaves out one that is right already, which so vanishes and
    /// is set again by the next round.
    pub fn apply(&self, namespace: &Namespace, settings: Settings) -> Option<Apply> {
        match self.outcome {
            Outcome::AlwaysPrivileged if !self.changed.is_empty() => {
                let labels = Mode::ALL.into_iter().map(|mode| mode.level_label().to_owned());
                let labels = labels.filter_map(|label| Some((label.clone(), self.labels.get(&label)?.clone())));
                let labels = labels.collect();
                Some(Apply { manager: PRIVILEGED_MANAGER, force: true, labels, annotations: BTreeMap::new() })
            }
            Outcome::Synchronised => {
                let now = namespace.metadata.annotations.as_ref().and_then(|all| all.get(MINIMALLY_SUFFICIENT));
                let told = now == self.minimally_sufficient.as_ref();
                if self.changed.is_empty() && told {
                    return None;
                }
                let modes = Mode::ALL.into_iter().filter(|mode| settings.enforcing || *mode != Mode::Enforce);
                let labels = modes.flat_map(|mode| [mode.level_label(), mode.version_label()]);
                let labels = labels.filter(|label| !self.kept.contains_key(*label));
                let labels = labels.filter_map(|label| Some((label.to_owned(), self.labels.get(label)?.clone())));
                let owners = Owners::read(&namespace.metadata).ok()?;
                let value = self.minimally_sufficient.as_ref();
                let value = value.filter(|_| !told || owners.is_our_annotation(MINIMALLY_SUFFICIENT));
                let annotations = value.map(|value| (MINIMALLY_SUFFICIENT.to_owned(), value.clone()));
                Some(Apply {
                    manager: MANAGER,
                    force: self.forced,
                    labels: labels.collect(),
                    annotations: annotations.into_iter().collect(),
                })
            }
            _ => None,
        }
    }

    /// A merge patch that makes the synchroniser the owner, and the only one, of the pod-security labels that it wrote
    /// under its former name. `None` if there are none, or the namespace is not its business. The namespace must have
    /// its `resourceVersion` and all of its `managedFields`, as it was read.
    ///
    /// Upstream comes to the same owners by removing the labels and setting them again, between which the namespace is
    /// without them; here no value changes.
    pub fn take_over(&self, namespace: &Namespace) -> Option<Value> {
        if !self.controlled || self.outcome == Outcome::Skipped(Skip::Terminating) {
            return None;
        }
        let mut entries = namespace.metadata.managed_fields.clone()?;
        let former = |entry: &&ManagedFieldsEntry| entry.manager.as_deref() == Some(FORMER_MANAGER);
        let taken: BTreeSet<String> = entries
            .iter()
            .filter(former)
            .filter_map(|entry| labels_of(&entry.fields_v1.as_ref()?.0))
            .flat_map(Map::keys)
            .filter(|key| key.strip_prefix("f:").is_some_and(|label| LABELS.contains(&label)))
            .cloned()
            .collect();
        if taken.is_empty() {
            return None;
        }
        let time = entries.iter().find(former).and_then(|entry| entry.time.clone());
        for entry in &mut entries {
            let Some(fields) = &mut entry.fields_v1 else { continue };
            without(&mut fields.0, &taken);
        }
        entries.retain(|entry| entry.fields_v1.as_ref().and_then(|f| f.0.as_object()).is_none_or(|f| !f.is_empty()));
        let ours = |entry: &&mut ManagedFieldsEntry| {
            entry.manager.as_deref() == Some(MANAGER)
                && entry.operation.as_deref() == Some("Apply")
                && entry.subresource.as_deref().unwrap_or_default().is_empty()
        };
        if let Some(fields) = entries.iter_mut().find(ours).and_then(|entry| entry.fields_v1.as_mut()) {
            for label in &taken {
                fields.0["f:metadata"]["f:labels"][label] = json!({});
            }
        } else {
            let labels: Map<String, Value> = taken.iter().map(|label| (label.clone(), json!({}))).collect();
            let entry = json!({"manager": MANAGER, "operation": "Apply", "apiVersion": "v1", "time": time,
                "fieldsType": "FieldsV1", "fieldsV1": {"f:metadata": {"f:labels": labels}}});
            entries.push(serde_json::from_value(entry).ok()?);
        }
        let metadata = json!({"uid": namespace.metadata.uid, "resourceVersion": namespace.metadata.resource_version,
            "managedFields": entries});
        Some(json!({ "metadata": metadata }))
    }
}

fn labels_of(fields: &Value) -> Option<&Map<String, Value>> {
    fields.get("f:metadata")?.get("f:labels")?.as_object()
}

/// Removes labels from the fields that somebody owns, and what is empty then.
fn without(fields: &mut Value, labels: &BTreeSet<String>) {
    let Some(fields) = fields.as_object_mut() else { return };
    let Some(metadata) = fields.get_mut("f:metadata").and_then(Value::as_object_mut) else { return };
    let Some(owned) = metadata.get_mut("f:labels").and_then(Value::as_object_mut) else { return };
    owned.retain(|label, _| !labels.contains(label));
    if owned.is_empty() {
        metadata.remove("f:labels");
    }
    if metadata.is_empty() {
        fields.remove("f:metadata");
    }
}

#[cfg(test)]
mod tests;
