//! Whole decisions, worded as the API server words them.

mod common;

use common::{Rights, alice, in_app, platform_in_app, pod, project};
use k8s_openapi::api::core::v1::Pod;
use ringfence_scc::{
    Engine, Grant, Namespace, Operation, Outcome, REQUIRED_SCC, Skipped, Subject, SubjectType, VALIDATED_SCC, platform,
};
use serde_json::{Value, json};

fn everyone() -> Rights {
    Rights::default().to("*", &["restricted-v2", "restricted-v3"])
}

fn container() -> Value {
    json!({"name": "c", "image": "i"})
}

fn annotated(mut pod: Pod, key: &str, value: &str) -> Pod {
    pod.metadata.annotations.get_or_insert_default().insert(key.into(), value.into());
    pod
}

#[test]
fn a_plain_pod_gets_restricted_v2_and_all_that_it_fills_in() {
    let plain = pod(&json!({"containers": [container()]}));
    let decision = platform_in_app().admit(&plain, &alice(), Operation::Create, &everyone());
    assert_eq!(decision.chosen.as_deref(), Some("restricted-v2"));
    assert_eq!(decision.validated_by, Some(SubjectType::User));
    insta::assert_json_snapshot!(decision.pod);
}

#[test]
fn a_refusal_lists_every_scc_in_order() {
    let lax = pod(&json!({
        "hostPID": true,
        "containers": [{"name": "c", "securityContext": {"runAsUser": 0, "capabilities": {"add": ["SYS_ADMIN"]}}}],
        "volumes": [{"name": "v", "hostPath": {"path": "/"}}],
    }));
    let decision = platform_in_app().admit(&lax, &alice(), Operation::Create, &everyone());
    insta::assert_snapshot!(decision.message.unwrap().replace(", ", ",\n"));
}

#[test]
fn whoever_lacks_the_old_restricted_is_told_when_it_would_have_done() {
    let escalating =
        pod(&json!({"containers": [{"name": "c", "securityContext": {"allowPrivilegeEscalation": true}}]}));
    let decision = platform_in_app().admit(&escalating, &alice(), Operation::Create, &everyone());
    assert!(decision.message.unwrap().ends_with(
        "no access to scc/restricted: Forbidden: the pod fails to validate against the `restricted-v2` security \
         context constraint, but would validate successfully against the `restricted` security context constraint]"
    ));
}

#[test]
fn the_service_account_is_asked_before_the_user() {
    let named = pod(&json!({"serviceAccountName": "builder", "containers": [container()]}));
    let rights = everyone().to("system:serviceaccount:app:builder", &["anyuid"]).to("alice", &["anyuid"]);
    let decision = platform_in_app().admit(&named, &alice(), Operation::Create, &rights);
    assert_eq!(decision.chosen.as_deref(), Some("anyuid"));
    assert_eq!(decision.validated_by, Some(SubjectType::ServiceAccount));
    let by_user =
        platform_in_app().admit(&pod(&json!({"containers": [container()]})), &alice(), Operation::Create, &rights);
    assert_eq!(by_user.validated_by, Some(SubjectType::User));
}

#[test]
fn an_sccs_own_users_and_groups_count() {
    let plain = pod(&json!({"hostNetwork": true, "containers": [container()]}));
    let admin = |name: &str, groups: &[&str]| Subject {
        name: name.into(),
        groups: groups.iter().map(ToString::to_string).collect(),
    };
    let none = Rights::default();
    let by_name = platform_in_app().admit(&plain, &admin("system:admin", &[]), Operation::Create, &none);
    assert_eq!((by_name.chosen.as_deref(), by_name.grant), (Some("privileged"), Some(Grant::Users)));
    let by_group = platform_in_app().admit(&plain, &admin("x", &["system:masters"]), Operation::Create, &none);
    assert_eq!(by_group.grant, Some(Grant::Groups("system:masters".into())));
}

#[test]
fn a_required_scc_is_the_only_candidate() {
    let candidates = platform_in_app();
    let plain = || pod(&json!({"containers": [container()]}));
    let rights = everyone().to("alice", &["nonroot-v2"]);
    let decision =
        candidates.admit(&annotated(plain(), REQUIRED_SCC, "nonroot-v2"), &alice(), Operation::Create, &rights);
    assert_eq!(decision.chosen.as_deref(), Some("nonroot-v2"));
    assert_eq!(decision.trials.len(), 1);
    let denied = candidates.admit(&annotated(plain(), REQUIRED_SCC, "anyuid"), &alice(), Operation::Create, &rights);
    assert_eq!(
        denied.message.unwrap(),
        "pods \"p\" is forbidden: unable to validate against any security context constraint: provider \"anyuid\": Forbidden: not usable by user or serviceaccount"
    );
    let missing = candidates.admit(&annotated(plain(), REQUIRED_SCC, "none"), &alice(), Operation::Create, &rights);
    assert_eq!(
        missing.message.unwrap(),
        "pods \"p\" is forbidden: failed to retrieve the required SCC \"none\": securitycontextconstraints.security.openshift.io \"none\" not found"
    );
}

