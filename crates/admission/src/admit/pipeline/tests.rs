#![allow(clippy::needless_pass_by_value, reason = "JSON written in place reads best without a reference before it")]

use super::*;
use crate::cluster::Snapshot;
use crate::{
    admit::{Assumption, Part},
    pod_security::PodSecurityConfiguration,
};
use serde_json::{Value, json};

fn namespace(name: &str, labels: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels, "annotations": {
        "openshift.io/sa.scc.uid-range": "1000/10", "openshift.io/sa.scc.supplemental-groups": "2000/10", "openshift.io/sa.scc.mcs": "s0:c1,c0"}}})
}

fn constraint(name: &str, priority: i32, changes: Value) -> Value {
    let mut scc = json!({"apiVersion": "security.openshift.io/v1", "kind": "SecurityContextConstraints", "metadata": {"name": name},
        "priority": priority, "allowPrivilegeEscalation": true, "volumes": ["*"], "allowHostPID": false, "allowedCapabilities": ["*"],
        "fsGroup": {"type": "RunAsAny"}, "supplementalGroups": {"type": "RunAsAny"}, "seLinuxContext": {"type": "MustRunAs"},
        "runAsUser": {"type": "MustRunAsRange"}, "seccompProfiles": ["*"]});
    scc.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    scc
}

fn openshift(more: impl IntoIterator<Item = Value>) -> Snapshot {
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "app"}});
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "use-pid"},
        "rules": [{"apiGroups": ["security.openshift.io"], "resources": ["securitycontextconstraints"], "verbs": ["use"], "resourceNames": ["pid"]}]});
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "alice-pid"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "use-pid"},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "alice"}]});
    let all = [
        namespace("app", json!({})),
        account,
        role,
        binding,
        constraint("everyone", 0, json!({"groups": ["system:authenticated", "system:serviceaccounts"]})),
        constraint("pid", 0, json!({"allowHostPID": true})),
    ];
    Snapshot::of("test", all.into_iter().chain(more))
}

fn pod(spec: Value) -> Pod {
    let mut own = json!({"containers": [{"name": "c", "image": "x"}]});
    own.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": own})).unwrap()
}

fn admit(cluster: &Snapshot, pod: &Pod, namespace: &str, user: &str) -> Admission {
    Admitter::new(cluster, PodSecurity::default()).admit(pod, namespace, &User::impersonated(user, &[]))
}

#[test]
fn a_constraint_fills_in_what_the_pod_leaves_out() {
    let admission = admit(&openshift([]), &pod(json!({})), "app", "bob");
    assert_eq!((admission.allowed, admission.scc.as_deref()), (true, Some("everyone")));
    let spec = admission.pod.spec.unwrap();
    assert_eq!(spec.service_account_name.as_deref(), Some("default"));
    assert_eq!(spec.containers[0].security_context.as_ref().unwrap().run_as_user, Some(1000));
    assert_eq!(admission.pod.metadata.annotations.unwrap()["openshift.io/scc"], "everyone");
    assert_eq!(admission.grant, Some(Grant::Groups { group: "system:serviceaccounts".into() }));
}

