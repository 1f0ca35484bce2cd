//! A plain Kubernetes with namespaces of several levels and more pods than a page has.

use std::fs;
use std::sync::LazyLock;

use ringfence_testing::{ApiServer, Flavour, path_of};
use serde_json::{Value, json};

use crate::common::{lines, ringfence};
use crate::{account, documents, kubectl, namespace, pod, with};

/// More than two pages.
const MANY: usize = 1103;

static SERVER: LazyLock<Option<ApiServer>> =
    LazyLock::new(|| {
        let server = ApiServer::start(Flavour::Kubernetes)?;
        server.create_all(&[
        namespace("strict", &json!({"pod-security.kubernetes.io/enforce": "restricted"})),
        namespace(
            "middling",
            &json!({"pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/warn": "restricted"}),
        ),
        namespace("old", &json!({"pod-security.kubernetes.io/enforce": "restricted",
            "pod-security.kubernetes.io/enforce-version": "v1.20", "pod-security.kubernetes.io/warn": "baseline",
            "pod-security.kubernetes.io/warn-version": "v1.25"})),
        namespace("open", &json!({})),
        namespace("many", &json!({})),
    ]);
        for name in NAMESPACES.into_iter().chain(["many"]) {
            server.create(&account(name, "default"));
        }
        server.create(&account("open", "quiet"));
        for i in 0..MANY {
            let spec = json!({"hostPID": i % 10 == 0, "containers": [{"name": "c", "image": "i"}]});
            server.create(&pod("many", &format!("p{i:04}"), &spec));
        }
        Some(server)
    });

const NAMESPACES: [&str; 4] = ["strict", "middling", "old", "open"];

