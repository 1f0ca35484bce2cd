use super::*;
use crate::{
    cluster::Snapshot,
    pod_security::{LevelVersion, Mode, PodSecurity, Policy},
    waiver::{Terms, Waivers, Waiving},
};
use k8s_openapi::jiff::SignedDuration;
use serde_json::{Value, json};
use std::sync::Arc;

fn namespace(name: &str, labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

fn pod(name: &str, spec: &Value) -> Value {
    let owner =
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d4", "uid": "u", "controller": true});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop",
        "labels": {"pod-template-hash": "5d4"}, "ownerReferences": [owner]}, "spec": spec})
}

fn objects() -> Vec<Value> {
    let privileged =
        json!({"hostNetwork": true, "containers": [{"name": "a", "securityContext": {"privileged": true}}]});
    let by_hand = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "plain", "namespace": "shop"},
        "spec": {"securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}}, "containers": [
            {"name": "a", "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}]}});
    vec![
        namespace(
            "shop",
            &json!({"pod-security.kubernetes.io/enforce": "baseline",
            "pod-security.kubernetes.io/warn": "baseline", "pod-security.kubernetes.io/audit": "restricted"}),
        ),
        namespace("free", &json!({})),
        namespace("odd", &json!({"pod-security.kubernetes.io/enforce": "tight"})),
        pod("web-2", &privileged),
        pod("web-1", &privileged),
        by_hand,
    ]
}

fn waived() -> PodSecurity {
    let object = json!({"metadata": {"name": "w", "namespace": "waivers"}, "spec": {"namespaces": ["shop"],
        "workload": {"kind": "Deployment", "name": "web"}, "podFields": true, "controls": ["hostNamespaces"],
        "expires": "2026-04-01T00:00:00Z", "owner": "o", "reason": "r"}});
    let terms = Terms { namespace: "waivers".to_owned(), longest: SignedDuration::from_hours(24 * 90) };
    let waivers = Arc::new(Waivers::new(&terms, [&object]));
    PodSecurity::default().with_waivers(Waiving { waivers, now: "2026-03-01T00:00:00Z".parse().unwrap() })
}

fn shop(pod_security: &PodSecurity, objects: &[Value]) -> NamespaceReport {
    let all = reports(&Snapshot::of("test", objects.to_vec()), pod_security);
    all.into_iter().find(|report| report.namespace == "shop").unwrap()
}

#[test]
fn pods_of_one_workload_are_told_of_once_for_each_control() {
    let report = shop(&waived(), &objects());
    let told: Vec<_> = report
        .findings
        .iter()
        .map(|f| (f.outcome, f.maker.kind.as_str(), f.maker.name.as_str(), f.control.unwrap_or_default(), f.pods))
        .collect();
    assert_eq!(told[0], (Outcome::Fail, "Deployment", "web", "privileged", 2));
    assert_eq!(told.last(), Some(&(Outcome::Pass, "Pod", "plain", "", 1)));
    assert!(told.contains(&(Outcome::Skip, "Deployment", "web", "hostNamespaces", 2)), "{told:?}");
    assert!(told.contains(&(Outcome::Warn, "Deployment", "web", "runAsNonRoot", 2)), "{told:?}");
    let summary = report.summary();
    assert_eq!((summary.fail, summary.skip, summary.pass, report.pods), (1, 1, 1, 3));
}

#[test]
fn the_object_says_the_same_whatever_the_order_of_what_is_there() {
    let mut turned = objects();
    turned.reverse();
    let (one, other) = (shop(&waived(), &objects()), shop(&waived(), &turned));
    assert_eq!(policy_report(&one, 100), policy_report(&other, 100));
    let object = policy_report(&one, 100);
    assert_eq!(
        object["results"][0],
        json!({"source": "ringfence", "policy": "pod-security-baseline",
        "rule": "privileged", "category": "Pod Security Standards", "severity": "high", "result": "fail", "scored": true,
        "message": r#"privileged (container "a" must not set securityContext.privileged=true)"#,
        "resources": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "namespace": "shop"}],
        "properties": {"pods": "2", "modes": "enforce,warn", "version": "latest"}})
    );
}

#[test]
fn a_report_has_an_end_and_its_summary_counts_all() {
    let report = shop(&waived(), &objects());
    let (whole, cut) = (policy_report(&report, 100), policy_report(&report, 2));
    assert_eq!(cut["results"].as_array().unwrap().len(), 2);
    assert_eq!(cut["summary"], whole["summary"]);
    let left = (report.findings.len() - 2).to_string();
    assert_eq!(cut["metadata"]["annotations"], json!({"ringfence.dev/results-left-out": left}));
}

#[test]
fn the_cluster_has_a_result_for_each_namespace() {
    let all = reports(&Snapshot::of("test", objects()), &waived());
    let object = cluster_policy_report(&all.iter().map(Overview::from).collect::<Vec<_>>(), 100);
    let told: Vec<_> = object["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["result"].as_str().unwrap(), r["resources"][0]["name"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [("fail", "shop"), ("error", "odd"), ("skip", "free")]);
    assert_eq!(object["summary"], json!({"pass": 0, "fail": 1, "warn": 0, "error": 1, "skip": 1}));
}

#[test]
fn a_report_fits_into_an_object_however_many_pods_fail_and_counts_them_all() {
    let by = LevelVersion { level: ringfence_pss::Level::Baseline, version: ringfence_pss::Version::LATEST };
    let finding = |i: usize| Finding {
        outcome: Outcome::Fail,
        maker: crate::waiver::Maker {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            name: format!("{i:0>253}"),
            uid: "8c5f0e0a-4a52-4c0b-9a39-8d2d4f6d3c11".to_owned(),
        },
        control: Some("hostPorts"),
        by: Some(by),
        modes: vec![Mode::Enforce],
        pods: 1,
        // Three bytes each, and what JSON writes with six.
        message: "\u{20ac}\u{1}".repeat(600),
    };
    let policy = Policy { enforce: by, ..Policy::PRIVILEGED };
    let many = 100_000;
    let report = NamespaceReport {
        namespace: "shop".to_owned(),
        policy,
        pods: many,
        findings: (0..many).map(finding).collect(),
    };
    let object = policy_report(&report, usize::MAX);
    let results = object["results"].as_array().unwrap().len();
    assert!((100..many).contains(&results), "{results}");
    assert!(object.to_string().len() < (1 << 20) + 1000, "{}", object.to_string().len());
    assert_eq!(object["summary"]["fail"], many);
    let left = object["metadata"]["annotations"]["ringfence.dev/results-left-out"].as_str().unwrap();
    assert_eq!(left, (many - results).to_string());
    assert_eq!(policy_report(&report, 7)["results"].as_array().unwrap().len(), 7);

    let overview = |i: usize| Overview {
        namespace: format!("{i:0>63}"),
        policy,
        pods: 1,
        summary: Summary { fail: 1, ..Summary::default() },
    };
    let object = cluster_policy_report(&(0..10_000).map(overview).collect::<Vec<_>>(), usize::MAX);
    assert!(object.to_string().len() < (1 << 20) + 1000, "{}", object.to_string().len());
    assert_eq!(object["summary"]["fail"], 10_000);
}
