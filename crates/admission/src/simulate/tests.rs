#![allow(clippy::needless_pass_by_value, reason = "JSON written in place reads best without a reference before it")]

use super::*;
use crate::cluster::Snapshot;
use crate::pod_security::PodSecurityConfiguration;
use serde_json::{Value, json};

fn cluster() -> Snapshot {
    let namespace = |name: &str, labels: Value| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
    Snapshot::of(
        "test",
        [namespace("a", json!({})), namespace("b", json!({"pod-security.kubernetes.io/enforce": "restricted"}))],
    )
}

fn pod(namespace: &str, name: &str, owner: Option<&str>, host_pid: bool) -> Object {
    let owners = owner.map(
        |name| json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "uid": name, "controller": true}]),
    );
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace, "ownerReferences": owners},
        "spec": {"hostPID": host_pid, "containers": [{"name": "c"}]}, "status": {"phase": "Running"}});
    Object::read(&pod.to_string(), None).unwrap().unwrap()
}

fn label(mode: &str, level: Option<&str>) -> Change {
    let label = format!("pod-security.kubernetes.io/{mode}");
    Change { labels: [(label, level.map(str::to_owned))].into(), ..Change::default() }
}

fn run(change: &Change, pods: &[Object]) -> Report {
    let simulation = Simulation::new(&cluster(), PodSecurity::default(), change);
    let mut report = Report::default();
    for pod in pods {
        simulation.add(pod.as_item(), &mut report);
    }
    report
}

#[test]
fn a_stricter_level_breaks_what_it_refuses_by_owner() {
    let pods = [
        pod("a", "x-1", Some("x"), true),
        pod("a", "x-2", Some("x"), true),
        pod("a", "y", None, true),
        pod("a", "z", None, false),
    ];
    let report = run(&label("enforce", Some("baseline")), &pods);
    assert_eq!(report.broken(), 3);
    let a = &report.namespaces["a"];
    assert_eq!(a.pods[&Mode::Enforce], Counts { fine: 1, broken: 3, ..Counts::default() });
    let groups: Vec<_> = a
        .broken
        .values()
        .map(|g| (g.owner.as_ref().map(|o| o.name.as_str()), g.reason.as_str(), g.examples.join(" ")))
        .collect();
    assert_eq!(
        groups,
        [(None, "host namespaces", "y".to_owned()), (Some("x"), "host namespaces", "x-1 x-2".to_owned())]
    );
}

#[test]
fn a_laxer_level_mends() {
    let report = run(&label("enforce", None), &[pod("b", "x", None, true)]);
    assert_eq!(report.namespaces["b"].pods[&Mode::Enforce], Counts { mended: 1, ..Counts::default() });
    assert_eq!(report.broken(), 0);
}

#[test]
fn only_the_namespaces_of_the_change_change() {
    let mut change = label("enforce", Some("baseline"));
    change.namespaces = Some(["b".to_owned()].into());
    let report = run(&change, &[pod("a", "x", None, true), pod("b", "x", None, true)]);
    assert_eq!(report.broken(), 0);
    assert_eq!(report.namespaces["b"].pods[&Mode::Enforce].refused, 1);
}

#[test]
fn warnings_follow_a_stricter_enforced_level() {
    let report = run(&label("enforce", Some("baseline")), &[pod("a", "x", None, true)]);
    assert_eq!(report.namespaces["a"].pods[&Mode::Warn].broken, 1);
    assert_eq!(report.namespaces["a"].pods[&Mode::Audit].fine, 1);
}

#[test]
fn a_configuration_is_a_change_too_and_may_exempt_controllers() {
    let read = |fields: Value| {
        let mut file =
            json!({"apiVersion": "pod-security.admission.config.k8s.io/v1", "kind": "PodSecurityConfiguration"});
        file.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        PodSecurity::new(PodSecurityConfiguration::read(&file).unwrap()).unwrap()
    };
    let broken = |fields: Value| {
        let change = Change { pod_security: Some(read(fields)), ..Change::default() };
        run(&change, &[pod("a", "x", Some("x"), true), pod("a", "y", None, true)]).broken()
    };
    assert_eq!(broken(json!({"defaults": {"enforce": "baseline"}})), 2);
    let controller = "system:serviceaccount:kube-system:replicaset-controller";
    assert_eq!(broken(json!({"defaults": {"enforce": "baseline"}, "exemptions": {"usernames": [controller]}})), 1);
    assert_eq!(broken(json!({"defaults": {"enforce": "baseline"}, "exemptions": {"namespaces": ["a"]}})), 0);
}

