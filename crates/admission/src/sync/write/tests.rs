#![allow(clippy::needless_pass_by_value, reason = "JSON written in place reads best without a reference before it")]

use super::*;
use crate::cluster::Snapshot;
use crate::sync::{CONTROL_LABEL, plan_namespace};

/// A namespace that comes to restricted.
fn namespace(labels: Value, managed: Value) -> Namespace {
    serde_json::from_value(json!({"metadata": {"name": "shop", "uid": "u", "resourceVersion": "7", "labels": labels,
        "annotations": {"openshift.io/sa.scc.uid-range": "1000/100"}, "managedFields": managed}}))
    .unwrap()
}

fn cluster() -> Snapshot {
    let strict = json!({"apiVersion": "security.openshift.io/v1", "kind": "SecurityContextConstraints",
        "metadata": {"name": "strict"}, "groups": ["system:authenticated"], "allowPrivilegeEscalation": false,
        "requiredDropCapabilities": ["ALL"], "volumes": ["configMap"], "seLinuxContext": {"type": "MustRunAs"},
        "seccompProfiles": ["runtime/default"], "runAsUser": {"type": "MustRunAsRange"}});
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a", "namespace": "shop"}});
    Snapshot::of("test", [strict, account])
}

fn plan(namespace: &Namespace) -> Plan {
    plan_namespace(&cluster(), namespace, Settings::default())
}

fn owns(manager: &str, operation: &str, labels: &[&str]) -> Value {
    let labels: Map<String, Value> = labels.iter().map(|label| (format!("f:{label}"), json!({}))).collect();
    json!({"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:metadata": {"f:labels": labels}}})
}

const ENFORCE: &str = "pod-security.kubernetes.io/enforce";
const WARN: &str = "pod-security.kubernetes.io/warn";

#[test]
fn everything_is_applied_where_nobody_set_anything() {
    let namespace = namespace(json!({}), json!([]));
    let apply = plan(&namespace).apply(&namespace, Settings::default()).unwrap();
    assert_eq!((apply.manager, apply.force, apply.labels.len()), (MANAGER, false, 6));
    assert_eq!(apply.annotations[MINIMALLY_SUFFICIENT], "restricted");
    let sent = apply.configuration(&namespace);
    assert_eq!((&sent["metadata"]["uid"], &sent["metadata"]["labels"][ENFORCE]), (&json!("u"), &json!("restricted")));
}

#[test]
fn what_was_applied_is_not_applied_again() {
    let mut namespace = namespace(json!({}), json!([]));
    let apply = plan(&namespace).apply(&namespace, Settings::default()).unwrap();
    namespace.metadata.labels = Some(apply.labels);
    namespace.metadata.annotations.as_mut().unwrap().extend(apply.annotations);
    assert_eq!(plan(&namespace).apply(&namespace, Settings::default()), None);
}

#[test]
fn labels_of_others_are_left_out_unless_the_namespace_asks_for_all() {
    let managed = json!([owns("kubectl-label", "Update", &[ENFORCE])]);
    let other = namespace(json!({ENFORCE: "privileged"}), managed.clone());
    let apply = plan(&other).apply(&other, Settings::default()).unwrap();
    assert!(!apply.force && !apply.labels.contains_key(ENFORCE) && apply.labels.len() == 5);
    let asks = namespace(json!({ENFORCE: "privileged", CONTROL_LABEL: "true"}), managed);
    let apply = plan(&asks).apply(&asks, Settings::default()).unwrap();
    assert!(apply.force && apply.labels[ENFORCE] == "restricted");
}

#[test]
fn without_enforcing_its_labels_are_nobodys_business() {
    let namespace = namespace(json!({}), json!([]));
    let settings = Settings { enforcing: false };
    let apply = plan_namespace(&cluster(), &namespace, settings).apply(&namespace, settings).unwrap();
    assert!(apply.labels.len() == 4 && !apply.labels.contains_key(ENFORCE));
}

#[test]
fn an_annotation_that_is_right_stays_ours_and_is_not_taken_from_others() {
    for (manager, named) in [(MANAGER, true), ("kubectl", false)] {
        let managed = json!([{"manager": manager, "operation": "Apply", "fieldsV1":
            {"f:metadata": {"f:annotations": {format!("f:{MINIMALLY_SUFFICIENT}"): {}}}}}]);
        let mut namespace = namespace(json!({}), managed);
        let annotations = namespace.metadata.annotations.as_mut().unwrap();
        annotations.insert(MINIMALLY_SUFFICIENT.to_owned(), "restricted".to_owned());
        let apply = plan(&namespace).apply(&namespace, Settings::default()).unwrap();
        assert_eq!(apply.annotations.contains_key(MINIMALLY_SUFFICIENT), named, "{manager}");
    }
}

#[test]
fn the_privileged_namespaces_get_three_labels_by_force_and_only_if_one_is_wrong() {
    let privileged = |labels: Value| -> Option<Apply> {
        let namespace: Namespace =
            serde_json::from_value(json!({"metadata": {"name": "kube-public", "labels": labels}})).unwrap();
        plan(&namespace).apply(&namespace, Settings::default())
    };
    let apply = privileged(json!({WARN: "baseline", ENFORCE: "privileged"})).unwrap();
    assert_eq!((apply.manager, apply.force, apply.labels.len()), (PRIVILEGED_MANAGER, true, 3));
    assert!(apply.labels.values().all(|level| level == "privileged") && apply.annotations.is_empty());
    let all: Value = Mode::ALL.iter().map(|mode| (mode.level_label().to_owned(), json!("privileged"))).collect();
    assert_eq!(privileged(all), None);
}

#[test]
fn labels_of_the_former_name_become_ours_alone_and_others_stay_where_they_are() {
    let managed = json!([
        owns(FORMER_MANAGER, "Update", &[ENFORCE, "team"]),
        owns(MANAGER, "Apply", &[WARN]),
        owns("kubectl", "Update", &[ENFORCE])
    ]);
    let namespace = namespace(json!({ENFORCE: "baseline", WARN: "baseline", "team": "x"}), managed);
    let patch = plan(&namespace).take_over(&namespace).unwrap();
    assert_eq!(patch["metadata"]["resourceVersion"], "7");
    let entries = patch["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!(entries.len(), 2, "nothing is left of kubectl: {entries:#?}");
    assert_eq!(entries[0]["fieldsV1"], json!({"f:metadata": {"f:labels": {"f:team": {}}}}));
    assert_eq!(entries[1]["fieldsV1"], owns("", "", &[ENFORCE, WARN])["fieldsV1"]);
}

#[test]
fn nothing_is_taken_over_from_a_former_name_that_set_no_label_or_in_a_namespace_left_alone() {
    let ranges = json!([{"manager": FORMER_MANAGER, "operation": "Apply",
        "fieldsV1": {"f:metadata": {"f:annotations": {"f:openshift.io/sa.scc.uid-range": {}}}}}]);
    let calm = namespace(json!({}), ranges);
    assert_eq!(plan(&calm).take_over(&calm), None);
    let former = json!([owns(FORMER_MANAGER, "Update", &[ENFORCE])]);
    let opted_out = namespace(json!({ENFORCE: "baseline", CONTROL_LABEL: "false"}), former.clone());
    assert_eq!(plan(&opted_out).take_over(&opted_out), None);
    let first = namespace(json!({ENFORCE: "baseline"}), former);
    let patch = plan(&first).take_over(&first).unwrap();
    assert_eq!(patch["metadata"]["managedFields"][0]["manager"], MANAGER);
    assert_eq!(patch["metadata"]["managedFields"].as_array().unwrap().len(), 1);
}
