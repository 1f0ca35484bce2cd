//! `ringfence check --cluster` and `ringfence snapshot` from the outside.

mod common;

use common::{lines, ringfence};
use serde_json::{Value, json};

const CLUSTER: &str = "examples/cluster/cluster.yaml";
const APP: &str = "examples/cluster/app.yaml";

#[test]
fn reports_say_what_is_in_the_way_where_and_what_would_help() {
    let ran = ringfence(["check", "--cluster", CLUSTER, APP], "");
    assert_eq!((ran.code, &*ran.err), (1, ""));
    insta::assert_snapshot!(ran.out);
}

#[test]
fn machines_are_told_the_pod_as_it_would_be_stored() {
    let ran = ringfence(["check", "--cluster", CLUSTER, "-o", "jsonl", APP], "");
    let objects = lines(&ran);
    let refused = &objects[0]["admission"];
    assert_eq!((&refused["allowed"], &refused["by"]), (&json!(false), &json!("SecurityContextConstraints")));
    assert_eq!(refused["candidates"][0]["changes"][1]["from"], json!(["NET_ADMIN"]));
    let worker = &objects[1]["admission"];
    assert_eq!((&worker["allowed"], &worker["scc"]), (&json!(true), &json!("restricted-v2")));
    assert_eq!(worker["pod"]["metadata"]["annotations"]["openshift.io/scc"], "restricted-v2");
    assert_eq!(worker["pod"]["spec"]["containers"][0]["securityContext"]["runAsUser"], 1_000_660_000);
    assert_eq!(objects[2]["admission"]["why"]["next"]["because"], "its priority is higher: 10, not 0");
    assert_eq!(objects[2]["pss"], json!([]));
}

#[test]
fn the_one_who_asks_counts_for_pods_and_not_for_what_controllers_make() {
    let ask = |user: &[&str]| {
        let args = [&["check", "--cluster", CLUSTER, "-o", "jsonl"], user, &[APP]].concat();
        let objects = lines(&ringfence(args, ""));
        [0, 1].map(|i| objects[i]["admission"]["scc"].as_str().map(str::to_owned))
    };
    let admin = ["--as", "root", "--as-group", "system:cluster-admins"];
    assert_eq!(ask(&admin), [None, Some("anyuid".to_owned())]);
    assert_eq!(ask(&["--as", "alice"]), [None, Some("restricted-v2".to_owned())]);
}

#[test]
fn the_standards_are_judged_beside_the_cluster_only_when_asked_for() {
    let ran = ringfence(["check", "--cluster", CLUSTER, "--pss", "baseline", "-o", "jsonl", APP], "");
    assert_eq!(lines(&ran)[0]["pss"][0]["level"], "baseline");
}

#[test]
fn a_refusal_by_pod_security_points_at_the_field() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: payments}\nspec:\n  containers:\n  - name: c\n    image: i\n    ports: [{containerPort: 80, hostPort: 80}]\n";
    let ran = ringfence(["check", "--platform", "kubernetes", "--cluster", CLUSTER, "-"], pod);
    assert_eq!(ran.code, 1, "{}", ran.err);
    insta::assert_snapshot!(ran.out);
}

#[test]
fn a_cluster_without_namespaces_is_asked_all_the_same() {
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: i}]}}";
    let config = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    let yaml = "apiVersion: pod-security.admission.config.k8s.io/v1\nkind: PodSecurityConfiguration\ndefaults: {enforce: restricted}\n";
    std::fs::write(config.path(), yaml).unwrap();
    let path = config.path().to_str().unwrap();
    let ran = ringfence(
        [
            "check",
            "--platform",
            "kubernetes",
            "--pod-security-config",
            path,
            "--kube-version",
            "v1.20",
            "-o",
            "jsonl",
            "-",
        ],
        pod,
    );
    let admission = &lines(&ran)[0]["admission"];
    assert_eq!((&admission["allowed"], &admission["by"]), (&json!(false), &json!("PodSecurity")));
    assert_eq!(admission["assumptions"][0], "namespaceExists");
    assert!(admission["message"].as_str().unwrap().contains("restricted:latest"));
}

#[test]
fn a_configuration_that_is_wrong_is_no_configuration() {
    let config = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    let yaml = "apiVersion: pod-security.admission.config.k8s.io/v1\nkind: PodSecurityConfiguration\ndefaults: {enforce: strict}\n";
    std::fs::write(config.path(), yaml).unwrap();
    let ran =
        ringfence(["check", "--cluster", CLUSTER, "--pod-security-config", config.path().to_str().unwrap(), APP], "");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("defaults.enforce") && ran.out.is_empty(), "{}", ran.err);
}

#[test]
fn what_is_wrong_with_a_dump_is_said_and_the_rest_is_answered() {
    let dump = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    let yaml = r"
apiVersion: v1
kind: Namespace
metadata: {name: shop, annotations: {openshift.io/sa.scc.uid-range: 1000/10, openshift.io/sa.scc.mcs: 's0:c1,c0'}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: default, namespace: shop}
---
apiVersion: security.openshift.io/v1
kind: SecurityContextConstraints
metadata: {name: odd}
runAsUser: {type: MustRunAsRange, uidRangeMin: 9, uidRangeMax: 1}
seLinuxContext: {type: RunAsAny}
fsGroup: {type: MustRunAs, ranges: [{min: 5, max: 1}]}
supplementalGroups: {type: RunAsAny}
volumes: ['*']
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: void}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: gone}
subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: alice}]
---
kind: Namespace
apiVersion: v1
metadata: {name: [1]}
---
apiVersion: v1
kind: Namespace
metadata: {name: half
";
    std::fs::write(dump.path(), yaml).unwrap();
    let pod =
        "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: shop}, spec: {containers: [{name: c, image: i}]}}";
    let ran = ringfence(["check", "--cluster", dump.path().to_str().unwrap(), "-o", "jsonl", "-"], pod);
    assert_eq!(ran.code, 2);
    let err = ran.err.replace(dump.path().to_str().unwrap(), "dump.yaml");
    insta::assert_snapshot!(err);
    assert_eq!(lines(&ran)[0]["admission"]["by"], "SecurityContextConstraints");
}

