#![allow(clippy::needless_pass_by_value, reason = "JSON written in place reads best without a reference before it")]

use super::*;
use crate::cluster::Snapshot;
use serde_json::{Value, json};

fn namespace(name: &str, metadata: Value) -> Value {
    let mut own = json!({"name": name, "annotations": {"openshift.io/sa.scc.uid-range": "1000/100"}});
    own.as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": own})
}

fn account(namespace: &str, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}})
}

fn constraint(name: &str, groups: &[&str], changes: Value) -> Value {
    let mut scc = json!({"apiVersion": "security.openshift.io/v1", "kind": "SecurityContextConstraints", "metadata": {"name": name},
        "groups": groups, "allowPrivilegeEscalation": false, "requiredDropCapabilities": ["ALL"], "volumes": ["configMap"],
        "seLinuxContext": {"type": "MustRunAs"}, "seccompProfiles": ["runtime/default"], "runAsUser": {"type": "MustRunAsRange"}});
    scc.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    scc
}

/// A constraint that every service account may use, and two that nobody may.
fn constraints() -> Vec<Value> {
    vec![
        constraint("strict", &["system:authenticated"], json!({})),
        constraint("anyuid", &[], json!({"runAsUser": {"type": "RunAsAny"}})),
        constraint("privileged", &[], json!({"allowPrivilegedContainer": true})),
    ]
}

fn grant(namespace: &str, scc: &str, subject: Value) -> [Value; 2] {
    let name = format!("use-{scc}");
    [
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name},
            "rules": [{"apiGroups": ["security.openshift.io"], "resources": ["securitycontextconstraints"], "verbs": ["use"], "resourceNames": [scc]}]}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": name, "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}, "subjects": [subject]}),
    ]
}

fn one(objects: impl IntoIterator<Item = Value>) -> Plan {
    let cluster = Snapshot::of("test", objects.into_iter().chain(constraints()));
    assert_eq!(cluster.problems(), []);
    plan(&cluster, Settings::default()).into_iter().next().unwrap()
}

#[test]
fn an_ordinary_namespace_gets_all_six_labels_and_the_annotation() {
    let plan = one([namespace("app", json!({})), account("app", "default")]);
    assert!(plan.controlled);
    assert_eq!((plan.level, plan.labels.len(), plan.changed.len()), (Some(Level::Restricted), 6, 6));
    assert!(
        plan.labels
            .iter()
            .all(|(label, value)| value == if label.ends_with("-version") { "latest" } else { "restricted" })
    );
    assert_eq!(plan.minimally_sufficient.as_deref(), Some("restricted"));
    assert_eq!(
        plan.because,
        [Because {
            service_account: "default".into(),
            scc: "strict".into(),
            grant: Grant::Groups { group: "system:authenticated".into() },
        }]
    );
}

#[test]
fn the_most_privileged_service_account_wins_and_is_named() {
    let subject = json!({"kind": "ServiceAccount", "name": "ops"});
    let objects = [namespace("app", json!({})), account("app", "default"), account("app", "ops")];
    let plan = one(objects
        .into_iter()
        .chain(grant("app", "privileged", subject.clone()))
        .chain(grant("app", "anyuid", subject)));
    assert_eq!(plan.level, Some(Level::Privileged));
    let because: Vec<_> =
        plan.because.iter().map(|b| format!("{} {}: {}", b.service_account, b.scc, b.grant)).collect();
    assert_eq!(
        because,
        [
            r#"ops privileged: RoleBinding "app/use-privileged" gives ServiceAccount "app/ops" ClusterRole "use-privileged", rules[0]"#
        ]
    );
}

