//! What the tests of controls share: pods written as JSON, and the verdict of one control.

use crate::{Version, Violation, control, evaluate};
use k8s_openapi::{api::core::v1::PodSpec, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use serde_json::{Value, json};

pub(crate) struct TestPod {
    pub(crate) metadata: ObjectMeta,
    pub(crate) spec: PodSpec,
}

/// A pod without annotations.
pub(crate) fn pod(spec: Value) -> TestPod {
    annotated(json!({}), spec)
}

/// A pod with annotations.
pub(crate) fn annotated(annotations: Value, spec: Value) -> TestPod {
    let annotations = serde_json::from_value(annotations).expect("annotations");
    TestPod {
        metadata: ObjectMeta { annotations: Some(annotations), ..ObjectMeta::default() },
        spec: serde_json::from_value(spec).expect("a pod spec"),
    }
}

/// What one control says of the pod, as in the API server's message; empty if it has nothing against it.
pub(crate) fn by(id: &str, version: &str, pod: &TestPod) -> String {
    let tell = |violation: Violation<'_, '_>| match violation.detail() {
        detail if detail.is_empty() => violation.reason().to_owned(),
        detail => format!("{} ({detail})", violation.reason()),
    };
    with(id, version, pod, tell).unwrap_or_default()
}

/// The fields that one control finds.
pub(crate) fn paths(id: &str, version: &str, pod: &TestPod) -> Vec<String> {
    with(id, version, pod, |violation| violation.findings().iter().map(crate::Finding::path).collect())
        .unwrap_or_default()
}

fn with<T>(id: &str, version: &str, pod: &TestPod, then: impl FnOnce(Violation<'_, '_>) -> T) -> Option<T> {
    let level = control(id).expect("a control").level;
    let version: Version = version.parse().expect("a version");
    let verdict = evaluate(level, version, &pod.metadata, &pod.spec);
    let violation = verdict.violations().find(|violation| violation.control().id == id);
    violation.map(then)
}
