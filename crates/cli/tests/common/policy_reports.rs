//! PolicyReports as a kind that an API server knows.

use ringfence_testing::ApiServer;
use serde_json::{Value, json};

/// Teaches the server the kinds, and waits until it knows them.
pub(crate) fn define(server: &ApiServer) {
    for (kind, plural, scope) in
        [("PolicyReport", "policyreports", "Namespaced"), ("ClusterPolicyReport", "clusterpolicyreports", "Cluster")]
    {
        server.create(&definition(kind, plural, scope));
        let path = format!("/apis/wgpolicyk8s.io/v1alpha2/{plural}");
        server.until(|admin| admin.get(&path), |answer| answer.code == 200);
    }
}

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