#[test]
fn one_broken_scc_keeps_everyone_out_of_a_namespace() {
    let mut constraints = platform::constraints();
    constraints[0].run_as_user.type_ = "MustRunAs".into();
    let candidates = in_app(&Engine::new(constraints));
    let plain = pod(&json!({"containers": [container()]}));
    let decision = candidates.admit(&plain, &alice(), Operation::Create, &everyone());
    assert_eq!(
        decision.message.unwrap(),
        "pods \"p\" is forbidden: error creating provider for SCC anyuid in namespace app: MustRunAs requires a UID"
    );
}

#[test]
fn a_generated_name_stands_for_the_name() {
    let mut generated = pod(&json!({"containers": [container()]}));
    generated.metadata.name = None;
    generated.metadata.generate_name = Some("web-".into());
    let annotations = project();
    let engine = Engine::new([]);
    let namespace = Namespace { name: "app", annotations: Some(&annotations) };
    let decision = engine.admit(&generated, &namespace, &alice(), Operation::Create, &everyone());
    assert_eq!(decision.message.unwrap(), "pods \"web-\" is forbidden: no SecurityContextConstraints found in cluster");
}

#[test]
fn windows_pods_are_not_looked_at() {
    let windows = pod(&json!({"os": {"name": "windows"}, "hostNetwork": true, "containers": [container()]}));
    let decision = platform_in_app().admit(&windows, &alice(), Operation::Create, &Rights::default());
    assert_eq!((decision.skipped, decision.allowed()), (Some(Skipped::Windows), true));
}

#[test]
fn the_ports_of_a_pod_on_the_nodes_network_are_the_nodes() {
    let spec = json!({"hostNetwork": true, "containers": [{"name": "c", "ports": [{"containerPort": 80}]}]});
    let decision = platform_in_app().admit(&pod(&spec), &alice(), Operation::Create, &everyone());
    assert!(decision.message.unwrap().contains("hostPort: Invalid value: 80"));
}

#[test]
fn an_update_may_not_be_filled_in_and_takes_the_scc_that_leaves_it_alone() {
    let candidates = platform_in_app();
    let old = pod(&json!({"securityContext": {}, "containers": [container()]}));
    let mut new = old.clone();
    new.metadata.labels = Some([("a".to_string(), "b".to_string())].into());
    let refused = candidates.admit(&new, &alice(), Operation::Update { old: &old }, &everyone());
    assert_eq!(refused.trials.iter().find(|t| t.scc == "restricted-v2").unwrap().outcome, Outcome::WouldMutate);
    let rights = everyone().to("alice", &["privileged"]);
    let taken = candidates.admit(&new, &alice(), Operation::Update { old: &old }, &rights);
    assert_eq!(taken.chosen.as_deref(), Some("privileged"));
    assert_eq!(taken.pod.spec, old.spec);
}

#[test]
fn an_update_may_not_change_the_required_scc() {
    let old = pod(&json!({"containers": [container()]}));
    let new = annotated(old.clone(), REQUIRED_SCC, "anyuid");
    let decision = platform_in_app().admit(&new, &alice(), Operation::Update { old: &old }, &everyone());
    assert_eq!(
        decision.message.unwrap(),
        "pods \"p\" is forbidden: invalid change of required security context constraint annotation: openshift.io/required-scc"
    );
}

#[test]
fn an_update_of_what_does_not_matter_is_not_looked_at() {
    let old = pod(&json!({"containers": [container()], "schedulingGates": [{"name": "g"}]}));
    let mut new = old.clone();
    new.spec.as_mut().unwrap().scheduling_gates = None;
    new.metadata.finalizers = Some(vec!["a/b".into()]);
    let new = annotated(new, "k8s.ovn.org/pod-networks", "{}");
    let none = Rights::default();
    let skipped = platform_in_app().admit(&new, &alice(), Operation::Update { old: &old }, &none).skipped;
    assert_eq!(skipped, Some(Skipped::Unchanged));
    let more = annotated(new, "other", "x");
    assert_eq!(platform_in_app().admit(&more, &alice(), Operation::Update { old: &old }, &none).skipped, None);
}

