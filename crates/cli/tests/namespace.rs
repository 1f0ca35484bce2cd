//! `ringfence check --cluster` of namespaces, and clusters of which something is wrong, from the outside.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod common;

use common::{lines, ringfence};
use serde_json::json;

/// A namespace without an enforced level, two pods of a replica set in it, and one that was made by hand.
const DUMP: &str = r"
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: a}}}
---
apiVersion: v1
kind: ServiceAccountList
items: []
---
apiVersion: v1
kind: PodList
items:
- {metadata: {name: web-1, namespace: shop, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web, uid: u, controller: true}]}, spec: {containers: [{name: c, image: i}]}}
- {metadata: {name: web-2, namespace: shop, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web, uid: u, controller: true}]}, spec: {containers: [{name: c, image: i}]}}
- {metadata: {name: by-hand, namespace: shop}, spec: {hostNetwork: true, containers: [{name: c, image: i}]}}
- {metadata: {name: elsewhere, namespace: other}, spec: {hostNetwork: true, containers: [{name: c, image: i}]}}
";

fn dump(text: &str, suffix: &str) -> tempfile::NamedTempFile {
    let file = tempfile::Builder::new().suffix(suffix).tempfile().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn check(manifest: &str, more: &[&str]) -> common::Ran {
    let dump = dump(DUMP, ".yaml");
    ringfence([&["check", "--cluster", dump.path().to_str().unwrap()], more, &["-"]].concat(), manifest)
}

fn labelled(name: &str, labels: &str) -> String {
    format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n  labels:\n{labels}")
}

#[test]
fn a_relabelled_namespace_is_told_which_of_its_pods_would_be_refused_by_owner() {
    let manifest = labelled("shop", "    pod-security.kubernetes.io/enforce: baseline\n");
    let ran = check(&manifest, &["-o", "jsonl"]);
    assert_eq!((ran.code, &*ran.err), (1, ""));
    let answer = &lines(&ran)[0]["namespaceAdmission"];
    assert_eq!((&answer["operation"], &answer["allowed"]), (&json!("UPDATE"), &json!(true)));
    assert_eq!(answer["existing"]["checked"], 3);
    assert_eq!(answer["existing"]["violating"][0]["pods"], json!(["by-hand"]));
    assert_eq!(
        answer["warnings"],
        json!([
            r#"existing pods in namespace "shop" violate the new PodSecurity enforce level "baseline:latest""#,
            "by-hand: host namespaces",
        ])
    );
    let manifest = labelled("shop", "    pod-security.kubernetes.io/enforce: restricted\n");
    let ran = check(&manifest, &[]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("the new level would refuse 3 of 3 pods"), "{}", ran.out);
    assert!(ran.out.contains("-:6:41") && ran.out.contains("ReplicaSet web: 2 pods (web-1, web-2): "), "{}", ran.out);
}

#[test]
fn a_namespace_whose_pods_all_fit_and_one_that_is_not_there_yet_are_admitted() {
    let privileged = labelled("shop", "    pod-security.kubernetes.io/enforce: privileged\n");
    let new = labelled("new", "    pod-security.kubernetes.io/enforce: restricted\n");
    // What another applied before stays: the labels are merged, and the level does not change.
    let ran = check(&format!("{privileged}---\n{new}---\n{}", labelled("shop", "    team: b\n")), &["-o", "jsonl"]);
    assert_eq!((ran.code, &*ran.err), (0, ""), "{}", ran.out);
    let answers = lines(&ran);
    assert_eq!(answers[0]["namespaceAdmission"], json!({"operation": "UPDATE", "allowed": true, "warnings": []}));
    assert_eq!(answers[1]["namespaceAdmission"], json!({"operation": "CREATE", "allowed": true, "warnings": []}));
    assert_eq!(answers[2]["namespaceAdmission"]["allowed"], true);
}

#[test]
fn wrong_labels_of_a_namespace_are_refused_in_the_api_servers_words_where_they_are_written() {
    let wrong =
        "    pod-security.kubernetes.io/enforce: strict\n    pod-security.kubernetes.io/warn-version: \"1.30\"\n";
    let ran = check(&labelled("new", wrong), &["-o", "jsonl"]);
    assert_eq!(ran.code, 1);
    let message = r#"Namespace "new" is invalid: [metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "strict": must be one of privileged, baseline, restricted, metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value: "1.30": must be "latest" or "v1.x"]"#;
    assert_eq!(lines(&ran)[0]["namespaceAdmission"]["message"], message);
    let text = check(&labelled("new", wrong), &[]).out;
    assert!(text.contains("-:6:41") && text.contains("-:7:46"), "{text}");
    let nameless = check("{apiVersion: v1, kind: Namespace}", &["-o", "jsonl"]);
    assert_eq!(
        lines(&nameless)[0]["namespaceAdmission"]["message"],
        r#"Namespace "" is invalid: metadata.name: Required value: name or generateName is required"#
    );
    let undecodable = "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: [a]}}";
    let ran = check(undecodable, &[]);
    assert!(ran.code == 1 && ran.out.contains("cannot unmarshal"), "{}", ran.out);
}

#[test]
fn without_a_cluster_namespaces_are_passed_over() {
    let ran = ringfence(["check", "-"], labelled("shop", "    pod-security.kubernetes.io/enforce: strict\n"));
    assert!(ran.code == 0 && ran.out.contains("passed over: 1 Namespace"), "{}", ran.out);
}

#[test]
fn a_dump_without_pods_is_said_to_lack_them_where_a_namespace_is_relabelled() {
    let bare = dump("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n", ".yaml");
    let manifest = labelled("shop", "    pod-security.kubernetes.io/enforce: restricted\n");
    let ran = ringfence(["check", "--cluster", bare.path().to_str().unwrap(), "-"], manifest);
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert!(ran.err.contains("the cluster's dump has no Pod, not even an empty list"), "{}", ran.err);
}

#[test]
fn half_a_dump_is_said_to_be_half_by_every_command_and_its_other_half_is_used() {
    let half = dump(&format!("{DUMP}---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: half"), ".yaml");
    let half = half.path().to_str().unwrap();
    let manifest = labelled("shop", "    pod-security.kubernetes.io/enforce: restricted\n");
    let judged = ringfence(["check", "--cluster", half, "-"], manifest);
    assert!(judged.out.contains("would refuse 3 of 3 pods"), "{}", judged.out);
    let synced = ringfence(["sync", "--dry-run", "--cluster", half], "");
    assert!(synced.out.contains("shop: "), "{}", synced.out);
    let simulated = ringfence(["simulate", "--set-label", "enforce=baseline", "--cluster", half], "");
    assert!(simulated.out.contains("would be refused and are not now: 2"), "{}", simulated.out);
    let kept = ringfence(["snapshot", half], "");
    assert!(kept.out.contains("by-hand"), "{}", kept.out);
    for ran in [judged, synced, simulated, kept] {
        assert_eq!(ran.code, 2, "{}", ran.err);
        assert!(ran.err.contains("did not find expected ',' or '}'"), "{}", ran.err);
    }
}

#[test]
fn a_constraint_that_is_no_constraint_and_a_role_that_is_not_there_are_named_and_the_rest_is_answered() {
    let broken = dump(
        r"
apiVersion: v1
kind: Namespace
metadata: {name: shop, annotations: {openshift.io/sa.scc.uid-range: 1000/10, openshift.io/sa.scc.mcs: 's0:c1,c0'}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: default, namespace: shop}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: void, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: gone}
subjects: [{kind: ServiceAccount, name: default, namespace: shop}]
---
apiVersion: security.openshift.io/v1
kind: SecurityContextConstraints
metadata: {name: impossible}
groups: ['system:authenticated']
runAsUser: {type: RunAsAny}
seLinuxContext: {type: RunAsAny}
fsGroup: {type: MustRunAs, ranges: [{min: -1, max: 5}]}
supplementalGroups: {type: MustRunAs, ranges: [{min: 7, max: 3}]}
---
{apiVersion: security.openshift.io/v1, kind: SecurityContextConstraints, metadata: {name: worse}, runAsUser: [1]}
---
apiVersion: security.openshift.io/v1
kind: SecurityContextConstraints
metadata: {name: plain}
groups: ['system:authenticated']
runAsUser: {type: RunAsAny}
seLinuxContext: {type: RunAsAny}
fsGroup: {type: RunAsAny}
supplementalGroups: {type: RunAsAny}
volumes: ['*']
",
        ".yaml",
    );
    let pod =
        "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: shop}, spec: {containers: [{name: c, image: i}]}}";
    let args = ["check", "--cluster", broken.path().to_str().unwrap(), "--as", "alice", "-o", "jsonl", "-"];
    let ran = ringfence(args, pod);
    for said in [
        r#"SecurityContextConstraints "worse": runAsUser[0]: invalid type: integer `1`, expected a string"#,
        r#"RoleBinding "shop/void" refers to Role "gone", which is not there"#,
        r#"SecurityContextConstraints "impossible": fsGroup.ranges[0].min: Invalid value: -1: min cannot be negative"#,
        r#""impossible": supplementalGroups.ranges[0].min: Invalid value: {"min":7,"max":3}: min cannot be greater than max"#,
        "the cluster's dump has no ClusterRole, not even an empty list",
    ] {
        assert!(ran.err.contains(said), "{said}\n{}", ran.err);
    }
    let admission = &lines(&ran)[0]["admission"];
    assert_eq!((&admission["allowed"], &admission["scc"]), (&json!(true), &json!("plain")), "{admission}");
}
