use super::*;
use crate::{
    cluster::Snapshot,
    pod_security::PodSecurity,
    review::{AdmissionRequest, AdmissionResponse},
};
use k8s_openapi::{
    api::core::v1::PodSpec,
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
    jiff::{SignedDuration, Timestamp},
};
use proptest::prelude::*;
use ringfence_pss::{CONTROLS, Level, Version, evaluate};
use serde_json::{Value, json};
use std::sync::Arc;

const NOW: &str = "2026-03-01T00:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn terms() -> Terms {
    Terms { namespace: "waivers".to_owned(), longest: SignedDuration::from_hours(24 * 90) }
}

/// A waiver that lacks nothing, with some of its spec replaced; null takes a field away.
fn waiver(name: &str, spec: &Value) -> Value {
    let mut object = json!({"apiVersion": "ringfence.dev/v1alpha1", "kind": "Waiver",
        "metadata": {"name": name, "namespace": "waivers", "creationTimestamp": "2026-02-01T00:00:00Z"},
        "spec": {"namespaces": ["shop"], "workload": {"kind": "DaemonSet", "name": "agent"}, "containers": ["agent"],
            "podFields": true, "controls": ["hostNamespaces", "privileged"], "expires": "2026-04-01T00:00:00Z",
            "owner": "platform@example.com", "reason": "reads the node's sockets until the exporter is split"}});
    for (key, value) in spec.as_object().unwrap() {
        if value.is_null() {
            object["spec"].as_object_mut().unwrap().remove(key);
        } else {
            object["spec"][key] = value.clone();
        }
    }
    object
}

fn waiving(objects: &[Value]) -> Waiving {
    Waiving { waivers: Arc::new(Waivers::new(&terms(), objects)), now: now() }
}

fn problem(spec: &Value) -> String {
    let waivers = Waivers::new(&terms(), &[waiver("w", spec)]);
    waivers.problems().first().map(|(_, error)| error.to_string()).unwrap_or_default()
}

fn cluster() -> Snapshot {
    let namespace = |name: &str| {
        json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "baseline",
            "pod-security.kubernetes.io/warn": "baseline"}}})
    };
    Snapshot::of("test", [namespace("shop"), namespace("other")])
}

fn pod(spec: &Value) -> Value {
    let owner = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "agent", "uid": "u", "controller": true});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "agent-x", "ownerReferences": [owner]}, "spec": spec})
}

fn review(objects: &[Value], namespace: &str, pod: &Value) -> AdmissionResponse {
    let request: AdmissionRequest =
        serde_json::from_value(json!({"uid": "u", "operation": "CREATE", "name": "agent-x",
        "namespace": namespace, "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"}, "object": pod}))
        .unwrap();
    PodSecurity::default().review_with(&cluster(), &request, Some(&waiving(objects))).response
}

fn agent(more: &Value) -> Value {
    let mut spec = json!({"hostNetwork": true,
        "containers": [{"name": "agent", "securityContext": {"privileged": true}}]});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    spec
}

#[test]
fn what_is_wholly_waived_is_let_through_and_said() {
    let response = review(&[waiver("agent", &json!({}))], "shop", &pod(&agent(&json!({}))));
    assert!(response.allowed && response.status.is_none());
    assert_eq!(
        response.warnings,
        [
            r#"waived until 2026-04-01T00:00:00Z by waiver "waivers/agent" of platform@example.com: hostNamespaces, privileged"#
        ]
    );
    assert_eq!(
        response.audit_annotations["waived-by"],
        "waivers/agent of platform@example.com until 2026-04-01T00:00:00Z: hostNamespaces, privileged \
         (reads the node's sockets until the exporter is split)"
    );
    assert_eq!(
        response.audit_annotations["waived-violations"],
        r#"violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true), privileged (container "agent" must not set securityContext.privileged=true)"#
    );
    assert_eq!(response.recorded.waived.iter().collect::<Vec<_>>(), ["hostNamespaces", "privileged"]);
    assert!(response.recorded.evaluations[0].unwrap().allowed);
}

