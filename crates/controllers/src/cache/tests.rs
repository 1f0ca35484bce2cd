#![allow(clippy::needless_pass_by_value, reason = "JSON written in place reads best without a reference before it")]

use super::*;
use ringfence_admission::sync::{Settings, plan_namespace};
use serde_json::{Value, json};
use std::cell::RefCell;

/// A cache and what it told.
#[derive(Default)]
struct Told {
    cache: Cache,
    touched: RefCell<Vec<Touched>>,
}

impl Told {
    fn event(&self, kind: Kind, event: &Event<'_>) -> Vec<Touched> {
        self.touched.borrow_mut().clear();
        self.cache.tell(kind, event, &|touched| self.touched.borrow_mut().push(touched));
        self.touched.borrow().iter().filter(|touched| **touched != Touched::Nothing).cloned().collect()
    }

    fn is(&self, kind: Kind, object: Value) -> Vec<Touched> {
        self.event(kind, &Event::Is(&serde_json::value::to_raw_value(&object).unwrap()))
    }

    fn gone(&self, kind: Kind, object: Value) -> Vec<Touched> {
        self.event(kind, &Event::Gone(&serde_json::value::to_raw_value(&object).unwrap()))
    }

    fn list(&self, kind: Kind, objects: &[Value]) {
        self.event(kind, &Event::Listing);
        for object in objects {
            self.is(kind, object.clone());
        }
        self.event(kind, &Event::Listed);
    }
}

fn role(rules: Value) -> Value {
    json!({"metadata": {"name": "r", "namespace": "a"}, "rules": rules})
}

fn binding(role: &str) -> Value {
    json!({"metadata": {"name": "b"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
        "name": role}, "subjects": []})
}

fn uses() -> Value {
    json!([{"apiGroups": ["security.openshift.io"], "resources": ["securitycontextconstraints"], "verbs": ["use"]}])
}

#[test]
fn changes_concern_those_whose_constraints_may_change_and_nobody_else() {
    let told = Told::default();
    let within = || vec![Touched::Within("a".into())];
    let account = json!({"metadata": {"name": "s", "namespace": "a"}});
    assert_eq!(told.is(Kind::ServiceAccount, account.clone()), within());
    assert_eq!(told.is(Kind::ServiceAccount, account.clone()), [], "it is known");
    assert_eq!(told.gone(Kind::ServiceAccount, account), within());
    let pods = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]);
    assert_eq!(told.is(Kind::Role, role(pods.clone())), []);
    assert_eq!(told.is(Kind::Role, role(uses())), within());
    assert_eq!(told.is(Kind::Role, role(pods.clone())), within(), "it granted something");
    // A binding of a cluster role that grants nothing, is not there, and grants something.
    assert_eq!(told.is(Kind::ClusterRoleBinding, binding("c")), []);
    let cluster_role = |rules: Value| json!({"metadata": {"name": "c"}, "rules": rules});
    assert_eq!(told.is(Kind::ClusterRole, cluster_role(pods)), []);
    assert_eq!(told.is(Kind::ClusterRole, cluster_role(uses())), [Touched::All]);
    assert_eq!(told.gone(Kind::ClusterRoleBinding, binding("c")), [Touched::All]);
    let namespace = |labels: Value| json!({"metadata": {"name": "a", "labels": labels}});
    assert_eq!(told.is(Kind::Namespace, namespace(json!({}))), [Touched::Itself("a".into())]);
    assert_eq!(told.is(Kind::Namespace, namespace(json!({"team": "x"}))), [], "no label that matters");
}

#[test]
fn what_vanished_while_the_watch_was_lost_is_told_when_the_list_is_whole() {
    let told = Told::default();
    let account = |name: &str| json!({"metadata": {"name": name, "namespace": "a"}});
    told.list(Kind::ServiceAccount, &[account("x"), account("y")]);
    told.event(Kind::ServiceAccount, &Event::Listing);
    assert_eq!(told.is(Kind::ServiceAccount, account("x")), []);
    assert_eq!(told.event(Kind::ServiceAccount, &Event::Listed), [Touched::Within("a".into())]);
}

#[test]
fn the_first_of_a_kind_that_was_not_there_are_not_taken_for_all_of_it() {
    let told = Told::default();
    let kind = Kind::SecurityContextConstraints;
    for known in NEEDS.iter().filter(|known| **known != kind) {
        told.list(*known, &[]);
    }
    told.event(kind, &Event::Listing);
    assert_eq!(told.cache.unknown(&NEEDS), Some(kind));
    assert_eq!(told.event(kind, &Event::Absent), [Touched::All]);
    assert_eq!(told.cache.unknown(&NEEDS), None);
    told.event(kind, &Event::Listing);
    assert_eq!(told.cache.unknown(&NEEDS), None, "there may still be none");
    told.is(kind, json!({"metadata": {"name": "strict"}, "groups": ["system:authenticated"]}));
    assert_eq!(told.cache.unknown(&NEEDS), Some(kind));
    assert_eq!(told.event(kind, &Event::Listed), [Touched::All]);
    assert_eq!(told.cache.unknown(&NEEDS), None);
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_made_of_what_is_known_once_the_rights_are_read() {
    let told = Told::default();
    let annotations = json!({"openshift.io/sa.scc.uid-range": "1000/10"});
    let namespace = json!({"metadata": {"name": "a", "annotations": annotations}});
    told.list(Kind::Namespace, std::slice::from_ref(&namespace));
    told.list(Kind::ServiceAccount, &[json!({"metadata": {"name": "s", "namespace": "a"}})]);
    let any = json!({"metadata": {"name": "any"}, "runAsUser": {"type": "RunAsAny"}, "seLinuxContext": {"type": "MustRunAs"}});
    told.list(Kind::SecurityContextConstraints, &[any]);
    told.list(Kind::Role, &[role(uses())]);
    let subjects = json!([{"kind": "ServiceAccount", "name": "s", "namespace": "a"}]);
    let reference = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"});
    told.list(
        Kind::RoleBinding,
        &[json!({"metadata": {"name": "b", "namespace": "a"}, "roleRef": reference, "subjects": subjects})],
    );
    told.cache.refresh().await;
    let namespace = cluster::Namespaces::namespace(&told.cache, "a").unwrap();
    let plan = plan_namespace(&told.cache, &namespace, Settings::default());
    assert_eq!(plan.level.map(|level| level.to_string()).as_deref(), Some("baseline"), "{:?}", plan.outcome);
    told.gone(Kind::RoleBinding, json!({"metadata": {"name": "b", "namespace": "a"}}));
    told.cache.refresh().await;
    let plan = plan_namespace(&told.cache, &namespace, Settings::default());
    assert_eq!(plan.level, None, "{:?}", plan.outcome);
}
