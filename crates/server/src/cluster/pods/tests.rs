use super::*;
use serde_json::{Value, json};

fn raw(value: &Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap()
}

fn pod(namespace: &str, name: &str, owner: &str, privileged: bool) -> Value {
    json!({"metadata": {"namespace": namespace, "name": name, "labels": {"x": name},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": owner, "controller": true}]},
        "spec": {"nodeName": name, "containers": [{"name": "a", "image": name, "securityContext": {"privileged": privileged}}],
            "volumes": [{"name": format!("kube-api-access-{name}"), "projected": {}}]}})
}

fn names(pods: &Pods, namespace: &str) -> Vec<String> {
    let mut names = Vec::new();
    pods.each(namespace, &mut |alike| {
        names.push(alike.name.to_owned());
        ControlFlow::Continue(())
    });
    names
}

#[test]
fn pods_that_are_alike_share_a_template() {
    let pods = Pods::default();
    pods.begin();
    for i in 0..100 {
        pods.put(&raw(&pod("n", &format!("p{i:02}"), "o", i % 2 == 0))).unwrap();
    }
    pods.finish();
    assert_eq!(pods.len(), (100, 2));
    assert_eq!(names(&pods, "n")[..2], ["p00", "p01"]);
    assert!(names(&pods, "m").is_empty());
    let mut owner = None;
    pods.each("n", &mut |alike| {
        owner = Owner::of(&whole("n", alike));
        ControlFlow::Break(())
    });
    assert_eq!(owner.unwrap().kind, "ReplicaSet");
}

#[test]
fn follows_changes_and_new_lists() {
    let pods = Pods::default();
    pods.begin();
    for name in ["a", "b", "c"] {
        pods.put(&raw(&pod("n", name, "o", false))).unwrap();
    }
    pods.finish();
    pods.remove("n", "b");
    pods.remove("n", "nobody");
    pods.put(&raw(&pod("n", "a", "o", true))).unwrap();
    assert_eq!((names(&pods, "n").len(), pods.len().0), (2, 2));
    pods.begin();
    pods.put(&raw(&pod("n", "c", "o", false))).unwrap();
    pods.finish();
    assert_eq!((names(&pods, "n"), pods.len().0), (vec!["c".to_owned()], 1));
}

#[test]
fn templates_that_nobody_has_are_let_go() {
    let mut shared = Shared::default();
    for i in 0..10_000_u32 {
        drop(shared.share(&i.to_le_bytes(), i));
    }
    assert!(shared.len() <= 128, "{}", shared.len());
}
