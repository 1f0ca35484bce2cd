//! OpenShift's API server, with the platform's own constraints and one more.

use std::fs;
use std::sync::LazyLock;
use std::thread::sleep;
use std::time::Duration;

use ringfence_testing::{Answer, ApiServer, Flavour, path_of};
use serde_json::{Value, json};

use crate::common::{lines, ringfence};
use crate::{account, binding, documents, kubectl, namespace, pod, with};

static SERVER: LazyLock<Option<ApiServer>> = LazyLock::new(|| {
    let server = ApiServer::start(Flavour::OpenShift)?;
    for scc in ringfence_scc::platform::constraints() {
        let (name, mut object) = (scc.name().to_owned(), serde_json::to_value(&scc).unwrap());
        object["apiVersion"] = "security.openshift.io/v1".into();
        object["kind"] = "SecurityContextConstraints".into();
        object["metadata"] = json!({ "name": name });
        server.create(&object);
        let role = ringfence_scc::platform::cluster_role(&name);
        server.create(
            &json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": role},
            "rules": [{"apiGroups": ["security.openshift.io"], "resources": ["securitycontextconstraints"],
                "resourceNames": [name], "verbs": ["use"]}]}),
        );
    }
    for name in ringfence_scc::platform::FOR_ALL_AUTHENTICATED {
        let role = ringfence_scc::platform::cluster_role(name);
        let mut everyone = binding(&format!("everyone-{name}"), None, ("ClusterRole", &role), "");
        everyone["subjects"][0] =
            json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:authenticated"});
        server.create(&everyone);
    }
    let mut app = namespace("app", &json!({"pod-security.kubernetes.io/enforce": "baseline"}));
    app["metadata"]["annotations"] = json!({"openshift.io/sa.scc.uid-range": "1000680000/10000",
        "openshift.io/sa.scc.supplemental-groups": "1000680000/10000", "openshift.io/sa.scc.mcs": "s0:c26,c10"});
    server.create_all(&[app, account("app", "default"), account("app", "builder")]);
    let anyuid = ringfence_scc::platform::cluster_role("anyuid");
    let mut builder = binding("builder", Some("app"), ("ClusterRole", &anyuid), "");
    builder["subjects"][0] = json!({"kind": "ServiceAccount", "name": "builder", "namespace": "app"});
    server.create(&builder);
    let hostnetwork = ringfence_scc::platform::cluster_role("hostnetwork-v2");
    server.create(&binding("nora", Some("app"), ("ClusterRole", &hostnetwork), "nora"));
    // The roles of that purpose are aggregated by a controller, and there is none.
    server.create(
        &json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "pods"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}]}),
    );
    let edit =
        ["alice", "nora"].map(|user| binding(&format!("edit-{user}"), Some("app"), ("ClusterRole", "pods"), user));
    server.create_all(&edit);
    // Constraints and rights reach the admission plugin by a watch.
    let plain = pod("app", "p", &json!({"containers": [{"name": "c", "image": "i"}]}));
    let host = pod("app", "p", &json!({"hostNetwork": true, "containers": [{"name": "c", "image": "i"}]}));
    let path = format!("{}?dryRun=All", path_of(&plain));
    server.until(|admin| admin.post_as("nora", &[], &path, &plain), |answer| answer.code == 201);
    let no_right = r#"hostnetwork-v2": Forbidden: not usable"#;
    let told = |answer: &Answer| answer.body["message"].as_str().is_some_and(|text| text.contains(no_right));
    server.until(|admin| admin.post_as("nora", &[], &path, &host), |answer| !told(answer));
    sleep(Duration::from_millis(200));
    Some(server)
});