/// Pods around what the levels look at.
fn specs() -> Vec<Value> {
    let container = |security: Value| json!({"name": "c", "image": "i", "securityContext": security});
    let good = || {
        container(json!({"allowPrivilegeEscalation": false, "runAsNonRoot": true, "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"}}))
    };
    let one = |container: Value| json!({ "containers": [container] });
    vec![
        one(good()),
        one(json!({"name": "c", "image": "i"})),
        one(container(json!({"privileged": true}))),
        one(container(json!({"capabilities": {"add": ["NET_ADMIN", "KILL", "SYS_TIME"]}}))),
        one(container(json!({"runAsUser": 0, "runAsNonRoot": false}))),
        json!({"hostUsers": false, "containers": [container(json!({"procMount": "Unmasked"}))]}),
        one(container(json!({"seLinuxOptions": {"type": "spc_t", "user": "u", "role": "r"}}))),
        one(container(json!({"appArmorProfile": {"type": "Unconfined"}, "seccompProfile": {"type": "Unconfined"}}))),
        json!({"hostNetwork": true, "containers": [container(json!({"windowsOptions": {"hostProcess": true}}))]}),
        one(
            json!({"name": "c", "image": "i", "ports": [{"containerPort": 80, "hostPort": 8080}, {"containerPort": 81, "hostPort": 81}]}),
        ),
        one(json!({"name": "c", "image": "i", "livenessProbe": {"httpGet": {"port": 1, "host": "10.0.0.1"}}})),
        json!({"hostNetwork": true, "hostPID": true, "hostIPC": true,
            "containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80}]}]}),
        json!({"hostUsers": false, "containers": [{"name": "c", "image": "i"}]}),
        json!({"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}, {"name": "net.ipv4.ping_group_range", "value": "0 1"}]},
            "containers": [good()]}),
        json!({"securityContext": {"runAsUser": 0, "runAsNonRoot": true}, "containers": [good()],
            "initContainers": [{"name": "i", "image": "i"}, {"name": "s", "image": "i", "restartPolicy": "Always"}]}),
        json!({"containers": [good()], "volumes": [{"name": "h", "hostPath": {"path": "/"}}, {"name": "n", "nfs": {"server": "s", "path": "/"}},
            {"name": "e", "emptyDir": {}}, {"name": "g", "gitRepo": {"repository": "r"}}]}),
        json!({"os": {"name": "windows"}, "containers": [{"name": "c", "image": "i"}]}),
        json!({"serviceAccountName": "quiet", "containers": [good()]}),
        json!({"serviceAccountName": "nobody", "containers": [good()]}),
    ]
}

#[test]
fn pods_are_refused_and_warned_of_as_the_server_does() {
    let Some(server) = &*SERVER else { return };
    let mut pods = Vec::new();
    for (i, spec) in specs().iter().enumerate() {
        pods.extend(NAMESPACES.into_iter().chain(["absent"]).map(|namespace| pod(namespace, &format!("p{i}"), spec)));
    }
    let groups = ["--as", "root", "--as-group", "system:masters", "--kube-version", "v1.36", "-o", "jsonl", "-"];
    let ran = with(&server.kubeconfig(), &[&["check"], &groups[..]].concat(), &documents(&pods));
    assert_eq!((ran.code, &*ran.err), (1, ""));
    let objects = lines(&ran);
    assert_eq!(objects.len(), pods.len());
    let mut refused = 0;
    for (pod, object) in pods.iter().zip(&objects) {
        let answer = server.admin().post(&format!("{}?dryRun=All", path_of(pod)), pod);
        let admission = &object["admission"];
        let own: Vec<&str> = admission["warnings"].as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect();
        assert_eq!(admission["allowed"], answer.code == 201, "{pod}: {:#}", answer.body);
        if answer.code == 201 {
            // The server warns of other things, too.
            let security: Vec<_> = answer.warnings.iter().filter(|w| w.contains("PodSecurity")).collect();
            assert_eq!(own, security, "{pod}");
        } else {
            refused += 1;
            assert_eq!(admission["message"], answer.body["message"], "{pod}");
        }
    }
    assert!(refused > pods.len() / 3 && refused < pods.len() - 10, "{refused} of {}", pods.len());
}

#[test]
fn a_dump_by_kubectl_gives_the_same_answers_as_the_server() {
    let Some(server) = &*SERVER else { return };
    let kinds = "namespaces,serviceaccounts,pods,roles,rolebindings,clusterroles,clusterrolebindings,deployments";
    // Who set a label is hidden by kubectl unless asked for.
    let get = ["get", "-A", "-o", "json", "--show-managed-fields", kinds];
    let Some(dump) = kubectl(&server.kubeconfig(), &get) else { return };
    let file = server.folder().join("kubectl.json");
    fs::write(&file, dump).unwrap();
    let pods: Vec<_> = specs().iter().map(|spec| pod("middling", "p", spec)).collect();
    let pods = documents(&pods);
    for args in [
        &["check", "-o", "json", "-"][..],
        &["check", "--platform", "openshift", "-o", "json", "-"],
        &["scc", "which", "-", "-o", "json", "--platform", "openshift"],
        &["scc", "who", "privileged", "--platform", "openshift", "-n", "open", "-o", "json"],
        &["sync", "--dry-run", "--platform", "openshift", "-o", "json"],
        &["simulate", "--set-label", "enforce=baseline", "-o", "json"],
        &["simulate", "--set-label", "enforce=restricted", "-n", "many"],
    ] {
        let live = with(&server.kubeconfig(), args, &pods);
        let dumped = ringfence(args.iter().copied().chain(["--cluster", file.to_str().unwrap()]), &pods);
        assert_eq!((live.code, &live.out), (dumped.code, &dumped.out), "{args:?}");
        assert!(live.out.len() > 100, "{args:?}: {} {}", live.out, live.err);
    }
}

#[test]
fn a_snapshot_has_every_object_of_many_pages_and_answers_like_the_server() {
    let Some(server) = &*SERVER else { return };
    let ran = with(&server.kubeconfig(), &["snapshot", "-o", "json"], "");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let list: Value = serde_json::from_str(&ran.out).unwrap();
    let pods =
        list["items"].as_array().unwrap().iter().filter(|o| o["kind"] == "Pod" && o["metadata"]["namespace"] == "many");
    assert_eq!(pods.count(), MANY);
    let file = server.folder().join("snapshot.json");
    fs::write(&file, &ran.out).unwrap();
    let pods: Vec<_> = specs().iter().map(|spec| pod("strict", "p", spec)).collect();
    let live = with(&server.kubeconfig(), &["check", "-o", "jsonl", "-"], &documents(&pods));
    let dumped = ringfence(["check", "-o", "jsonl", "--cluster", file.to_str().unwrap(), "-"], documents(&pods));
    assert_eq!((live.code, live.out, live.err), (dumped.code, dumped.out, dumped.err));
}

#[test]
fn a_simulation_goes_through_every_page() {
    let Some(server) = &*SERVER else { return };
    let args = ["simulate", "--set-label", "enforce=baseline", "-n", "many", "-o", "json"];
    let ran = with(&server.kubeconfig(), &args, "");
    assert_eq!((ran.code, &*ran.err), (1, ""));
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    let broken = MANY.div_ceil(10);
    let pods = &report["namespaces"]["many"]["pods"]["enforce"];
    assert_eq!(pods, &json!({"fine": MANY - broken, "broken": broken, "mended": 0, "refused": 0}));
    assert_eq!(report["broken"], broken);
}

#[test]
fn constraints_of_a_plain_kubernetes_with_their_definition_make_it_openshift() {
    let Some(server) = ApiServer::start(Flavour::Kubernetes) else { return };
    server.define_constraints();
    let mut app = namespace("app", &json!({}));
    app["metadata"]["annotations"] =
        json!({"openshift.io/sa.scc.uid-range": "1000/10", "openshift.io/sa.scc.mcs": "s0:c1,c0"});
    server.create_all(&[app, account("app", "default")]);
    let pod = pod("app", "p", &json!({"containers": [{"name": "c", "image": "i"}]})).to_string();
    let ask = || with(&server.kubeconfig(), &["check", "-o", "jsonl", "-"], &pod);
    let refused = ask();
    let message = &lines(&refused)[0]["admission"]["message"];
    assert_eq!(
        (refused.code, message),
        (1, &json!("pods \"p\" is forbidden: no SecurityContextConstraints found in cluster"))
    );
    server.create(&json!({"apiVersion": "security.openshift.io/v1", "kind": "SecurityContextConstraints",
        "metadata": {"name": "mine"}, "groups": ["system:authenticated"], "allowPrivilegedContainer": false,
        "runAsUser": {"type": "RunAsAny"}, "seLinuxContext": {"type": "RunAsAny"}, "fsGroup": {"type": "RunAsAny"},
        "supplementalGroups": {"type": "RunAsAny"}, "volumes": ["*"]}));
    let admitted = ask();
    let admission = &lines(&admitted)[0]["admission"];
    assert_eq!((admitted.code, &admission["scc"]), (0, &json!("mine")), "{}", admitted.err);
}
