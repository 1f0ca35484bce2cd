//! The DaemonSet's own account, with no more than its manifest gives it, against a real API server.

use std::fs;

use ringfence_testing::{ApiServer, Client, Flavour, Who};
use serde_json::{Value, json};

use crate::common::ringfence;

const ANNOTATION: &str = "ringfence.github.io/node-facts";

#[test]
fn the_daemonsets_account_annotates_nodes_and_may_do_nothing_else() {
    let Some(server) = ApiServer::start(Flavour::Kubernetes) else { return };
    let manifest = ringfence(["node", "daemonset", "--image", "registry.example.com/ringfence:0.1.0"], "").out;
    // What kubectl apply would send, and as strict about fields.
    for document in ringfence_manifest::read(manifest.as_bytes()) {
        let object: Value = serde_json::from_str(&document.root().unwrap().to_json()).unwrap();
        let path = format!("{}?fieldValidation=Strict", ringfence_testing::path_of(&object));
        let answer = server.admin().post(&path, &object);
        assert_eq!((answer.code, &*answer.warnings), (201, &[][..]), "{object}: {:#}", answer.body);
    }
    let node = |name: &str| {
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"kept": "yes"},
            "annotations": {"kept": "yes"}}})
    };
    server.create_all(&[node("worker-1"), node("worker-2")]);

    let token = server.token("ringfence-node", "ringfence-node", false);
    let config = server.kubeconfig_of("daemon", Who::Token(&token));
    let ran = ringfence(
        [
            "node",
            "check",
            "--publish",
            "annotation",
            "--node-name",
            "worker-1",
            "--kubeconfig",
            config.to_str().unwrap(),
        ],
        "",
    );
    assert_eq!((ran.code, &*ran.out, &*ran.err), (0, "", ""));
    let found = server.admin().get("/api/v1/nodes/worker-1").body;
    assert_eq!(
        (&found["metadata"]["labels"]["kept"], &found["metadata"]["annotations"]["kept"]),
        (&json!("yes"), &json!("yes"))
    );
    assert!(found["metadata"]["annotations"][ANNOTATION].as_str().unwrap().contains("\"nrOpen\""), "{found:#}");

    // What was published is what `--node` reads; a node without it says how to get it.
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("nodes.json");
    fs::write(&file, json!({"kind": "List", "items": [with_kind(found)]}).to_string()).unwrap();
    let ran = ringfence(["node", "check", "-o", "json", "--node", file.to_str().unwrap()], "");
    assert_eq!((ran.code, &*ran.err), (0, ""));
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(report["nodes"][0]["name"], "worker-1");
    fs::write(&file, with_kind(server.admin().get("/api/v1/nodes/worker-2").body).to_string()).unwrap();
    let ran = ringfence(["node", "check", "--node", file.to_str().unwrap()], "");
    assert!(ran.code == 2 && ran.err.contains("ringfence node daemonset"), "{}", ran.err);

    let ran = ringfence(
        ["node", "check", "--publish", "annotation", "--node-name", "nobody", "--kubeconfig", config.to_str().unwrap()],
        "",
    );
    assert!(ran.code == 2 && ran.err.contains("cannot get node nobody: nodes \"nobody\" not found"), "{}", ran.err);

    let account = Client::new(&config);
    for path in [
        "/api/v1/nodes",
        "/api/v1/pods",
        "/api/v1/namespaces/ringfence-node/secrets",
        "/api/v1/namespaces/ringfence-node",
    ] {
        assert_eq!(account.get(path).code, 403, "{path}");
    }
    assert_eq!(account.delete("/api/v1/nodes/worker-2").code, 403);
    let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}});
    assert_eq!(account.patch("/api/v1/nodes/worker-2/status", &ready).code, 403);
}

/// As a list has it only once for all.
fn with_kind(mut node: Value) -> Value {
    node["kind"] = json!("Node");
    node
}
