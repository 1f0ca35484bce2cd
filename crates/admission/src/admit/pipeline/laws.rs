//! What holds for every pod, constraint and grant.

#![allow(clippy::needless_pass_by_value, reason = "JSON written in place reads best without a reference before it")]

use super::*;
use crate::admit::Part;
use crate::cluster::Snapshot;
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Value, json};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn strategy(kinds: &'static [&'static str]) -> impl Strategy<Value = Value> {
    select(kinds).prop_map(|kind| json!({ "type": kind }))
}

fn constraint() -> impl Strategy<Value = Value> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let lists = (
        vec(select(&["NET_ADMIN", "CHOWN", "*"][..]), 0..2),
        vec(select(&["ALL", "KILL"][..]), 0..2),
        option::of(select(&["configMap", "*"][..])),
    );
    let strategies = (
        strategy(&["MustRunAsRange", "RunAsAny", "MustRunAsNonRoot"]),
        strategy(&["MustRunAs", "RunAsAny"]),
        strategy(&["MustRunAs", "RunAsAny"]),
    );
    (flags, lists, strategies, option::of(0..3)).prop_map(|((pid, escalate, root), (allowed, drop, volumes), (user, selinux, group), priority)| {
        json!({"apiVersion": "security.openshift.io/v1", "kind": "SecurityContextConstraints", "priority": priority, "allowHostPID": pid,
            "allowPrivilegeEscalation": escalate, "readOnlyRootFilesystem": root, "allowedCapabilities": allowed, "requiredDropCapabilities": drop,
            "volumes": volumes.into_iter().chain(["projected", "emptyDir"]).collect::<Vec<_>>(), "runAsUser": user, "seLinuxContext": selinux,
            "fsGroup": group, "supplementalGroups": {"type": "RunAsAny"}, "seccompProfiles": ["*"]})
    })
}

fn cluster(constraints: &[Value], granted: &[&str]) -> Snapshot {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "app", "annotations": {
        "openshift.io/sa.scc.uid-range": "1000/10", "openshift.io/sa.scc.supplemental-groups": "2000/10", "openshift.io/sa.scc.mcs": "s0:c1,c0"}}});
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "app"}});
    let named = constraints.iter().zip(NAMES).map(|(scc, name)| {
        let mut scc = scc.clone();
        scc["metadata"] = json!({ "name": name });
        scc
    });
    let grants = granted.iter().flat_map(|name| {
        [json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name},
            "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["use"], "resourceNames": [name]}]}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": name, "namespace": "app"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": "default"}]})]
    });
    Snapshot::of("test", [namespace, account].into_iter().chain(named).chain(grants))
}

fn pod() -> impl Strategy<Value = Pod> {
    let context = (option::of(0..2000_i64), option::of(any::<bool>()), vec(select(&["NET_ADMIN", "CHOWN"][..]), 0..2));
    (option::of(any::<bool>()), context, option::of(2000..2012_i64)).prop_map(|(pid, (user, escalate, add), group)| {
        serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": {"hostPID": pid, "securityContext": {"fsGroup": group},
            "containers": [{"name": "c", "image": "x", "securityContext": {"runAsUser": user, "allowPrivilegeEscalation": escalate,
                "capabilities": {"add": add}}}]}}))
        .unwrap()
    })
}

fn admit(cluster: &Snapshot, pod: &Pod) -> Admission {
    Admitter::new(cluster, PodSecurity::default()).admit(pod, "app", &User::impersonated("bob", &[]))
}

proptest! {
    #[test]
    fn one_more_grant_never_refuses_what_was_admitted(constraints in vec(constraint(), 1..4), granted in vec(select(&NAMES[..]), 0..3), more in select(&NAMES[..]), pod in pod()) {
        let before = admit(&cluster(&constraints, &granted), &pod);
        let after = admit(&cluster(&constraints, &[granted, vec![more]].concat()), &pod);
        prop_assert!(!before.allowed || after.allowed, "{:?}", after.message);
    }

    #[test]
    fn a_stored_pod_may_be_updated_without_being_filled_in(constraints in vec(constraint(), 1..4), granted in vec(select(&NAMES[..]), 1..4), pod in pod()) {
        let cluster = cluster(&constraints, &granted);
        let stored = admit(&cluster, &pod);
        prop_assume!(stored.allowed);
        let mut changed = stored.pod.clone();
        changed.metadata.annotations.get_or_insert_default().insert("touched".into(), "yes".into());
        let admitter = Admitter::new(&cluster, PodSecurity::default());
        let update = admitter.update(&stored.pod, &changed, Part::Whole, "app", &User::impersonated("bob", &[]));
        prop_assert!(update.allowed, "{:?}", update.message);
        prop_assert_eq!(update.pod.spec, stored.pod.spec);
    }

    #[test]
    fn the_order_of_the_objects_does_not_matter(constraints in vec(constraint(), 2..4), granted in vec(select(&NAMES[..]), 1..4), pod in pod()) {
        let cluster = cluster(&constraints, &granted);
        let backwards: Vec<Value> = cluster.constraints().map(|scc| serde_json::to_value(scc).unwrap()).collect();
        let again = Snapshot::of("again", backwards.into_iter().rev());
        let names = |cluster: &Snapshot| Admitter::new(cluster, PodSecurity::default()).engine().constraints().iter().map(|scc| scc.name().to_owned()).collect::<Vec<_>>();
        prop_assert_eq!(names(&cluster), names(&again));
        prop_assert_eq!(admit(&cluster, &pod), admit(&cluster, &pod));
    }
}