#[test]
fn ephemeral_containers_are_filled_in_where_the_rest_needs_nothing() {
    let candidates = platform_in_app();
    let created = pod(&json!({"containers": [container()]}));
    let old = candidates.admit(&created, &alice(), Operation::Create, &everyone()).pod;
    let mut new = old.clone();
    new.spec.as_mut().unwrap().ephemeral_containers =
        Some(vec![serde_json::from_value(json!({"name": "debug", "image": "i"})).unwrap()]);
    let operation = Operation::UpdateEphemeralContainers { old: &old };
    let decision = candidates.admit(&new, &alice(), operation, &everyone());
    assert_eq!(decision.chosen.as_deref(), Some("restricted-v2"));
    let context = &decision.pod.spec.unwrap().ephemeral_containers.unwrap()[0].security_context;
    assert_eq!(context.as_ref().unwrap().run_as_user, Some(1_000_680_000));
}

#[test]
fn exec_is_for_those_who_could_create_the_pod() {
    let candidates = platform_in_app();
    let stored = pod(&json!({"hostPID": true, "containers": [container()]}));
    let refusal = candidates.exec(&stored, &alice(), "exec", &everyone()).unwrap_err();
    assert!(refusal.starts_with(
        "pods \"p\" is forbidden: exec operation is not allowed because the pod's security context exceeds your \
         permissions: pods \"p\" is forbidden: unable to validate against any security context constraint: ["
    ));
    assert_eq!(candidates.exec(&stored, &alice(), "exec", &everyone().to("alice", &["hostaccess"])), Ok(()));
}

#[test]
fn the_second_look_wants_the_annotations_to_agree() {
    let candidates = platform_in_app();
    let required = annotated(pod(&json!({"containers": [container()]})), REQUIRED_SCC, "restricted-v2");
    let other = annotated(required.clone(), VALIDATED_SCC, "anyuid");
    assert_eq!(
        candidates.validate(&other, &alice(), &everyone()).unwrap_err(),
        "pods \"p\" is forbidden: required scc/restricted-v2 does not match the suggested scc/anyuid"
    );
    let stored = candidates.admit(&required, &alice(), Operation::Create, &everyone()).pod;
    assert_eq!(candidates.validate(&stored, &alice(), &everyone()), Ok(()));
}

#[test]
fn the_audit_log_says_why() {
    let candidates = platform_in_app();
    let rights = everyone().to("alice", &["restricted", "privileged"]);
    let escalating =
        pod(&json!({"containers": [{"name": "c", "securityContext": {"allowPrivilegeEscalation": true}}]}));
    let decision = candidates.admit(&escalating, &alice(), Operation::Create, &rights);
    insta::assert_json_snapshot!(candidates.audit(&decision, &escalating, &alice(), &rights));
}

#[test]
fn every_turn_can_be_asked_for_beyond_the_one_that_took_the_pod() {
    let candidates = platform_in_app();
    let plain = pod(&json!({"containers": [container()]}));
    let rights = everyone().to("alice", &["privileged"]);
    let trials = candidates.trials(&plain, &alice(), &rights);
    let outcome = |scc: &str| trials.iter().find(|t| t.scc == scc).map(|t| t.outcome.clone());
    assert_eq!(trials.len(), platform::constraints().len());
    assert_eq!(outcome("anyuid"), Some(Outcome::NotUsable));
    assert_eq!(outcome("restricted-v2"), Some(Outcome::Admitted));
    assert_eq!(outcome("privileged"), Some(Outcome::Admitted));
    assert!(matches!(outcome("restricted-v3"), Some(Outcome::Refused(_))));
}

#[test]
fn a_legacy_container_annotation_becomes_its_field() {
    let mut legacy = pod(&json!({"containers": [container()]}));
    legacy = annotated(legacy, "container.seccomp.security.alpha.kubernetes.io/c", "runtime/default");
    let decision = platform_in_app().admit(&legacy, &alice(), Operation::Create, &everyone());
    let spec = decision.pod.spec.unwrap();
    let context = spec.containers[0].security_context.as_ref().unwrap();
    assert_eq!(context.seccomp_profile.as_ref().unwrap().type_, "RuntimeDefault");
}

#[test]
fn a_read_only_root_and_default_capabilities_are_filled_in_everywhere() {
    let mut scc = platform::constraints().remove(0);
    scc.read_only_root_filesystem = true;
    scc.default_add_capabilities = vec!["CHOWN".into()];
    scc.default_allow_privilege_escalation = Some(false);
    let rights = Rights::default().to("alice", &["anyuid"]);
    let spec = json!({
        "initContainers": [{"name": "i"}],
        "containers": [{"name": "c", "securityContext": {"capabilities": {"drop": ["CHOWN"]}}}, {"name": "d", "securityContext": {"privileged": false}}],
    });
    let decision = in_app(&Engine::new([scc])).admit(&pod(&spec), &alice(), Operation::Create, &rights);
    insta::assert_json_snapshot!(decision.pod.spec);
}
