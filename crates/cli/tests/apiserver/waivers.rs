//! Waivers on a real API server: what it takes for one, and what the webhook makes of them.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use jiff::{SignedDuration, Timestamp};
use ringfence_testing::{ApiServer, Flavour};
use serde_json::{Value, json};

use crate::common::root;
use crate::namespace;
use crate::serving::Serving;

const WAIVERS: &str = "/apis/ringfence.dev/v1alpha1/namespaces/waivers/waivers";
const PODS: &str = "/api/v1/namespaces/shop/pods?dryRun=All";

/// A server with the definition, its two namespaces, and a service account without which there are no pods.
fn server() -> Option<ApiServer> {
    let server = ApiServer::start(Flavour::Kubernetes)?;
    let yaml = std::fs::read(root().join("deploy/crds/waivers.yaml")).unwrap();
    let documents = ringfence_manifest::read(&yaml);
    let definition = documents.iter().find_map(ringfence_manifest::Document::root).unwrap().to_json();
    server.create(&serde_json::from_str(&definition).unwrap());
    server.until(|admin| admin.get(WAIVERS), |answer| answer.code == 200);
    server.create_all(&[namespace("waivers", &json!({})), namespace("shop", &json!({}))]);
    server.create(&crate::account("shop", "default"));
    Some(server)
}