#[test]
fn what_is_partly_waived_is_refused_for_the_rest() {
    let sidecar = json!({"containers": [{"name": "agent", "securityContext": {"privileged": true}},
        {"name": "sidecar", "securityContext": {"privileged": true}}]});
    let response = review(&[waiver("agent", &json!({}))], "shop", &pod(&agent(&sidecar)));
    assert_eq!(
        response.status.unwrap().message,
        r#"pods "agent-x" is forbidden: violates PodSecurity "baseline:latest": privileged (container "sidecar" must not set securityContext.privileged=true)"#
    );
    assert!(response.audit_annotations.contains_key("partly-waived-by"));
    assert!(!response.audit_annotations.contains_key("waived-by"));
    assert_eq!(response.recorded.waived.iter().count(), 0);
    assert_eq!(response.warnings.len(), 1);
}

#[test]
fn several_waivers_may_cover_a_pod_together() {
    let objects = [
        waiver("b-node", &json!({"controls": ["hostNamespaces"], "containers": null})),
        waiver("a-agent", &json!({"controls": ["privileged"], "podFields": null, "expires": "2026-03-02T00:00:00Z"})),
    ];
    let response = review(&objects, "shop", &pod(&agent(&json!({}))));
    assert!(response.allowed);
    assert!(response.warnings[0].contains("waivers/a-agent") && response.warnings[1].contains("waivers/b-node"));
    assert!(!review(&objects[..1], "shop", &pod(&agent(&json!({})))).allowed);
}

#[test]
fn nothing_beside_what_it_names_is_covered() {
    let everything = agent(&json!({}));
    let one = |spec: &Value| [waiver("w", spec)];
    for (objects, namespace, why) in [
        (one(&json!({})), "other", "another namespace"),
        (one(&json!({"workload": {"kind": "DaemonSet", "name": "other"}})), "shop", "another workload"),
        (one(&json!({"workload": {"kind": "Deployment", "name": "agent"}})), "shop", "another kind"),
        (one(&json!({"workload": {"selector": {"matchLabels": {"app": "agent"}}}})), "shop", "another label"),
        (one(&json!({"containers": ["sidecar"]})), "shop", "another container"),
        (one(&json!({"podFields": false})), "shop", "no fields of the pod"),
        (one(&json!({"controls": ["hostNamespaces"]})), "shop", "another control"),
        (one(&json!({"expires": NOW})), "shop", "expired to the moment"),
    ] {
        assert!(!review(&objects, namespace, &pod(&everything)).allowed, "{why}");
    }
    let mut elsewhere = waiver("w", &json!({}));
    elsewhere["metadata"]["namespace"] = "shop".into();
    assert!(!review(&[elsewhere], "shop", &pod(&everything)).allowed, "made where none count");
}

#[test]
fn a_volume_of_the_host_needs_both_of_the_controls_that_refuse_it() {
    let spec = json!({"volumes": [{"name": "v", "hostPath": {"path": "/"}}], "containers": []});
    let spec: PodSpec = serde_json::from_value(spec).unwrap();
    let pod = ObjectMeta::default();
    let rest = |controls: &Value| {
        let object = waiver("w", &json!({"workload": {"every": true}, "controls": controls}));
        let verdict = evaluate(Level::Restricted, Version::LATEST, &pod, &spec);
        waiving(&[object]).cover("shop", &pod, verdict).rest.findings().len()
    };
    assert_eq!(rest(&json!(["restrictedVolumes"])), 1);
    assert_eq!(rest(&json!(["hostPathVolumes"])), 1);
    assert_eq!(rest(&json!(["hostPathVolumes", "restrictedVolumes"])), 0);
}