fn specs() -> Vec<Value> {
    let container = |security: Value| json!({"name": "c", "image": "i", "securityContext": security});
    let one = |container: Value| json!({ "containers": [container] });
    vec![
        one(json!({"name": "c", "image": "i"})),
        one(container(json!({"runAsUser": 1_000_680_001}))),
        one(container(json!({"runAsUser": 0}))),
        one(container(json!({"privileged": true}))),
        one(container(json!({"capabilities": {"add": ["NET_ADMIN", "NET_BIND_SERVICE"]}}))),
        one(container(json!({"seLinuxOptions": {"level": "s0:c1,c2"}}))),
        one(container(json!({"seccompProfile": {"type": "Unconfined"}}))),
        one(json!({"name": "c", "image": "i", "ports": [{"containerPort": 80, "hostPort": 80}]})),
        json!({"hostNetwork": true, "containers": [{"name": "c", "image": "i"}]}),
        json!({"securityContext": {"fsGroup": 5, "supplementalGroups": [7]}, "containers": [{"name": "c", "image": "i"}]}),
        json!({"serviceAccountName": "builder", "containers": [container(json!({"runAsUser": 0}))]}),
        json!({"hostUsers": false, "containers": [container(json!({"runAsUser": 5}))]}),
        json!({"containers": [{"name": "c", "image": "i"}], "volumes": [{"name": "h", "hostPath": {"path": "/"}}]}),
    ]
}

#[test]
fn pods_get_the_constraint_and_the_words_of_the_server() {
    let Some(server) = &*SERVER else { return };
    let pods: Vec<Value> = specs().iter().enumerate().map(|(i, spec)| pod("app", &format!("p{i}"), spec)).collect();
    for (user, groups) in [("alice", &[][..]), ("nora", &[]), ("root", &["system:masters"])] {
        let mut args = vec!["check", "--as", user, "--kube-version", "v1.36", "-o", "jsonl", "-"];
        args.extend(groups.iter().flat_map(|group| ["--as-group", group]));
        let ran = with(&server.kubeconfig(), &args, &documents(&pods));
        assert_eq!(ran.err, "", "{user}");
        for (pod, object) in pods.iter().zip(lines(&ran)) {
            let answer = server.admin().post_as(user, groups, &format!("{}?dryRun=All", path_of(pod)), pod);
            let own = &object["admission"];
            assert_eq!(own["allowed"], answer.code == 201, "{user} {pod}: {:#}", answer.body);
            if answer.code == 201 {
                let scc = &answer.body["metadata"]["annotations"]["openshift.io/scc"];
                assert_eq!(&own["scc"], scc, "{user} {pod}");
                for part in ["securityContext", "hostUsers"] {
                    assert_eq!(own["pod"]["spec"][part], answer.body["spec"][part], "{user} {pod}");
                }
                let of = |pod: &Value| pod["spec"]["containers"][0]["securityContext"].clone();
                assert_eq!(of(&own["pod"]), of(&answer.body), "{user} {pod}");
            } else {
                assert_eq!(own["message"], answer.body["message"], "{user} {pod}");
            }
        }
    }
}

#[test]
fn a_dump_by_kubectl_gives_the_same_answers_as_openshift() {
    let Some(server) = &*SERVER else { return };
    let kinds = "namespaces,serviceaccounts,pods,roles,rolebindings,clusterroles,clusterrolebindings,\
                 securitycontextconstraints";
    let get = ["get", "-A", "-o", "json", "--show-managed-fields", kinds];
    let Some(dump) = kubectl(&server.kubeconfig(), &get) else { return };
    let file = server.folder().join("kubectl.json");
    fs::write(&file, dump).unwrap();
    let pods = documents(&specs().iter().map(|spec| pod("app", "p", spec)).collect::<Vec<_>>());
    for args in [
        &["check", "-o", "json", "-"][..],
        &["scc", "which", "-", "-o", "json", "--as", "nora"],
        &["scc", "why", "privileged", "-", "-o", "json"],
        &["scc", "who", "anyuid", "-n", "app", "-o", "json"],
        &["scc", "diff", "restricted", "restricted-v2"],
        &["sync", "--dry-run", "-o", "json"],
        &["simulate", "--set-label", "enforce=restricted", "-o", "json"],
    ] {
        let live = with(&server.kubeconfig(), args, &pods);
        let dumped = ringfence(args.iter().copied().chain(["--cluster", file.to_str().unwrap()]), &pods);
        assert_eq!((live.code, &live.out), (dumped.code, &dumped.out), "{args:?}: {} {}", live.err, dumped.err);
        assert!(live.code < 2 && live.out.len() > 20, "{args:?}: {} {}", live.out, live.err);
    }
}
