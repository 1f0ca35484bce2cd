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

#[test]
fn many_pods_are_handed_over_in_order_and_once_and_may_change_meanwhile() {
    let pods = Pods::new(true);
    for i in 0..=3 * TOGETHER {
        pods.put(&raw(&pod("n", &format!("p{i:05}"), &format!("o{}", i % 7), i % 3 == 0))).unwrap();
    }
    let all = names(&pods, "n");
    assert_eq!(all.len(), 3 * TOGETHER + 1);
    assert!(all.is_sorted());
    // Whoever is shown one pod may take others away: nothing is locked meanwhile.
    let mut seen = Vec::new();
    pods.each("n", &mut |alike| {
        if seen.is_empty() {
            pods.remove("n", &format!("p{:05}", 2 * TOGETHER));
            pods.put(&raw(&pod("n", "q", "o", true))).unwrap();
        }
        seen.push(alike.name.to_owned());
        ControlFlow::Continue(())
    });
    assert!(!seen.contains(&format!("p{:05}", 2 * TOGETHER)) && seen.last().unwrap() == "q" && seen.is_sorted());
    // A handful that is used up exactly.
    for i in 0..TOGETHER {
        pods.put(&raw(&pod("m", &format!("p{i:05}"), "o", false))).unwrap();
    }
    assert_eq!(names(&pods, "m").len(), TOGETHER);
    let account = |pods: &Pods| {
        let mut found = None;
        let mut whole = pod("k", "p", "o", false);
        whole["spec"]["serviceAccountName"] = "builder".into();
        pods.put(&raw(&whole)).unwrap();
        pods.each("k", &mut |alike| {
            found = alike.pod.spec.as_ref().unwrap().service_account_name.clone();
            ControlFlow::Continue(())
        });
        found
    };
    // Only a page that shows constraints wants to know.
    assert_eq!((account(&pods).as_deref(), account(&Pods::default())), (Some("builder"), None));
}

#[test]
fn more_kinds_of_pods_than_are_kept_read_come_as_they_are_all_the_same() {
    let pods = Pods::default();
    let count = 2 * READ + 5;
    for i in 0..count {
        let mut one = pod("n", &format!("p{i:05}"), "o", false);
        one["spec"]["containers"][0]["name"] = format!("c{i}").into();
        pods.put(&raw(&one)).unwrap();
    }
    assert_eq!(pods.len(), (count, count));
    for _ in 0..2 {
        let mut seen = 0;
        pods.each("n", &mut |alike| {
            let (name, container) = (alike.name, &alike.pod.spec.as_ref().unwrap().containers[0].name);
            assert_eq!(name.trim_start_matches(['p', '0']), container.trim_start_matches(['c', '0']));
            seen += 1;
            ControlFlow::Continue(())
        });
        assert_eq!(seen, count);
    }
}
