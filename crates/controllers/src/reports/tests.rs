use super::known::{ALL, Known, Touched, What};
use ringfence_live::Event;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use std::cell::RefCell;

fn pod(namespace: &str, name: &str, host_network: bool) -> Value {
    json!({"metadata": {"namespace": namespace, "name": name, "uid": name, "labels": {"app": "web", "pod-template-hash": "5d4"},
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d4", "uid": "u", "controller": true}]},
        "spec": {"hostNetwork": host_network, "containers": [{"name": "c", "image": name}]}, "status": {"phase": "Running"}})
}

/// Tells that, and gives what it concerns.
fn tell(known: &Known, what: What, event: &Event<'_>) -> Vec<Touched> {
    let touched: RefCell<Vec<Touched>> = RefCell::default();
    known.tell(what, event, &|one| touched.borrow_mut().push(one));
    touched.into_inner()
}

fn put(known: &Known, what: What, object: &Value) -> Vec<Touched> {
    tell(known, what, &Event::Is(&to_raw_value(object).unwrap()))
}

fn one(key: &str) -> Vec<Touched> {
    vec![Touched::One(key.to_owned())]
}

#[test]
fn a_change_concerns_its_namespace_and_what_changes_nothing_concerns_nobody() {
    let known = Known::new(None);
    tell(&known, What::Pods, &Event::Listing);
    assert_eq!(put(&known, What::Namespaces, &json!({"metadata": {"name": "shop"}})), one("shop"));
    assert_eq!(put(&known, What::Pods, &pod("shop", "a", false)), one("shop"));
    // Another image, node or phase is nothing to a control.
    let mut again = pod("shop", "a", false);
    again["spec"]["containers"][0]["image"] = "other".into();
    again["status"]["phase"] = "Failed".into();
    assert_eq!(put(&known, What::Pods, &again), [Touched::Nothing]);
    assert_eq!(put(&known, What::Pods, &pod("shop", "b", false)), one("shop"));
    assert_eq!(known.numbers(), [1, 2, 1], "alike pods are one");
    assert_eq!(put(&known, What::Pods, &pod("shop", "b", true)), one("shop"));
    assert_eq!(
        put(&known, What::Namespaces, &json!({"metadata": {"name": "shop", "labels": {"team": "x"}}})),
        one("shop")
    );
    let gone = to_raw_value(&pod("shop", "a", false)).unwrap();
    assert_eq!(tell(&known, What::Pods, &Event::Gone(&gone)), one("shop"));
    // What a new list has not is gone.
    tell(&known, What::Pods, &Event::Listing);
    assert_eq!(tell(&known, What::Pods, &Event::Listed), one("shop"));
    assert_eq!(known.numbers()[1], 0);
}

#[test]
fn reports_that_somebody_else_changes_or_deletes_are_looked_at() {
    let known = Known::new(None);
    let report = json!({"metadata": {"namespace": "shop", "name": "ringfence",
        "labels": {"app.kubernetes.io/managed-by": "ringfence"}}, "summary": {"pass": 1}, "results": []});
    assert_eq!(put(&known, What::Reports, &report), one("shop"));
    assert!(known.report(Some("shop")).is_some());
    assert_eq!(put(&known, What::Reports, &report), [Touched::Nothing]);
    let mut changed = report.clone();
    changed["summary"]["pass"] = 7.into();
    assert_eq!(put(&known, What::Reports, &changed), one("shop"));
    let gone = to_raw_value(&changed).unwrap();
    assert_eq!(tell(&known, What::Reports, &Event::Gone(&gone)), one("shop"));
    assert_eq!(known.report(Some("shop")), None);
}

#[test]
fn a_cluster_without_reports_is_known_and_one_that_learns_of_them_is_looked_at_anew() {
    let known = Known::new(None);
    for what in ALL.into_iter().filter(|what| *what != What::Waivers) {
        assert!(known.unknown().is_some());
        tell(&known, what, if what == What::Reports { &Event::Absent } else { &Event::Listed });
    }
    assert_eq!((known.unknown(), known.is_absent(What::Reports)), (None, true));
    tell(&known, What::Reports, &Event::Listing);
    assert_eq!(tell(&known, What::Reports, &Event::Listed), [Touched::All]);
    assert!(!known.is_absent(What::Reports));
}
