//! Reports and events on a real API server that knows the kinds.

use ringfence_testing::{ApiServer, Flavour};
use serde_json::{Value, json};

use crate::{account, namespace, pod, with};

/// A definition with the fields of the prototype's, as far as they are written.
fn definition(kind: &str, plural: &str, scope: &str) -> Value {
    let text = json!({"type": "string"});
    let count = json!({"type": "integer"});
    let object = json!({"type": "object", "properties": {"apiVersion": text, "kind": text, "name": text, "namespace": text,
        "uid": text}});
    let result = json!({"type": "object", "required": ["policy"], "properties": {"source": text, "policy": text,
        "rule": text, "category": text, "message": text, "scored": {"type": "boolean"},
        "severity": {"type": "string", "enum": ["critical", "high", "low", "medium", "info"]},
        "result": {"type": "string", "enum": ["pass", "fail", "warn", "error", "skip"]},
        "properties": {"type": "object", "additionalProperties": text},
        "resources": {"type": "array", "items": object}}});
    let summary: Value = json!({"pass": count, "fail": count, "warn": count, "error": count, "skip": count});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.wgpolicyk8s.io"),
            "annotations": {"api-approved.kubernetes.io": "https://github.com/kubernetes/enhancements/pull/1111"}},
        "spec": {"group": "wgpolicyk8s.io", "scope": scope,
            "names": {"kind": kind, "listKind": format!("{kind}List"), "plural": plural, "singular": kind.to_lowercase()},
            "versions": [{"name": "v1alpha2", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {"summary": {"type": "object", "properties": summary},
                    "results": {"type": "array", "items": result}}}}}]}})
}

const REPORTS: &str = "/apis/wgpolicyk8s.io/v1alpha2/namespaces/shop/policyreports";

#[test]
fn reports_are_written_once_kept_and_removed_and_events_tell_of_them() {
    let Some(server) = ApiServer::start(Flavour::Kubernetes) else { return };
    server.create_all(&[namespace("shop", &json!({})), account("shop", "default")]);
    server.create(&pod("shop", "web", &json!({"hostPID": true, "containers": [{"name": "c", "image": "i"}]})));
    let label = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}});
    assert_eq!(server.admin().patch("/api/v1/namespaces/shop", &label).code, 200);

    let apply = || with(&server.kubeconfig(), &["report", "--apply", "--events"], "");
    let ran = apply();
    assert!(ran.code == 2 && ran.err.contains("does not know PolicyReports"), "{}", ran.err);
    server.create(&definition("PolicyReport", "policyreports", "Namespaced"));
    server.create(&definition("ClusterPolicyReport", "clusterpolicyreports", "Cluster"));
    server.until(|admin| admin.get(REPORTS), |answer| answer.code == 200);
    let cluster = "/apis/wgpolicyk8s.io/v1alpha2/clusterpolicyreports";
    server.until(|admin| admin.get(cluster), |answer| answer.code == 200);

    let ran = apply();
    assert!(ran.code == 1 && ran.err.contains("2 reports written, 0 as they were"), "{}", ran.err);
    assert!(ran.err.contains("1 events"), "{}", ran.err);
    let report = server.admin().get(&format!("{REPORTS}/ringfence")).body;
    assert_eq!(report["results"][0]["rule"], "hostNamespaces", "{report:#}");
    assert_eq!(report["results"][0]["resources"][0]["name"], "web");
    let events = server.admin().get("/apis/events.k8s.io/v1/namespaces/shop/events").body;
    let event = events["items"].as_array().unwrap().iter().find(|e| e["reason"] == "ViolatesPodSecurity").unwrap();
    assert_eq!((&event["regarding"]["kind"], &event["regarding"]["name"]), (&json!("Pod"), &json!("web")));

    // Nothing changed, nothing is written.
    let ran = apply();
    assert!(ran.err.contains("0 reports written, 2 as they were, 0 removed, 0 events"), "{}", ran.err);
    let again = server.admin().get(&format!("{REPORTS}/ringfence")).body;
    assert_eq!(again["metadata"]["resourceVersion"], report["metadata"]["resourceVersion"]);

    assert_eq!(server.admin().delete("/api/v1/namespaces/shop/pods/web?gracePeriodSeconds=0").code, 200);
    let ran = apply();
    assert!(ran.code == 0 && ran.err.contains("1 report written, 0 as they were, 1 removed"), "{}", ran.err);
    assert_eq!(server.admin().get(&format!("{REPORTS}/ringfence")).code, 404);
}