#[test]
fn templates_are_counted_apart() {
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "a"},
        "spec": {"template": {"spec": {"hostPID": true}}}});
    let deployment = Object::read(&deployment.to_string(), None).unwrap().unwrap();
    let simulation = Simulation::new(&cluster(), PodSecurity::default(), &label("enforce", Some("baseline")));
    let mut report = Report::default();
    simulation.add(deployment.as_item(), &mut report);
    let a = &report.namespaces["a"];
    assert_eq!((a.templates[&Mode::Enforce].broken, a.pods.len()), (1, 0));
    assert_eq!(a.broken.values().next().unwrap().owner.as_ref().unwrap().kind, "Deployment");
}

#[test]
fn the_groups_that_are_kept_have_a_bound() {
    let pods: Vec<_> = (0..1010).map(|i| pod("a", "x", Some(&format!("owner-{i}")), true)).collect();
    let report = run(&label("enforce", Some("baseline")), &pods);
    let a = &report.namespaces["a"];
    assert_eq!((a.broken.len(), a.broken_besides, report.broken()), (1000, 10, 1010));
}

mod laws {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reports_of_parts_add_up_to_the_report_of_the_whole(all in proptest::collection::vec(("a|b|c", "o[12]|", any::<bool>()), 0..20), at in 0..20_usize) {
            let pods: Vec<_> = all.iter().enumerate()
                .map(|(i, (namespace, owner, bad))| pod(namespace, &format!("p{i}"), Some(owner.as_str()).filter(|o| !o.is_empty()), *bad)).collect();
            let change = label("enforce", Some("baseline"));
            let (left, right) = pods.split_at(at.min(pods.len()));
            let mut parts = run(&change, left);
            parts.merge(run(&change, right));
            prop_assert_eq!(parts, run(&change, &pods));
        }

        #[test]
        fn no_change_breaks_or_mends_nothing(all in proptest::collection::vec(("a|b|c", any::<bool>()), 0..20)) {
            let pods: Vec<_> = all.iter().map(|(namespace, bad)| pod(namespace, "p", None, *bad)).collect();
            let report = run(&Change::default(), &pods);
            for counts in report.namespaces.values().flat_map(|report| report.pods.values()) {
                prop_assert_eq!((counts.broken, counts.mended), (0, 0));
            }
        }
    }
}

#[test]
fn what_is_kept_does_not_depend_on_the_order_in_which_it_is_found() {
    let found = |order: &mut dyn Iterator<Item = usize>| {
        let mut halves = [Report::default(), Report::default()];
        for i in order {
            let (owner, name) = (i % 1100, format!("p{i:04}"));
            let object = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
            let item = Item { kind: Kind::Pod, object: &object, metadata: &object, spec: &PodSpec::default() };
            let owner = Owner { kind: "Job".into(), name: format!("{owner:04}"), ..Owner::default() };
            let report = halves[i / 7 % 2].of("a");
            report.break_one(item, Some(owner), "reason".into(), format!("detail of {name}"));
        }
        let [mut report, other] = halves;
        report.merge(other);
        report
    };
    let forwards = found(&mut (0..8800));
    assert_eq!(forwards, found(&mut (0..8800).rev()));
    let of_a = &forwards.namespaces["a"];
    assert_eq!((of_a.broken.len(), of_a.broken_besides), (1000, 800));
    let first = of_a.broken.values().next().unwrap();
    assert_eq!((&*first.detail, first.count), ("detail of p0000", 8));
    assert_eq!(first.examples, ["p0000", "p1100", "p2200", "p3300", "p4400"]);
}
