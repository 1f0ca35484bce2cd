//! What would have had a refused pod admitted.

mod common;

use common::{Rights, alice, in_app, platform_in_app, pod, project};
use ringfence_scc::{Engine, Namespace, Operation, SecurityContextConstraints, apply, minimal_for, platform};
use serde_json::{Value, json};

fn rights() -> Rights {
    Rights::default().to("*", &["restricted-v2", "restricted-v3"])
}

/// The ranking for a pod, a line each.
fn ranking(spec: &Value) -> String {
    let refused = pod(spec);
    let candidates = platform_in_app();
    let near = candidates.near_misses(&refused, &alice(), &rights());
    let line = |near: &ringfence_scc::NearMiss| {
        let edits: Vec<String> = near.edits.iter().flatten().map(ToString::to_string).collect();
        let grant = if near.grant.is_some() { " with a grant" } else { "" };
        format!("{}{grant}: {}", near.scc, edits.join("; "))
    };
    near.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_lightest_change_under_a_usable_scc_comes_first() {
    insta::assert_snapshot!(ranking(&json!({
        "hostNetwork": true,
        "securityContext": {"fsGroup": 2000},
        "containers": [{"name": "c", "securityContext": {"runAsUser": 0, "capabilities": {"add": ["NET_ADMIN", "KILL"]}}}],
        "volumes": [{"name": "v", "hostPath": {"path": "/"}}],
    })));
}

#[test]
fn what_a_container_inherits_is_changed_where_it_is_written() {
    let spec = json!({
        "securityContext": {"runAsUser": 5, "seLinuxOptions": {"type": "spc_t"}, "seccompProfile": {"type": "Unconfined"}},
        "containers": [{"name": "a"}, {"name": "b", "securityContext": {"runAsUser": 6}}],
    });
    let near = platform_in_app().near_misses(&pod(&spec), &alice(), &rights());
    let edits: Vec<String> = near[0].edits.iter().flatten().map(ToString::to_string).collect();
    assert_eq!(near[0].scc, "restricted-v2");
    assert_eq!(
        edits,
        [
            "remove spec.securityContext.seccompProfile",
            "remove spec.securityContext.seLinuxOptions",
            "remove spec.securityContext.runAsUser",
            "remove spec.containers[1].securityContext.runAsUser",
        ]
    );
}

#[test]
fn every_proposal_admits() {
    let spec = json!({
        "hostPID": true,
        "securityContext": {"supplementalGroups": [], "sysctls": [{"name": "vm.swappiness", "value": "1"}]},
        "initContainers": [{"name": "i", "securityContext": {"privileged": true, "runAsNonRoot": false}}],
        "containers": [{"name": "c", "ports": [{"containerPort": 1, "hostPort": 2}]}],
        "volumes": [{"name": "v", "nfs": {"server": "s", "path": "/"}}],
    });
    let candidates = platform_in_app();
    let near = candidates.near_misses(&pod(&spec), &alice(), &rights());
    assert_eq!(near.len(), platform::constraints().len());
    for miss in near {
        let mut changed = pod(&spec);
        apply(&mut changed, miss.edits.as_deref().unwrap());
        let grant = miss.grant.map(|g| (g.scc, g.subject.name));
        let mut rights = rights();
        rights.0.extend(grant);
        let decision = candidates.admit(&changed, &alice(), Operation::Create, &rights);
        assert!(decision.allowed(), "{}: {:?}", miss.scc, decision.message);
    }
}

#[test]
fn the_smallest_grant_is_the_most_restrictive_scc_that_takes_the_pod_as_it_is() {
    let candidates = platform_in_app();
    let grant = |spec: &Value| candidates.smallest_grant(&pod(spec), &alice(), &rights());
    let fixed = grant(&json!({"containers": [{"name": "c", "securityContext": {"runAsUser": 7}}]})).unwrap();
    assert_eq!((fixed.scc.as_str(), fixed.subject.name.as_str()), ("nonroot-v2", "alice"));
    let root = json!({"serviceAccountName": "s", "containers": [{"name": "c", "securityContext": {"runAsUser": 0}}]});
    let root = grant(&root).unwrap();
    assert_eq!(root.scc, "anyuid");
    assert_eq!(root.subject.name, "system:serviceaccount:app:s");
    assert_eq!(grant(&json!({"containers": [{"name": "c"}]})), None, "nothing is missing");
}

fn minimal(spec: &Value) -> SecurityContextConstraints {
    let annotations = project();
    let namespace = Namespace { name: "app", annotations: Some(&annotations) };
    let scc = minimal_for("mine", &pod(spec), &namespace).expect("an SCC");
    let rights = Rights::default().to("*", &["mine"]);
    let decision = in_app(&Engine::new([scc.clone()])).admit(&pod(spec), &alice(), Operation::Create, &rights);
    assert_eq!(decision.chosen.as_deref(), Some("mine"));
    assert_eq!(ringfence_scc::validate(&scc), []);
    scc
}

/// What a new SCC has beyond `restricted-v2`.
fn beyond(scc: &SecurityContextConstraints) -> Vec<String> {
    let all = platform::constraints();
    let base = all.iter().find(|s| s.name() == "restricted-v2").expect("the base");
    ringfence_scc::diff(base, scc).iter().map(|d| format!("{}: {}", d.field, d.b)).collect()
}

#[test]
fn a_new_scc_allows_what_the_pod_needs_and_no_more() {
    assert_eq!(beyond(&minimal(&json!({"containers": [{"name": "c"}]}))), Vec::<String>::new());
    let redis = json!({
        "securityContext": {"fsGroup": 1001},
        "containers": [{"name": "c", "securityContext": {"runAsUser": 1001, "capabilities": {"add": ["SYS_RESOURCE"]}}}],
    });
    assert_eq!(
        beyond(&minimal(&redis)),
        [
            "allowedCapabilities: [\"NET_BIND_SERVICE\",\"SYS_RESOURCE\"]",
            "runAsUser: {\"type\":\"MustRunAs\",\"uid\":1001}",
            "fsGroup: {\"type\":\"MustRunAs\",\"ranges\":[{\"min\":1001,\"max\":1001}]}",
        ]
    );
}

#[test]
fn a_new_scc_holds_several_users_labels_and_drivers() {
    let spec = json!({
        "hostIPC": true,
        "securityContext": {"seLinuxOptions": {"level": "s0:c1", "type": "spc_t"}, "supplementalGroups": [5, 6, 9]},
        "containers": [
            {"name": "a", "securityContext": {"runAsUser": 5}},
            {"name": "b", "securityContext": {"runAsUser": 9, "privileged": true}},
        ],
        "volumes": [{"name": "v", "flexVolume": {"driver": "a/b"}}, {"name": "w", "hostPath": {"path": "/"}}],
    });
    insta::assert_snapshot!(beyond(&minimal(&spec)).join("\n"));
}

#[test]
fn a_pod_that_insists_on_root_by_promise_alone_gets_any_user() {
    let spec = json!({
        "securityContext": {"runAsNonRoot": false},
        "containers": [{"name": "a", "securityContext": {"runAsUser": 5}}, {"name": "b"}],
    });
    assert_eq!(minimal(&spec).run_as_user.type_, "RunAsAny");
}