#[test]
fn a_snapshot_answers_as_the_dump_does_and_holds_no_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let secret = "\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: shop}\nstringData: {password: HUSH}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: shop, annotations: {token: HUSH}}\nspec: {containers: [{name: c, image: i, args: [HUSH], env: [{name: A, value: HUSH}]}]}\n";
    let whole = std::fs::read_to_string(common::root().join(CLUSTER)).unwrap() + secret;
    let dump = dir.path().join("dump.yaml");
    std::fs::write(&dump, whole).unwrap();
    for format in ["yaml", "json"] {
        let ran = ringfence(["snapshot", "-o", format, dump.to_str().unwrap()], "");
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(!ran.out.contains("HUSH"));
        assert!(ran.err.contains("left out: 1 Secret"), "{}", ran.err);
        let snapshot = dir.path().join("snapshot.yaml");
        std::fs::write(&snapshot, &ran.out).unwrap();
        let (snapshot, dump) = (snapshot.to_str().unwrap(), dump.to_str().unwrap());
        for command in [
            &["check", "-o", "jsonl", APP, "--cluster"][..],
            &["sync", "--dry-run", "-o", "json", "--cluster"],
            &["simulate", "--set-label", "enforce=restricted", "-o", "json", "--cluster"],
        ] {
            let ask = |cluster| ringfence([command, &[cluster]].concat(), "").out;
            assert_eq!(ask(snapshot), ask(dump), "{command:?} of the {format} snapshot");
        }
    }
}

/// A pod of the n-th combination of things that constraints object to.
fn odd_pod(n: usize) -> Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("p{n}"), "namespace": "shop"},
        "spec": {"securityContext": {}, "containers": [
            {"name": "c", "image": "i", "securityContext": {}}, {"name": "d", "image": "i", "securityContext": {}}]}});
    let bit = |i: usize| n >> i & 1 == 1;
    let spec = &mut pod["spec"];
    if bit(0) {
        spec["securityContext"]["fsGroup"] = json!(2000 + n);
    }
    if bit(1) {
        spec["containers"][n % 2]["securityContext"]["runAsUser"] = json!(n % 3);
    }
    if bit(2) {
        spec["containers"][0]["securityContext"]["capabilities"] = json!({"add": ["NET_ADMIN", "SYS_TIME"]});
    }
    if bit(3) {
        spec[["hostNetwork", "hostPID", "hostIPC"][n % 3]] = json!(true);
    }
    if bit(4) {
        spec["volumes"] = json!([{"name": "v", "configMap": {"name": "m"}}, {"name": "w", "hostPath": {"path": "/"}}]);
    }
    if bit(5) {
        spec["containers"][1]["securityContext"]["privileged"] = json!(true);
    }
    if bit(6) {
        spec["securityContext"]["seLinuxOptions"] = json!({"level": "s0:c9,c8"});
        spec["containers"][0]["ports"] = json!([{"containerPort": 80, "hostPort": 80}]);
    }
    if bit(7) {
        spec["securityContext"]["sysctls"] = json!([{"name": "kernel.msgmax", "value": "1"}]);
        spec["securityContext"]["seccompProfile"] = json!({"type": "Unconfined"});
    }
    pod
}

/// Carries out a change as someone with an editor would.
fn edit(pod: &mut Value, change: &Value) {
    let path = change["field"].as_str().unwrap().replace("].", "/").replace(['.', '['], "/").replace(']', "");
    let (parent, field) = path.rsplit_once('/').unwrap();
    let parent = pod.pointer_mut(&format!("/{parent}")).unwrap();
    match (change.get("to"), parent) {
        (Some(to), Value::Array(items)) => items[field.parse::<usize>().unwrap()] = to.clone(),
        (Some(to), parent) => parent[field] = to.clone(),
        (None, parent) => drop(parent.as_object_mut().unwrap().remove(field)),
    }
}

#[test]
fn the_changes_proposed_for_200_refused_pods_have_them_admitted() {
    let mut pods: Vec<Value> = (1..=200).map(odd_pod).collect();
    let ask = |pods: &[Value]| {
        let stream: String = pods.iter().map(|pod| format!("{pod}\n")).collect();
        lines(&ringfence(["check", "--cluster", CLUSTER, "-o", "jsonl", "-"], stream))
    };
    let answers = ask(&pods);
    for (pod, answer) in pods.iter_mut().zip(answers) {
        assert_eq!(answer["admission"]["by"], "SecurityContextConstraints", "{pod}");
        let nearest = &answer["admission"]["candidates"][0];
        assert_eq!(nearest["usable"], true);
        for change in nearest["changes"].as_array().unwrap() {
            edit(pod, change);
        }
    }
    for (pod, answer) in pods.iter().zip(ask(&pods)) {
        assert_eq!(answer["admission"]["allowed"], true, "{pod}\n{}", answer["admission"]["message"]);
    }
}