fn seconds_from_now(seconds: i64) -> String {
    (Timestamp::now() + SignedDuration::from_secs(seconds)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn waiver(change: &Value) -> Value {
    let mut object = json!({"apiVersion": "ringfence.dev/v1alpha1", "kind": "Waiver",
        "metadata": {"name": "agent", "namespace": "waivers"},
        "spec": {"namespaces": ["shop"], "workload": {"kind": "Pod", "name": "agent"}, "containers": ["agent"],
            "podFields": true, "controls": ["hostNamespaces", "privileged"], "expires": seconds_from_now(86400),
            "owner": "platform@example.com", "reason": "reads the node's sockets"}});
    for (key, value) in change.as_object().unwrap() {
        if value.is_null() {
            object["spec"].as_object_mut().unwrap().remove(key);
        } else {
            object["spec"][key] = value.clone();
        }
    }
    object
}

fn agent() -> Value {
    crate::pod(
        "shop",
        "agent",
        &json!({"hostNetwork": true, "containers": [
        {"name": "agent", "image": "i", "securityContext": {"privileged": true}}]}),
    )
}

#[test]
fn an_api_server_takes_what_counts_and_refuses_what_would_not() {
    let Some(server) = server() else { return };
    let path = format!("{WAIVERS}?dryRun=All&fieldValidation=Strict");
    for (change, words) in [
        (json!({"controls": ["hostNetwork"]}), "Unsupported value"),
        (json!({"controls": []}), "should have at least 1 items"),
        (json!({"namespaces": ["*"]}), "should match"),
        (json!({"namespaces": null}), "Required value"),
        (json!({"workload": {}}), "say kind and name, or a selector"),
        (json!({"workload": {"kind": "DaemonSet"}}), "kind and name go together"),
        (json!({"workload": {"every": true, "kind": "Pod", "name": "a"}}), "nothing beside every"),
        (json!({"workload": {"selector": {}}}), "a selector must ask for something"),
        (
            json!({"workload": {"selector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}}),
            "In and NotIn need values",
        ),
        (json!({"containers": null, "podFields": null}), "otherwise nothing is covered"),
        (json!({"expires": "tomorrow"}), "must be of type date-time"),
        (json!({"owner": null}), "Required value"),
        (json!({"owner": " "}), "should match"),
        (json!({"reason": "a\nb"}), "should match"),
        (json!({"container": ["a"]}), "unknown field"),
    ] {
        let answer = server.admin().post(&path, &waiver(&change));
        assert!(answer.code == 422 || answer.code == 400, "{change}: {:#}", answer.body);
        let message = answer.body["message"].as_str().unwrap();
        assert!(message.contains(words), "{change}: {message}");
    }
    for change in [
        json!({}),
        json!({"workload": {"every": true}, "containers": ["*"], "podFields": null}),
        json!({"workload": {"selector": {"matchLabels": {"app": "x"}, "matchExpressions": [{"key": "a", "operator": "Exists"}]}}}),
    ] {
        let answer = server.admin().post(&path, &waiver(&change));
        assert_eq!(answer.code, 201, "{change}: {:#}", answer.body);
    }
}

#[test]
fn waivers_of_a_running_cluster_are_listed_also_by_who_may_read_only_those_that_count() {
    let Some(server) = server() else { return };
    server.create(&crate::pod("shop", "agent", &agent()["spec"]));
    let label = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}});
    assert_eq!(server.admin().patch("/api/v1/namespaces/shop", &label).code, 200);
    server.create(&waiver(&json!({})));
    let mut elsewhere = waiver(&json!({}));
    elsewhere["metadata"] = json!({"name": "elsewhere", "namespace": "shop"});
    server.create(&elsewhere);

    let list = ["waiver", "list", "--waivers-from", "waivers", "-o", "jsonl"];
    let ran = crate::with(&server.kubeconfig(), &list, "");
    assert_eq!((ran.code, &*ran.err), (1, ""), "{}", ran.out);
    let told: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&told[0]["waiver"], &told[0]["state"]), (&json!("waivers/agent"), &json!("valid")), "{}", ran.out);
    assert!(told[0]["created"].is_string(), "{}", ran.out);
    assert_eq!(
        told[0]["neededBy"],
        json!([{"namespace": "shop", "kind": "Pod", "name": "agent", "pods": 1,
            "controls": ["hostNamespaces", "privileged"]}])
    );
    assert_eq!((&told[1]["waiver"], &told[1]["state"]), (&json!("shop/elsewhere"), &json!("invalid")), "{}", ran.out);

    // Who may read what the installed server may, and no more, sees those that count.
    let rules = json!([{"apiGroups": [""], "resources": ["namespaces", "pods"], "verbs": ["list"]}]);
    let kind = "rbac.authorization.k8s.io/v1";
    let subjects = json!([{"kind": "User", "name": "auditor", "apiGroup": "rbac.authorization.k8s.io"}]);
    let refer = |kind: &str, name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name});
    server.create_all(&[
        json!({"apiVersion": kind, "kind": "ClusterRole", "metadata": {"name": "look"}, "rules": rules}),
        json!({"apiVersion": kind, "kind": "ClusterRoleBinding", "metadata": {"name": "look"}, "subjects": subjects,
            "roleRef": refer("ClusterRole", "look")}),
    ]);
    let auditor = server.kubeconfig_of("auditor", ringfence_testing::Who::User("auditor"));
    let ran = crate::with(&auditor, &list, "");
    assert!(ran.code == 2 && ran.err.contains("may not list waivers.ringfence.dev"), "{}{}", ran.out, ran.err);
    let rules = json!([{"apiGroups": ["ringfence.dev"], "resources": ["waivers"], "verbs": ["list"]}]);
    let at = json!({"name": "look", "namespace": "waivers"});
    server.create_all(&[
        json!({"apiVersion": kind, "kind": "Role", "metadata": at, "rules": rules}),
        json!({"apiVersion": kind, "kind": "RoleBinding", "metadata": at, "subjects": subjects,
            "roleRef": refer("Role", "look")}),
    ]);
    let explain = ["waiver", "explain", "agent", "--waivers-from", "waivers", "--soon", "0"];
    let ran = crate::with(&auditor, &explain, "");
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("needed by Pod agent in shop, 1 pod: hostNamespaces, privileged"), "{}", ran.out);
    assert_eq!(crate::with(&auditor, &list, "").out.lines().count(), 1);
}