#[test]
fn who_may_use_more_gets_more_and_the_chain_is_told() {
    let host_pid = pod(json!({"hostPID": true}));
    let refused = admit(&openshift([]), &host_pid, "app", "bob");
    assert_eq!((refused.allowed, refused.by), (false, Some(Plugin::SecurityContextConstraints)));
    assert!(
        refused
            .message
            .unwrap()
            .starts_with(r#"pods "p" is forbidden: unable to validate against any security context constraint"#)
    );
    let admitted = admit(&openshift([]), &host_pid, "app", "alice");
    assert_eq!(admitted.scc.as_deref(), Some("pid"));
    assert_eq!(
        admitted.grant.unwrap().to_string(),
        r#"ClusterRoleBinding "alice-pid" gives User "alice" ClusterRole "use-pid", rules[0]"#
    );
}

#[test]
fn masters_may_use_every_constraint() {
    let user = User::impersonated("root", &["system:masters".into()]);
    let cluster = openshift([]);
    let admission = Admitter::new(&cluster, PodSecurity::default()).admit(&pod(json!({"hostPID": true})), "app", &user);
    assert_eq!((admission.scc.as_deref(), admission.grant), (Some("pid"), Some(Grant::Masters)));
}

#[test]
fn pod_security_judges_what_the_constraint_has_made_of_the_pod() {
    let strict = |changes: Value| {
        openshift([
            namespace("strict", json!({"pod-security.kubernetes.io/enforce": "restricted"})),
            constraint("hardening", 10, changes),
        ])
    };
    let harden = json!({"groups": ["system:authenticated"], "allowPrivilegeEscalation": false, "requiredDropCapabilities": ["ALL"],
        "allowedCapabilities": [], "seccompProfiles": ["runtime/default"]});
    let admission = admit(&strict(harden), &pod(json!({})), "strict", "bob");
    assert_eq!((admission.allowed, admission.scc.as_deref()), (true, Some("hardening")));
    let admission = admit(&strict(json!({})), &pod(json!({})), "strict", "bob");
    assert_eq!(
        (admission.allowed, admission.by, admission.scc.as_deref()),
        (false, Some(Plugin::PodSecurity), Some("everyone"))
    );
    assert!(
        admission.message.unwrap().starts_with(r#"pods "p" is forbidden: violates PodSecurity "restricted:latest""#)
    );
}

#[test]
fn a_pod_that_was_admitted_is_admitted_again_unchanged() {
    let cluster = openshift([]);
    let first = admit(&cluster, &pod(json!({})), "app", "bob");
    let second = admit(&cluster, &first.pod, "app", "bob");
    assert_eq!((second.allowed, &second.pod), (true, &first.pod));
}

#[test]
fn constraints_do_not_count_on_the_first_run_levels() {
    let cluster =
        openshift([namespace("level", json!({"openshift.io/run-level": "1"})), namespace("kube-system", json!({}))]);
    for name in ["level", "kube-system"] {
        let admission = admit(&cluster, &pod(json!({"hostPID": true})), name, "bob");
        assert_eq!((admission.allowed, admission.scc, admission.decision), (true, None, None), "{name}");
    }
}

#[test]
fn plain_kubernetes_has_pod_security_alone() {
    let cluster = Snapshot::of("test", [namespace("app", json!({"pod-security.kubernetes.io/enforce": "baseline"}))]);
    assert!(admit(&cluster, &pod(json!({})), "app", "bob").allowed);
    let refused = admit(&cluster, &pod(json!({"hostPID": true})), "app", "bob");
    assert_eq!(
        refused.message.as_deref(),
        Some(r#"pods "p" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostPID=true)"#)
    );
}

#[test]
fn a_namespace_or_account_that_is_not_there_is_refused_where_others_are() {
    let cluster = openshift([]);
    let gone = admit(&cluster, &pod(json!({})), "gone", "bob");
    assert_eq!(
        (gone.by, gone.message.as_deref()),
        (Some(Plugin::NamespaceLifecycle), Some(r#"namespaces "gone" not found"#))
    );
    let nobody = admit(&cluster, &pod(json!({"serviceAccountName": "nobody"})), "app", "bob");
    assert_eq!(nobody.by, Some(Plugin::ServiceAccount));
    assert_eq!(
        nobody.message.as_deref(),
        Some(
            r#"pods "p" is forbidden: error looking up service account app/nobody: serviceaccount "nobody" not found"#
        )
    );
}

#[test]
fn what_an_empty_cluster_does_not_say_is_assumed_and_told() {
    let admission = admit(&Snapshot::default(), &pod(json!({"serviceAccountName": "any"})), "any", "bob");
    assert!(admission.allowed);
    assert_eq!(admission.assumptions, [Assumption::NamespaceExists, Assumption::ServiceAccountExists]);
}

#[test]
fn a_namespace_that_is_going_away_takes_nothing_new() {
    let mut going = namespace("going", json!({}));
    going["status"] = json!({"phase": "Terminating"});
    let admission = admit(&openshift([going]), &pod(json!({})), "going", "bob");
    assert_eq!(
        admission.message.as_deref(),
        Some(
            r#"pods "p" is forbidden: unable to create new content in namespace going because it is being terminated"#
        )
    );
}

#[test]
fn exempt_users_pass_pod_security_but_not_the_constraints() {
    let file = json!({"apiVersion": "pod-security.admission.config.k8s.io/v1", "kind": "PodSecurityConfiguration",
        "defaults": {"enforce": "restricted"}, "exemptions": {"usernames": ["bob"]}});
    let pod_security = PodSecurity::new(PodSecurityConfiguration::read(&file).unwrap()).unwrap();
    let cluster = openshift([]);
    let admitter = Admitter::new(&cluster, pod_security);
    let bob = User::impersonated("bob", &[]);
    let admission = admitter.admit(&pod(json!({})), "app", &bob);
    assert_eq!((admission.allowed, admission.audit["exempt"].as_str()), (true, "user"));
    assert_eq!(
        admitter.admit(&pod(json!({"hostPID": true})), "app", &bob).by,
        Some(Plugin::SecurityContextConstraints)
    );
}

#[test]
fn a_deployment_is_judged_by_the_pods_that_its_controller_will_make() {
    let cluster = openshift([namespace("strict", json!({"pod-security.kubernetes.io/warn": "baseline"}))]);
    let admitter = Admitter::new(&cluster, PodSecurity::default());
    let host_pid = pod(json!({"hostPID": true}));
    let (metadata, spec) = (ObjectMeta::default(), host_pid.spec.clone().unwrap());
    let workload = Workload { kind: Kind::Deployment, object: &host_pid.metadata, metadata: &metadata, spec: &spec };
    let alice = User::impersonated("alice", &[]);
    let admission = admitter.admit_workload(workload, "strict", &alice).unwrap();
    // Alice could make the pod herself, but not through a controller, which has only the pod's service account.
    assert_eq!((admission.allowed, admission.by), (false, Some(Plugin::SecurityContextConstraints)));
    assert_eq!(admission.user.name, "system:serviceaccount:kube-system:replicaset-controller");
    assert_eq!(admission.at_once, [r#"would violate PodSecurity "baseline:latest": host namespaces (hostPID=true)"#]);
    assert!(admitter.admit(&host_pid, "strict", &alice).allowed);
    let role = Workload { kind: Kind::Role, ..workload };
    assert!(admitter.admit_workload(role, "strict", &alice).is_none());
}

#[test]
fn an_update_fills_in_nothing() {
    let cluster = openshift([]);
    let admitter = Admitter::new(&cluster, PodSecurity::default());
    let bob = User::impersonated("bob", &[]);
    let stored = admitter.admit(&pod(json!({})), "app", &bob).pod;
    let mut changed = stored.clone();
    changed.spec.as_mut().unwrap().containers[0].image = Some("y".into());
    let update = |new: &Pod| admitter.update(&stored, new, Part::Whole, "app", &bob);
    assert!(update(&stored).allowed && update(&changed).allowed);
    changed.spec.as_mut().unwrap().host_pid = Some(true);
    assert_eq!(update(&changed).by, Some(Plugin::SecurityContextConstraints));
}

#[test]
fn ephemeral_containers_are_filled_in_when_they_come() {
    let cluster = openshift([]);
    let admitter = Admitter::new(&cluster, PodSecurity::default());
    let bob = User::impersonated("bob", &[]);
    let stored = admitter.admit(&pod(json!({})), "app", &bob).pod;
    let mut debugged = stored.clone();
    debugged.spec.as_mut().unwrap().ephemeral_containers =
        serde_json::from_value(json!([{"name": "debug", "image": "x"}])).unwrap();
    let admission = admitter.update(&stored, &debugged, Part::EphemeralContainers, "app", &bob);
    assert_eq!((admission.allowed, admission.message), (true, None));
    let containers = admission.pod.spec.unwrap().ephemeral_containers.unwrap();
    assert_eq!(containers[0].security_context.as_ref().unwrap().run_as_user, Some(1000));
}

#[test]
fn who_could_not_make_a_pod_may_not_enter_it() {
    let cluster = openshift([]);
    let admitter = Admitter::new(&cluster, PodSecurity::default());
    let stored = admitter.admit(&pod(json!({"hostPID": true})), "app", &User::impersonated("alice", &[])).pod;
    assert_eq!(admitter.enter(&stored, "exec", "app", &User::impersonated("alice", &[])), Ok(()));
    let (by, message) = admitter.enter(&stored, "exec", "app", &User::impersonated("bob", &[])).unwrap_err();
    assert_eq!(by, Plugin::SecurityContextConstraints);
    assert!(
        message.contains("exec operation is not allowed because the pod's security context exceeds your permissions")
    );
}