#[test]
fn whatever_is_not_wholly_understood_does_not_count() {
    for (spec, words) in [
        (
            json!({"controls": ["hostNamespaces", "hostNetwork"]}),
            r#"spec.controls names "hostNetwork", which is no control"#,
        ),
        (json!({"controls": []}), "spec.controls must be set"),
        (json!({"controls": ["Privileged"]}), "which is no control"),
        (json!({"container": ["a"]}), "spec.container is not known here"),
        (json!({"namespaces": ["*"]}), r#"spec.namespaces is "*": it must be the name of a namespace"#),
        (json!({"namespaces": null}), "spec.namespaces must be set"),
        (json!({"workload": null}), "spec.workload must be set"),
        (json!({"workload": {}}), "spec.workload must have"),
        (json!({"workload": {"kind": "DaemonSet"}}), "spec.workload must have"),
        (json!({"workload": {"name": "agent"}}), "spec.workload must have"),
        (json!({"workload": {"every": true, "kind": "DaemonSet", "name": "a"}}), "spec.workload must have"),
        (json!({"workload": {"every": true, "namespace": "a"}}), "spec.workload.namespace is not known here"),
        (json!({"workload": {"selector": {}}}), "spec.workload.selector: it selects everything"),
        (json!({"containers": [], "podFields": false}), "spec.containers or spec.podFields must be set"),
        (json!({"expires": null}), "spec.expires must be set"),
        (json!({"expires": "tomorrow"}), r#"spec.expires is "tomorrow""#),
        (json!({"expires": "2026-12-31"}), "spec.expires is"),
        (json!({"expires": "2026-05-03T00:00:00Z"}), "it may last until 2026-05-02T00:00:00Z at most"),
        (json!({"owner": null}), "spec.owner must be set"),
        (json!({"owner": " "}), "spec.owner must be set"),
        (json!({"owner": "a\u{1b}[2J"}), "control characters"),
        (json!({"reason": "x".repeat(1025)}), "no longer than 1024"),
        (json!({"containers": "agent"}), "cannot unmarshal"),
    ] {
        let problem = problem(&spec);
        assert!(problem.contains(words), "{spec}: {problem:?}");
        assert!(!review(&[waiver("w", &spec)], "shop", &pod(&agent(&json!({})))).allowed);
    }
    assert_eq!(problem(&json!({})), "");
}

#[test]
fn where_nobody_knows_when_it_was_made_it_must_end_soon_enough_from_now() {
    let mut object = waiver("w", &json!({}));
    object["metadata"].as_object_mut().unwrap().remove("creationTimestamp");
    let state = |object: &Value| {
        let waivers = Waivers::new(&terms(), [object]);
        let waiver = waivers.iter().next().unwrap();
        waivers.state(waiver, now())
    };
    assert_eq!(state(&object), State::Valid);
    object["spec"]["expires"] = "2027-01-01T00:00:00Z".into();
    assert!(matches!(state(&object), State::Invalid(WaiverError::TooLong { .. })));
}

#[test]
fn the_definition_knows_the_controls_and_fields_that_are_known_here() {
    let yaml = include_bytes!("../../../../deploy/crds/waivers.yaml");
    let documents = ringfence_manifest::read(yaml);
    let root: Value = documents
        .iter()
        .find_map(ringfence_manifest::Document::root)
        .map(|root| serde_json::from_str(&root.to_json()).unwrap())
        .unwrap();
    let spec = &root["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
    let mut known: Vec<&str> = CONTROLS.iter().map(|control| control.id).collect();
    known.sort_unstable();
    let mut written: Vec<&str> =
        spec["controls"]["items"]["enum"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    written.sort_unstable();
    assert_eq!(written, known);
    let full = json!({"namespaces": ["shop"], "workload": {"kind": "DaemonSet", "name": "a",
        "selector": {"matchLabels": {"a": "b"}, "matchExpressions": []}}});
    assert_eq!(problem(&full), "");
    for field in spec.as_object().unwrap().keys() {
        // An unknown field would be the problem.
        assert!(!problem(&json!({field: 7})).contains("not known here"), "{field}");
    }
    assert_eq!(root["spec"]["group"], "ringfence.dev");
    assert_eq!((&root["spec"]["scope"], &root["spec"]["names"]["kind"]), (&json!("Namespaced"), &json!(KIND)));
}

fn specs() -> impl Strategy<Value = Value> {
    let container = |name: &'static str| {
        (any::<bool>(), any::<bool>(), 0_u16..2).prop_map(move |(privileged, root, port)| {
            json!({"name": name, "ports": [{"containerPort": 1, "hostPort": port}],
                "securityContext": {"privileged": privileged, "runAsNonRoot": !root}})
        })
    };
    let volume =
        prop_oneof![Just(json!([])), Just(json!([{"name": "v", "hostPath": {"path": "/"}}, {"name": "n", "nfs": {}}]))];
    (any::<[bool; 3]>(), container("a"), container("b"), volume).prop_map(|([net, pid, sysctl], a, b, volumes)| {
        let sysctls = if sysctl { json!([{"name": "kernel.msgmax", "value": "1"}]) } else { json!([]) };
        json!({"hostNetwork": net, "hostPID": pid, "containers": [a], "initContainers": [b], "volumes": volumes,
            "securityContext": {"sysctls": sysctls}})
    })
}

fn waivers() -> impl Strategy<Value = Vec<Value>> {
    let one = (
        proptest::sample::subsequence(CONTROLS.iter().map(|control| control.id).collect::<Vec<_>>(), 1..=19),
        proptest::sample::subsequence(vec!["a", "b", "*"], 0..=2),
        any::<bool>(),
        // Around the present day.
        20_u8..=40,
    );
    proptest::collection::vec(one, 0..4).prop_map(|all| {
        let made = all.into_iter().enumerate().map(|(i, (controls, containers, pod, day))| {
            let (month, day) = if day > 28 { (3, day - 28) } else { (2, day) };
            waiver(
                &format!("w{i}"),
                &json!({"controls": controls, "containers": containers, "podFields": pod,
                "workload": {"every": true}, "expires": format!("2026-{month:02}-{day:02}T00:00:00Z")}),
            )
        });
        made.collect()
    })
}

proptest! {
    #[test]
    fn a_waiver_takes_away_findings_of_its_own_and_nothing_else(spec in specs(), objects in waivers()) {
        let spec: PodSpec = serde_json::from_value(spec).unwrap();
        let pod = ObjectMeta::default();
        for level in [Level::Baseline, Level::Restricted] {
            let verdict = || evaluate(level, Version::LATEST, &pod, &spec);
            let (before, waiving) = (verdict(), waiving(&objects));
            let cover = waiving.cover("shop", &pod, verdict());
            // Whatever words the rest needs, it has.
            let _ = (cover.rest.detail(), cover.rest.reason());
            for finding in before.findings() {
                let kept = cover.rest.findings().contains(finding);
                let covered = waiving.waivers.iter().any(|w| w.covers(finding) && waiving.waivers.state(w, now()) == State::Valid);
                prop_assert_eq!(kept, !covered);
            }
            prop_assert!(cover.rest.findings().iter().all(|finding| before.findings().contains(finding)));
            let named: std::collections::BTreeSet<_> = cover.by.iter().flat_map(|used| used.controls.clone()).collect();
            let gone: std::collections::BTreeSet<_> = before.findings().iter()
                .filter(|finding| !cover.rest.findings().contains(finding)).map(|finding| finding.control().id).collect();
            prop_assert_eq!(named, gone);
        }
    }

    #[test]
    fn later_nothing_more_is_waived(spec in specs(), objects in waivers(), days in 0_i64..60) {
        let spec: PodSpec = serde_json::from_value(spec).unwrap();
        let pod = ObjectMeta::default();
        let early = waiving(&objects);
        let late = Waiving { now: now() + SignedDuration::from_hours(24 * days), ..early.clone() };
        let rest = |waiving: &Waiving| {
            let verdict = evaluate(Level::Restricted, Version::LATEST, &pod, &spec);
            waiving.cover("shop", &pod, verdict).rest
        };
        let (early, late) = (rest(&early), rest(&late));
        prop_assert!(early.findings().iter().all(|finding| late.findings().contains(finding)));
    }

    #[test]
    fn the_order_of_waivers_says_nothing(spec in specs(), objects in waivers()) {
        let mut turned = objects.clone();
        turned.reverse();
        let answer = |objects: &[Value]| serde_json::to_value(review(objects, "shop", &pod(&spec))).unwrap();
        prop_assert_eq!(answer(&objects), answer(&turned));
    }

    #[test]
    fn without_waivers_the_answer_is_that_of_the_reference(spec in specs()) {
        let request: AdmissionRequest = serde_json::from_value(json!({"uid": "u", "operation": "CREATE", "name": "agent-x",
            "namespace": "shop", "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"}, "object": pod(&spec)})).unwrap();
        let plain = PodSecurity::default().review(&cluster(), &request).response;
        prop_assert_eq!(plain, review(&[], "shop", &pod(&spec)));
    }
}
