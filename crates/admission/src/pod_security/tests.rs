#![allow(clippy::needless_pass_by_value, reason = "JSON written in place reads best without a reference before it")]

use super::*;
use crate::{
    cluster::Snapshot,
    review::{AdmissionResponse, Reason},
};
use serde_json::{Value, json};

fn cluster() -> Snapshot {
    let namespace = |name: &str, labels: Value| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
    let level = |mode: &str, level: &str| json!({format!("pod-security.kubernetes.io/{mode}"): level});
    Snapshot::of(
        "test",
        [
            namespace("plain", json!({})),
            namespace(
                "enforced",
                json!({"pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/enforce-version": "v1.28",
                "pod-security.kubernetes.io/warn": "restricted", "pod-security.kubernetes.io/audit": "baseline"}),
            ),
            namespace("warned", level("warn", "baseline")),
            namespace("broken", level("enforce", "x")),
            namespace("exempt", level("enforce", "restricted")),
        ],
    )
}

fn pod_security() -> PodSecurity {
    let exemptions = json!({"usernames": ["root"], "namespaces": ["exempt"], "runtimeClasses": ["kata"]});
    let file = json!({"apiVersion": "pod-security.admission.config.k8s.io/v1", "kind": "PodSecurityConfiguration", "exemptions": exemptions});
    PodSecurity::new(PodSecurityConfiguration::read(&file).unwrap()).unwrap()
}

/// A request, as an API server sends it, with some fields changed.
fn request(kind: (&str, &str, &str), object: Value, changes: Value) -> AdmissionRequest {
    let (group, kind, resource) = kind;
    let mut request = json!({"uid": "u", "kind": {"group": group, "version": "v1", "kind": kind},
        "resource": {"group": group, "version": "v1", "resource": resource}, "name": "a", "namespace": "enforced",
        "operation": "CREATE", "userInfo": {"username": "alice"}, "object": object});
    request.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    serde_json::from_str(&request.to_string()).unwrap()
}

const POD: (&str, &str, &str) = ("", "Pod", "pods");
const NAMESPACE: (&str, &str, &str) = ("", "Namespace", "namespaces");
const DEPLOYMENT: (&str, &str, &str) = ("apps", "Deployment", "deployments");

fn answer(kind: (&str, &str, &str), object: Value, changes: Value) -> AdmissionResponse {
    pod_security().review(&cluster(), &request(kind, object, changes)).response
}

fn host_pid() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"hostPID": true, "containers": [{"name": "c", "image": "x"}]}})
}

fn audit(response: &AdmissionResponse, key: &'static str) -> String {
    response.audit_annotations.get(key).cloned().unwrap_or_default()
}

#[test]
fn a_pod_that_violates_the_enforced_level_is_forbidden_and_noted_but_not_warned_of() {
    let response = answer(POD, host_pid(), json!({}));
    assert_eq!((response.uid.as_str(), response.allowed), ("u", false));
    let status = response.status.clone().unwrap();
    assert_eq!((status.code, status.reason), (403, Reason::Forbidden));
    assert_eq!(
        status.message,
        r#"pods "a" is forbidden: violates PodSecurity "baseline:v1.28": host namespaces (hostPID=true)"#
    );
    assert_eq!(audit(&response, "enforce-policy"), "baseline:v1.28");
    assert_eq!(
        audit(&response, "audit-violations"),
        r#"would violate PodSecurity "baseline:latest": host namespaces (hostPID=true)"#
    );
    assert_eq!(response.warnings, [""; 0]);
}

