//! What a dry run prints: a line of JSON for each write that would be made.

use crate::run::Told;
use ringfence_admission::sync::Apply;
use serde_json::json;
use std::collections::BTreeMap;

/// Told of every write of a dry run. Nobody is otherwise.
#[derive(Clone, Default)]
pub(crate) struct Report(pub(crate) Option<Told>);

impl Report {
    pub(crate) fn applied(&self, controller: &str, namespace: &str, apply: &Apply) {
        self.write(controller, namespace, apply.manager, apply.force, &apply.labels, &apply.annotations);
    }

    pub(crate) fn write(
        &self,
        controller: &str,
        namespace: &str,
        manager: &str,
        force: bool,
        labels: &BTreeMap<String, String>,
        annotations: &BTreeMap<String, String>,
    ) {
        let Some(told) = &self.0 else { return };
        told(&json!({"controller": controller, "namespace": namespace, "fieldManager": manager, "force": force,
            "labels": labels, "annotations": annotations}));
    }
}
