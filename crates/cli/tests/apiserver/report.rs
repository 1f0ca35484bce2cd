//! Reports and events on a real API server that knows the kinds.

use ringfence_testing::{ApiServer, Flavour};
use serde_json::json;

use crate::{account, namespace, pod, with};

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
    crate::policy_reports::define(&server);

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