/// `serve` as an API server asks it.
struct Served(#[allow(dead_code, reason = "it is held")] Serving);

impl Served {
    /// Starts it, and registers it for pods of the namespace.
    fn start(server: &ApiServer, more: &[&str]) -> Self {
        let file = |name: &str, text: &str| -> PathBuf {
            let path = server.folder().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let certificate = server.authority().server(&["127.0.0.1"]);
        let (cert, key) = (file("hook.crt", &certificate.pem), file("hook.key", &certificate.key));
        // The API server's own plugin has nothing to object to.
        let config = "apiVersion: pod-security.admission.config.k8s.io/v1\nkind: PodSecurityConfiguration\ndefaults: {enforce: baseline}\n";
        let config = file("podsecurity.yaml", config);
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let args = [
            ["--tls-cert", &text(&cert), "--tls-key", &text(&key)],
            ["--kubeconfig", &text(&server.kubeconfig()), "--pod-security-config", &text(&config)],
        ];
        let serving = Serving::start(|command| command.args(args.concat()).args(more));
        let address = serving.address;
        let bundle = base64::engine::general_purpose::STANDARD.encode(server.authority().pem());
        server.create(&json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "ringfence"}, "webhooks": [{"name": "pods.ringfence.dev", "sideEffects": "None",
                "admissionReviewVersions": ["v1"], "failurePolicy": "Fail",
                "clientConfig": {"url": format!("https://{address}/validate"), "caBundle": bundle},
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE", "UPDATE"]}]}]}));
        Self(serving)
    }
}

#[test]
fn a_waiver_lets_a_pod_through_with_a_warning_until_it_expires() {
    let Some(server) = server() else { return };
    let _served = Served::start(&server, &["--waivers-from", "waivers"]);
    let refused = "violates PodSecurity \\\"baseline:latest\\\": host namespaces (hostNetwork=true), privileged";
    let is_refused =
        |answer: &ringfence_testing::Answer| answer.code == 403 && answer.body.to_string().contains(refused);
    server.until(|admin| admin.post(PODS, &agent()), is_refused);

    // Made where none count, it does not.
    let mut elsewhere = waiver(&json!({}));
    elsewhere["metadata"]["namespace"] = "shop".into();
    server.create(&elsewhere);
    server.create(&waiver(&json!({})));
    server.until(|admin| admin.post(PODS, &agent()), |answer| answer.code == 201);
    let answer = server.admin().post(PODS, &agent());
    let by = r#"by waiver "waivers/agent" of platform@example.com: hostNamespaces, privileged"#;
    assert!(answer.warnings.iter().any(|warning| warning.contains(by)), "{:?}", answer.warnings);
    let mut more = agent();
    more["spec"]["containers"][0]["ports"] = json!([{"containerPort": 80, "hostPort": 80}]);
    let answer = server.admin().post(PODS, &more);
    assert!(answer.code == 403 && answer.body.to_string().contains("hostPort"), "{answer:#?}");

    let file = server.folder().join("agent.json");
    std::fs::write(&file, agent().to_string()).unwrap();
    let program = Path::new(&std::env::var_os("KUBEBUILDER_ASSETS").unwrap()).join("kubectl");
    if program.is_file() {
        let kubectl = Command::new(program)
            .args([
                "create",
                "--dry-run=server",
                "--validate=false",
                "--kubeconfig",
                server.kubeconfig().to_str().unwrap(),
                "-f",
            ])
            .arg(&file)
            .output()
            .unwrap();
        let said = String::from_utf8(kubectl.stderr).unwrap();
        assert!(kubectl.status.success() && said.contains("Warning: waived until"), "{said}");
    } else {
        println!("skipped: there is no kubectl");
    }

    let soon = json!({"spec": {"expires": seconds_from_now(2)}});
    assert_eq!(server.admin().patch(&format!("{WAIVERS}/agent"), &soon).code, 200);
    server.until(|admin| admin.post(PODS, &agent()), is_refused);
}