#[test]
fn users_do_not_count() {
    let subject =
        json!({"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "system:serviceaccount:app:default"});
    let plan = one([namespace("app", json!({})), account("app", "default")].into_iter().chain(grant(
        "app",
        "privileged",
        subject,
    )));
    assert_eq!(plan.level, Some(Level::Restricted));
}

#[test]
fn grants_in_other_namespaces_do_not_count() {
    let subject = json!({"kind": "ServiceAccount", "name": "default", "namespace": "app"});
    let plan = one([namespace("app", json!({})), account("app", "default")].into_iter().chain(grant(
        "other",
        "privileged",
        subject,
    )));
    assert_eq!(plan.level, Some(Level::Restricted));
}

fn set_by_kubectl(labels: &[(&str, &str)], control: Option<&str>) -> Value {
    let key = |name: &str| format!("pod-security.kubernetes.io/{name}");
    let mut all: Value = labels.iter().map(|(k, v)| (key(k), json!(v))).collect();
    let owned: Value = labels.iter().map(|(k, _)| (format!("f:{}", key(k)), json!({}))).collect();
    if let Some(control) = control {
        all[CONTROL_LABEL] = json!(control);
    }
    json!({"labels": all, "managedFields": [{"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:metadata": {"f:labels": owned}}}]})
}

#[test]
fn labels_that_somebody_else_set_stay_and_the_others_follow() {
    let plan = one([namespace("app", set_by_kubectl(&[("warn", "privileged")], None)), account("app", "default")]);
    assert_eq!(plan.labels["pod-security.kubernetes.io/warn"], "privileged");
    assert_eq!(plan.labels["pod-security.kubernetes.io/enforce"], "restricted");
    assert_eq!(
        plan.kept.iter().collect::<Vec<_>>(),
        [(&"pod-security.kubernetes.io/warn".to_owned(), &"kubectl".to_owned())]
    );
}

#[test]
fn labels_of_a_dump_without_managed_fields_are_of_unknown_owners() {
    let labels = json!({"labels": {"pod-security.kubernetes.io/warn": "privileged"}});
    assert!(one([namespace("app", labels), account("app", "default")]).ownership_unknown);
    assert!(!one([namespace("app", json!({})), account("app", "default")]).ownership_unknown);
    assert!(
        !one([namespace("app", set_by_kubectl(&[("warn", "privileged")], None)), account("app", "default")])
            .ownership_unknown
    );
}

#[test]
fn who_asks_for_synchronisation_gives_up_all_labels() {
    let plan =
        one([namespace("app", set_by_kubectl(&[("warn", "privileged")], Some("true"))), account("app", "default")]);
    assert!(plan.forced && plan.kept.is_empty());
    assert_eq!(plan.labels["pod-security.kubernetes.io/warn"], "restricted");
}

#[test]
fn who_asks_to_be_left_alone_is() {
    let plan =
        one([namespace("app", set_by_kubectl(&[("warn", "privileged")], Some("false"))), account("app", "default")]);
    assert!(!plan.controlled);
    assert_eq!((plan.outcome, plan.labels.len()), (Outcome::Uncontrolled(Uncontrolled::OptedOut), 1));
}

#[test]
fn the_privileged_namespaces_get_levels_but_no_versions() {
    for name in ["default", "kube-system", "kube-public"] {
        let plan = one([namespace(name, json!({}))]);
        assert_eq!(
            (plan.outcome.clone(), plan.controlled, plan.minimally_sufficient.clone()),
            (Outcome::AlwaysPrivileged, false, None)
        );
        let labels: Vec<_> = plan.labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
        assert_eq!(
            labels,
            ["audit", "enforce", "warn"].map(|mode| format!("pod-security.kubernetes.io/{mode}=privileged"))
        );
    }
    assert_eq!(one([namespace("kube-node-lease", json!({}))]).labels.len(), 0);
}

#[test]
fn without_a_range_accounts_or_constraints_nothing_is_done() {
    let skip = |objects: Vec<Value>| one(objects).outcome;
    assert_eq!(
        skip(vec![namespace("app", json!({"annotations": {}})), account("app", "a")]),
        Outcome::Skipped(Skip::NoUidRange)
    );
    assert_eq!(skip(vec![namespace("app", json!({}))]), Outcome::Skipped(Skip::NoServiceAccounts));
    let mut terminating = namespace("app", json!({}));
    terminating["status"] = json!({"phase": "Terminating"});
    assert_eq!(skip(vec![terminating, account("app", "a")]), Outcome::Skipped(Skip::Terminating));
    let cluster = Snapshot::of("test", [namespace("app", json!({})), account("app", "a")]);
    assert_eq!(plan(&cluster, Settings::default())[0].outcome, Outcome::Skipped(Skip::NoConstraints));
}

#[test]
fn a_constraint_that_comes_to_no_level_stops_all_but_a_privileged_one() {
    let odd = constraint("odd", &["system:serviceaccounts"], json!({"runAsUser": {"type": "Odd"}}));
    let plan = one([namespace("app", json!({})), account("app", "default"), odd.clone()]);
    assert_eq!(
        plan.outcome,
        Outcome::Skipped(Skip::Unconvertible { scc: "odd".into(), error: "unknown strategy: Odd".into() })
    );
    let subject = json!({"kind": "ServiceAccount", "name": "default"});
    let plan = one([namespace("app", json!({})), account("app", "default"), odd].into_iter().chain(grant(
        "app",
        "privileged",
        subject,
    )));
    assert_eq!((plan.level, plan.outcome), (Some(Level::Privileged), Outcome::Synchronised));
}

#[test]
fn an_operator_starts_synchronisation_in_a_namespace_called_openshift() {
    let csv = json!({"apiVersion": "operators.coreos.com/v1alpha1", "kind": "ClusterServiceVersion", "metadata": {"name": "op", "namespace": "openshift-mine"}});
    let objects = [namespace("openshift-mine", json!({})), account("openshift-mine", "op")];
    assert!(!one(objects.clone()).controlled);
    let plan = one(objects.into_iter().chain([csv]));
    assert!(plan.controlled && plan.started_by_operator && plan.forced);
}

#[test]
fn an_advising_synchroniser_leaves_enforcing_alone() {
    let cluster =
        Snapshot::of("test", [namespace("app", json!({})), account("app", "default")].into_iter().chain(constraints()));
    let plan = plan(&cluster, Settings { enforcing: false });
    assert_eq!(plan[0].labels.len(), 4);
    assert!(!plan[0].labels.keys().any(|label| label.contains("enforce")));
}

#[test]
fn a_plan_carried_out_is_followed_by_one_that_changes_nothing() {
    for metadata in [json!({}), set_by_kubectl(&[("enforce", "privileged"), ("audit-version", "v1.20")], None)] {
        let before = namespace("app", metadata);
        let done = one([before.clone(), account("app", "default")]);
        let mut after = before;
        let ours: Value = done.changed.iter().map(|label| (format!("f:{label}"), json!({}))).collect();
        after["metadata"]["labels"] = json!(done.labels);
        let mut entries = after["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        entries.push(json!({"manager": super::super::MANAGER, "fieldsV1": {"f:metadata": {"f:labels": ours}}}));
        after["metadata"]["managedFields"] = json!(entries);
        let again = one([after, account("app", "default")]);
        assert_eq!((again.changed.len(), &again.labels), (0, &done.labels));
    }
}

#[test]
fn an_annotation_that_somebody_else_set_differently_stops_everything_unless_forced() {
    let with = |value: &str, control: &str| {
        let annotations = json!({"openshift.io/sa.scc.uid-range": "1000/100", MINIMALLY_SUFFICIENT: value});
        let owned = json!({"f:metadata": {"f:annotations": {format!("f:{MINIMALLY_SUFFICIENT}"): {}}}});
        let metadata = json!({"annotations": annotations, "labels": {CONTROL_LABEL: control}, "managedFields": [{"manager": "kubectl", "fieldsV1": owned}]});
        one([namespace("app", metadata), account("app", "default")])
    };
    let stopped = with("privileged", "");
    assert_eq!(stopped.outcome, Outcome::Skipped(Skip::AnnotationConflict { manager: "kubectl".into() }));
    assert_eq!((stopped.labels.len(), stopped.minimally_sufficient.as_deref()), (0, Some("privileged")));
    assert_eq!(with("restricted", "").labels.len(), 6);
    assert_eq!(with("privileged", "true").labels.len(), 6);
}
