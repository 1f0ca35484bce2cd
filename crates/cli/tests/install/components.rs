//! All that can be installed, each with the rights of its own account alone.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::common::ringfence;
use crate::policy_reports;
use crate::running::Running;
use crate::setting::{Setting, kubectl, pod, until};

const REPORT: &str = "/apis/wgpolicyk8s.io/v1alpha2/namespaces/old/policyreports/ringfence";

/// A constraint that everybody may use, and that allows everything.
fn open() -> Value {
    let any = json!({"type": "RunAsAny"});
    json!({"apiVersion": "security.openshift.io/v1", "kind": "SecurityContextConstraints", "metadata": {"name": "open"},
        "groups": ["system:authenticated"], "users": [], "allowPrivilegedContainer": true, "allowHostDirVolumePlugin": true,
        "allowHostIPC": true, "allowHostNetwork": true, "allowHostPID": true, "allowHostPorts": true,
        "allowPrivilegeEscalation": true, "readOnlyRootFilesystem": false, "allowedCapabilities": ["*"],
        "runAsUser": any, "seLinuxContext": any, "fsGroup": any, "supplementalGroups": any, "volumes": ["*"],
        "seccompProfiles": ["*"]})
}

fn waiver() -> Value {
    let expires = (Timestamp::now() + SignedDuration::from_hours(24)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    json!({"apiVersion": "ringfence.dev/v1alpha1", "kind": "Waiver",
        "metadata": {"name": "old", "namespace": "ringfence-waivers"},
        "spec": {"namespaces": ["old"], "workload": {"kind": "Pod", "name": "bad"}, "podFields": true,
            "controls": ["hostNamespaces"], "expires": expires, "owner": "platform@example.com", "reason": "until it is mended"}})
}

#[test]
fn each_component_works_with_its_own_account_and_nothing_is_left_of_any() {
    let Some(setting) = Setting::start() else { return };
    let (server, kubeconfig) = (&setting.server, setting.kubeconfig());
    let kubeconfig = kubeconfig.to_str().unwrap();
    let everything = ["--scc", "yes", "--controllers", "--reports", "--waivers"];
    // Reports are of kinds that somebody else brings.
    let ran = setting.install(&everything).join().unwrap();
    assert!(ran.code == 2 && ran.err.contains("does not know PolicyReports"), "{}{}", ran.out, ran.err);
    policy_reports::define(server);

    let installing = setting.install(&everything);
    let replica = setting.replica(&["--waivers-from", "ringfence-waivers"]);
    let ran = installing.join().unwrap();
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let replica = replica.ready();
    server.create(&open());
    let controllers = Running::start(server, &[]);
    let reports = Running::reports(server, &["--events", "--waivers-from", "ringfence-waivers"]);

    // The controllers: labels and ranges.
    setting.namespace("app", &json!({}));
    let of_app = || server.admin().get("/api/v1/namespaces/app").body["metadata"].clone();
    until("labels and ranges", || {
        let metadata = of_app();
        metadata["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"
            && metadata["annotations"]["openshift.io/sa.scc.uid-range"].is_string()
    });
    controllers.until("ready", || controllers.ask("/readyz").starts_with("HTTP/1.1 200"));

    // The reports: what runs although its namespace would refuse it now.
    setting.namespace("old", &json!({"pod-security.kubernetes.io/enforce": "privileged"}));
    setting.until_pod("old", &pod("bad", false), |answer| answer.code == 201);
    let created = server.admin().post("/api/v1/namespaces/old/pods", &pod("bad", false));
    assert_eq!(created.code, 201, "{}", created.body);
    let baseline = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}});
    assert_eq!(server.admin().patch("/api/v1/namespaces/old", &baseline).code, 200);
    let result = || server.admin().get(REPORT).body["results"][0]["result"].clone();
    until("a report", || result() == "fail");
    reports.until("ready", || reports.ask("/readyz").starts_with("HTTP/1.1 200"));
    let events = || {
        let all = server.admin().get("/apis/events.k8s.io/v1/namespaces/old/events").body;
        all["items"].as_array().unwrap().iter().any(|event| event["reason"] == "ViolatesPodSecurity")
    };
    until("an event", events);

    // A waiver counts for the webhook and for the report.
    let refused = server.admin().post("/api/v1/namespaces/old/pods?dryRun=All", &pod("bad", false));
    assert_eq!(refused.code, 403, "{}", refused.body);
    server.create(&waiver());
    until("the report knows the waiver", || result() == "skip");
    setting.until_pod("old", &pod("bad", false), |answer| answer.code != 403);

    // What their accounts may not.
    let own = "ringfence-system";
    for (account, verb, resource, namespace) in [
        ("ringfence-controllers", "create", "namespaces", ""),
        ("ringfence-controllers", "list", "pods", ""),
        ("ringfence-controllers", "get", "secrets/ringfence-tls", own),
        ("ringfence-controllers", "patch", "configmaps/other", own),
        ("ringfence-controllers", "update", "leases.coordination.k8s.io/ringfence-reports", own),
        ("ringfence-controllers", "create", "leases.coordination.k8s.io", "app"),
        ("ringfence-reports", "patch", "namespaces/app", ""),
        ("ringfence-reports", "get", "secrets/ringfence-tls", own),
        ("ringfence-reports", "delete", "policyreports.wgpolicyk8s.io/other", "app"),
        ("ringfence-reports", "create", "waivers.ringfence.dev", "ringfence-waivers"),
        ("ringfence-reports", "list", "waivers.ringfence.dev", "app"),
        ("ringfence", "update", "waivers.ringfence.dev/old", "ringfence-waivers"),
    ] {
        let account = format!("system:serviceaccount:{own}:{account}");
        let args = ["auth", "can-i", verb, resource, "-n", namespace, "--as", &account];
        let (_, said) = kubectl(&setting.kubeconfig(), &args, "");
        assert!(said.trim_end().ends_with("no"), "{account} {verb} {resource}: {said}");
    }

    // Less is asked for: the rest goes, but what others wrote stays.
    let ran = setting.install(&["--scc", "yes", "--waivers"]).join().unwrap();
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    for gone in ["clusterroles.rbac.authorization.k8s.io/ringfence-reports", "serviceaccounts/ringfence-controllers"] {
        assert!(ran.out.contains(&format!("deleted {gone}\n")), "{gone}: {}", ran.out);
    }
    assert!(!ran.out.contains("deleted customresourcedefinitions"), "{}", ran.out);

    drop((controllers, reports));
    let ran = ringfence(["uninstall", "--kubeconfig", kubeconfig], "");
    assert_eq!((ran.code, &*ran.err), (0, ""), "{}", ran.out);
    drop(replica);
    let at = |path: &str| server.admin().get(path);
    assert_eq!(at("/apis/ringfence.dev/v1alpha1/namespaces/ringfence-waivers/waivers/old").code, 200, "waivers stay");
    let none = |path: &str| assert_eq!(at(path).body["items"], json!([]), "{path}");
    for path in [
        "/apis/coordination.k8s.io/v1/namespaces/ringfence-system/leases",
        "/api/v1/namespaces/ringfence-system/configmaps",
        "/api/v1/namespaces/ringfence-system/secrets",
        "/apis/wgpolicyk8s.io/v1alpha2/policyreports",
        "/apis/wgpolicyk8s.io/v1alpha2/clusterpolicyreports",
    ] {
        none(path);
    }
    let ran = ringfence(["uninstall", "--crds", "--kubeconfig", kubeconfig], "");
    assert_eq!((ran.code, &*ran.err), (0, ""), "{}", ran.out);
    let ours = "labelSelector=app.kubernetes.io/part-of=ringfence";
    for path in [
        "/api/v1/serviceaccounts",
        "/api/v1/services",
        "/apis/apps/v1/deployments",
        "/apis/policy/v1/poddisruptionbudgets",
        "/apis/networking.k8s.io/v1/networkpolicies",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        "/apis/rbac.authorization.k8s.io/v1/roles",
        "/apis/rbac.authorization.k8s.io/v1/rolebindings",
        "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
        "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    ] {
        none(&format!("{path}?{ours}"));
    }
    // Nobody finishes what is going away: there is no controller for that here.
    for path in [
        "/api/v1/namespaces/ringfence-system",
        "/api/v1/namespaces/ringfence-waivers",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/waivers.ringfence.dev",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/securitycontextconstraints.security.openshift.io",
    ] {
        let there = at(path);
        assert!(there.code == 404 || there.body["metadata"]["deletionTimestamp"].is_string(), "{path}");
    }
}