#[test]
fn a_pod_that_passes_the_enforced_level_is_warned_of_what_it_does_not_pass() {
    let response = answer(POD, json!({"spec": {"containers": [{"name": "c"}]}}), json!({}));
    assert!(response.allowed);
    assert_eq!(response.warnings.len(), 1);
    assert!(
        response.warnings[0]
            .starts_with(r#"would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false"#)
    );
}

#[test]
fn a_workload_is_never_forbidden() {
    let deployment =
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": host_pid()["spec"]}}});
    let response = answer(DEPLOYMENT, deployment, json!({}));
    assert!(response.allowed && response.warnings[0].contains("hostPID=true"));
    assert_eq!(audit(&response, "enforce-policy"), "");
}

#[test]
fn exempt_users_namespaces_and_runtime_classes_are_left_alone() {
    for (changes, reason) in
        [(json!({"userInfo": {"username": "root"}}), "user"), (json!({"namespace": "exempt"}), "namespace")]
    {
        let response = answer(POD, host_pid(), changes);
        assert!(response.allowed);
        assert_eq!(audit(&response, "exempt"), reason);
    }
    let mut pod = host_pid();
    pod["spec"]["runtimeClassName"] = json!("kata");
    assert_eq!(audit(&answer(POD, pod, json!({})), "exempt"), "runtimeClass");
}

#[test]
fn parts_that_cannot_change_the_spec_are_let_through_and_unknown_parts_are_judged() {
    for part in ["exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"] {
        assert_eq!(
            answer(POD, host_pid(), json!({"requestSubResource": part})),
            AdmissionResponse { uid: "u".into(), ..response::allowed() }
        );
    }
    for part in ["ephemeralcontainers", "resize", "of-the-future"] {
        assert!(!answer(POD, host_pid(), json!({"requestSubResource": part})).allowed, "{part}");
    }
    assert_eq!(answer(DEPLOYMENT, json!({}), json!({"requestSubResource": "scale"})).audit_annotations.len(), 0);
}

#[test]
fn an_update_that_changes_no_container_is_let_through() {
    let update = |old: Value| answer(POD, host_pid(), json!({"operation": "UPDATE", "oldObject": old}));
    assert!(update(host_pid()).allowed);
    let mut old = host_pid();
    old["spec"]["containers"][0]["image"] = json!("y");
    assert!(!update(old).allowed);
    let missing = update(json!(null)).status.unwrap();
    assert_eq!((missing.code, missing.message.as_str()), (400, "failed to decode old pod"));
}

#[test]
fn wrong_labels_judge_as_restricted_and_are_noted() {
    let response = answer(POD, host_pid(), json!({"namespace": "broken"}));
    assert!(
        response
            .status
            .clone()
            .unwrap()
            .message
            .starts_with(r#"pods "a" is forbidden: violates PodSecurity "restricted:latest""#)
    );
    assert_eq!(
        audit(&response, "error"),
        r#"Failed to parse policy: metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "x": must be one of privileged, baseline, restricted"#
    );
}

#[test]
fn a_namespace_that_is_not_there_is_an_error_for_pods_and_a_note_for_workloads() {
    let response = answer(POD, host_pid(), json!({"namespace": "gone"}));
    let status = response.status.clone().unwrap();
    assert_eq!((status.code, status.reason), (500, Reason::InternalError));
    assert_eq!(status.message, r#"Internal error occurred: failed to lookup namespace "gone""#);
    assert_eq!(
        audit(&response, "error"),
        r#"Internal error occurred: failed to lookup namespace "gone": namespaces "gone" not found"#
    );
    let response = answer(DEPLOYMENT, json!({}), json!({"namespace": "gone"}));
    assert!(response.allowed);
    assert_eq!(audit(&response, "error"), r#"failed to lookup namespace "gone": namespaces "gone" not found"#);
}

#[test]
fn deleting_a_workload_is_no_matter() {
    for kind in [DEPLOYMENT, ("batch", "Job", "jobs"), ("", "PodTemplate", "podtemplates")] {
        let response = answer(kind, json!(null), json!({"operation": "DELETE"}));
        assert_eq!(response, AdmissionResponse { uid: "u".into(), ..response::allowed() });
    }
}

#[test]
fn objects_that_are_none_and_objects_of_other_kinds_are_refused_or_noted() {
    let secret = json!({"apiVersion": "v1", "kind": "Secret"});
    for object in [json!(null), secret.clone()] {
        let status = answer(POD, object.clone(), json!({})).status.unwrap();
        assert_eq!((status.code, status.message.as_str()), (400, "failed to decode pod"));
        let status = answer(NAMESPACE, object, json!({})).status.unwrap();
        assert_eq!((status.code, status.message.as_str()), (400, "failed to decode namespace"));
    }
    let response = answer(DEPLOYMENT, secret, json!({}));
    assert_eq!(audit(&response, "error"), "failed to extract pod template: unexpected object type: /v1, Kind=Secret");
}

#[test]
fn objects_of_unknown_types_cannot_be_decoded() {
    let widget = json!({"apiVersion": "example.com/v1", "kind": "Widget"});
    let words = r#"failed to decode object: no kind "Widget" is registered for version "example.com/v1""#;
    for (kind, allowed) in [(POD, false), (NAMESPACE, false), (DEPLOYMENT, true)] {
        let response = answer(kind, widget.clone(), json!({}));
        assert_eq!((response.allowed, audit(&response, "error").as_str()), (allowed, words));
    }
}

#[test]
fn objects_of_the_wrong_shape_are_told_in_gos_words() {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"hostPID": "yes"}});
    let words = "json: cannot unmarshal string into Go struct field PodSpec.spec.hostPID of type bool";
    let response = answer(POD, pod, json!({}));
    assert_eq!(response.status.clone().unwrap().message, "failed to decode object");
    assert_eq!(audit(&response, "error"), format!("failed to decode object: {words}"));
    let deployment =
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": {"hostPID": "yes"}}}});
    let response = answer(DEPLOYMENT, deployment, json!({}));
    assert!(response.allowed);
    assert_eq!(
        audit(&response, "error"),
        format!("failed to decode object: {}", words.replace("spec.hostPID", "spec.template.spec.hostPID"))
    );
}

#[test]
fn a_replication_controller_may_go_without_a_template() {
    let response =
        answer(("", "ReplicationController", "replicationcontrollers"), json!({"spec": {"replicas": 0}}), json!({}));
    assert_eq!(response, AdmissionResponse { uid: "u".into(), ..response::allowed() });
}

mod namespaces {
    use super::*;

    fn labelled(labels: &[(&str, &str)]) -> Value {
        let labels: Value = labels.iter().map(|(k, v)| (format!("pod-security.kubernetes.io/{k}"), json!(v))).collect();
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns", "labels": labels}})
    }

    fn named(name: &str) -> Value {
        json!({"name": name, "namespace": name})
    }

    fn update(from: &[(&str, &str)], to: &[(&str, &str)], cluster: &Snapshot) -> Review {
        let mut changes = named("ns");
        changes["operation"] = json!("UPDATE");
        changes["oldObject"] = labelled(from);
        pod_security().review(cluster, &request(NAMESPACE, labelled(to), changes))
    }

    fn pods(names: &[(&str, Option<&str>)]) -> Snapshot {
        let pod = |(name, owner): &(&str, Option<&str>)| {
            let owners = owner.map(|uid| json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": uid, "uid": uid, "controller": true}]));
            let mut pod = host_pid();
            pod["metadata"] = json!({"name": name, "namespace": "ns", "ownerReferences": owners});
            pod
        };
        Snapshot::of("test", names.iter().map(pod))
    }

    #[test]
    fn labels_must_be_valid_from_the_start() {
        let response = answer(NAMESPACE, labelled(&[("enforce", "x"), ("warn-version", "1")]), named("ns"));
        let status = response.status.unwrap();
        assert_eq!((status.code, status.reason), (422, Reason::Invalid));
        assert_eq!(
            status.message,
            concat!(
                r#"Namespace "ns" is invalid: [metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "x": must be one of privileged, baseline, restricted, "#,
                r#"metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value: "1": must be "latest" or "v1.x"]"#
            )
        );
        assert_eq!(status.details.unwrap().causes.len(), 2);
    }

    #[test]
    fn labels_that_were_wrong_before_may_stay_wrong_in_the_same_way() {
        let cluster = Snapshot::default();
        assert!(update(&[("enforce", "x")], &[("enforce", "x")], &cluster).response.allowed);
        assert!(!update(&[("enforce", "x")], &[("enforce", "y")], &cluster).response.allowed);
        assert!(!update(&[], &[("enforce", "x")], &cluster).response.allowed);
    }

    #[test]
    fn a_stricter_level_is_held_against_the_pods_that_are_there() {
        let cluster = pods(&[("b-1", Some("b")), ("b-2", Some("b")), ("a", None), ("c", Some("c"))]);
        let review = update(&[], &[("enforce", "baseline")], &cluster);
        assert!(review.response.allowed);
        assert_eq!(
            review.response.warnings,
            [
                r#"existing pods in namespace "ns" violate the new PodSecurity enforce level "baseline:latest""#,
                "a (and 3 other pods): host namespaces",
            ]
        );
        let existing = review.existing.unwrap();
        assert_eq!((existing.checked, existing.total), (4, 4));
        let groups: Vec<_> = existing
            .violating
            .iter()
            .map(|group| (group.owner.as_ref().map(|owner| owner.name.as_str()), group.pods.join(" ")))
            .collect();
        assert_eq!(groups, [(None, "a".to_owned()), (Some("b"), "b-1 b-2".to_owned()), (Some("c"), "c".to_owned())]);
    }

    #[test]
    fn limits_put_pods_of_owners_seen_before_last() {
        let cluster = pods(&[("a-1", Some("a")), ("a-2", Some("a")), ("b-1", Some("b")), ("c", None)]);
        let judge = |limit| {
            pod_security()
                .with_limits(Limits { pods: Some(limit) })
                .existing(
                    &cluster,
                    "ns",
                    LevelVersion { level: ringfence_pss::Level::Baseline, version: ringfence_pss::Version::LATEST },
                )
                .unwrap()
        };
        let names = |found: &ExistingPods| {
            let mut names: Vec<_> = found.violating.iter().flat_map(|group| group.pods.clone()).collect();
            names.sort();
            names.join(" ")
        };
        let three = judge(3);
        assert_eq!((three.checked, three.total, names(&three).as_str()), (3, 4, "a-1 b-1 c"));
        assert_eq!(names(&judge(4)), "a-1 a-2 b-1 c");
        assert_eq!(names(&judge(1)), "a-1");
        let by = LevelVersion { level: ringfence_pss::Level::Baseline, version: ringfence_pss::Version::LATEST };
        assert_eq!(
            three.warnings("ns", by)[0],
            "new PodSecurity enforce level only checked against the first 3 of 4 existing pods"
        );
    }

    #[test]
    fn nothing_is_checked_when_the_enforced_level_is_not_stricter() {
        let cluster = pods(&[("a", None)]);
        for (from, to) in [
            (&[][..], &[("warn", "restricted")][..]),
            (&[("enforce", "restricted")], &[("enforce", "baseline")]),
            (&[("enforce", "restricted")], &[("enforce", "privileged"), ("enforce-version", "v1.2")]),
        ] {
            assert_eq!(update(from, to, &cluster).existing, None);
        }
        let other_version =
            update(&[("enforce", "restricted")], &[("enforce", "baseline"), ("enforce-version", "v1.2")], &cluster);
        assert_eq!(other_version.existing.unwrap().violating.len(), 1);
    }

    #[test]
    fn labelling_an_exempt_namespace_is_warned_of() {
        let mut namespace = labelled(&[("enforce", "baseline"), ("audit-version", "v1.20"), ("audit", "restricted")]);
        namespace["metadata"]["name"] = json!("exempt");
        let response = answer(NAMESPACE, namespace, named("exempt"));
        assert_eq!(
            response.warnings,
            [
                r#"namespace "exempt" is exempt from Pod Security, and the policy (enforce=baseline:latest, audit=restricted:v1.20) will be ignored"#
            ]
        );
        let mut namespace = labelled(&[("enforce", "privileged")]);
        namespace["metadata"]["name"] = json!("exempt");
        assert_eq!(answer(NAMESPACE, namespace, named("exempt")).warnings, [""; 0]);
    }

    #[test]
    fn deleting_one_has_no_object_to_judge() {
        let status = answer(NAMESPACE, json!(null), json!({"operation": "DELETE"})).status.unwrap();
        assert_eq!(status.message, "failed to decode namespace");
    }
}

mod laws {
    use super::*;
    use proptest::prelude::*;

    fn label() -> impl Strategy<Value = (String, String)> {
        let key = proptest::sample::select(&["enforce", "audit", "warn"][..]);
        let value = prop_oneof!["privileged|baseline|restricted", "latest|v1\\.[0-9]{1,2}", ".{0,8}"];
        (key, any::<bool>(), value).prop_map(|(key, version, value)| {
            (format!("pod-security.kubernetes.io/{key}{}", if version { "-version" } else { "" }), value)
        })
    }

    proptest! {
        #[test]
        fn there_is_a_policy_whatever_the_labels(labels in proptest::collection::btree_map(".{0,9}", ".{0,9}", 0..3), ours in proptest::collection::vec(label(), 0..6)) {
            let mut labels = labels;
            labels.extend(ours);
            let (policy, errors) = Policy::from_labels(&labels, &Policy::PRIVILEGED);
            let (again, same) = Policy::from_labels(&labels, &policy);
            // A policy that the labels already made changes no more, and the labels stay as wrong as they were.
            prop_assert_eq!(&errors, &same);
            if errors.is_empty() {
                prop_assert_eq!(policy.enforce, again.enforce);
                prop_assert_eq!(policy.audit, again.audit);
            }
        }

        #[test]
        fn no_request_is_too_odd_for_an_answer(resource in "pods|namespaces|deployments|widgets", operation in "CREATE|UPDATE|DELETE|CONNECT|X",
            part in "|status|exec|odd", namespace in "|plain|enforced|broken|gone", object in prop_oneof![
                Just(json!(null)), Just(json!([])), Just(json!("x")), Just(json!({})), Just(json!({"kind": 3})), Just(json!({"apiVersion": "a/b/c"})),
                Just(json!({"spec": []})), Just(json!({"apiVersion": "x/v1", "kind": "Y"})), Just(host_pid())]) {
            let request: AdmissionRequest = serde_json::from_str(&json!({"uid": "7", "resource": {"resource": resource}, "operation": operation,
                "requestSubResource": part, "namespace": namespace, "object": object}).to_string()).unwrap();
            let response = pod_security().review(&cluster(), &request).response;
            prop_assert_eq!(response.uid, "7");
            prop_assert_eq!(response.allowed, response.status.is_none());
        }
    }
}
