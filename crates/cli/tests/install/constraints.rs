//! Security context constraints on a Kubernetes that has none.

use serde_json::json;

use crate::common::ringfence;
use crate::setting::{MUTATING, Setting};

#[test]
fn constraints_fill_in_and_refuse_on_plain_kubernetes() {
    let Some((setting, _replica)) = Setting::installed(&["--scc", "yes"], &[]) else { return };
    let server = &setting.server;
    let hooks = server.admin().get(MUTATING).body["webhooks"].clone();
    assert_eq!(hooks[0]["name"], "scc.ringfence.github.io");
    assert!(hooks[0]["clientConfig"]["caBundle"].is_string());
    setting.namespace("app", &json!({}));
    let annotations = json!({"openshift.io/sa.scc.uid-range": "1000680000/10000",
        "openshift.io/sa.scc.supplemental-groups": "1000680000/10000", "openshift.io/sa.scc.mcs": "s0:c26,c10"});
    assert_eq!(
        server.admin().patch("/api/v1/namespaces/app", &json!({"metadata": {"annotations": annotations}})).code,
        200
    );
    server.create(&json!({"apiVersion": "security.openshift.io/v1", "kind": "SecurityContextConstraints",
        "metadata": {"name": "mine"}, "groups": ["system:authenticated"], "allowPrivilegedContainer": false, "allowHostDirVolumePlugin": false,
        "allowHostIPC": false, "allowHostNetwork": false, "allowHostPID": false, "allowHostPorts": false, "readOnlyRootFilesystem": false,
        "requiredDropCapabilities": ["KILL"], "runAsUser": {"type": "MustRunAsRange"}, "seLinuxContext": {"type": "MustRunAs"},
        "fsGroup": {"type": "MustRunAs"}, "supplementalGroups": {"type": "RunAsAny"}, "volumes": ["*"]}));
    // A user without the right to every constraint.
    let edit = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "pods"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}]});
    let bound = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "pods"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "pods"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "mallory"}]});
    server.create_all(&[edit, bound]);

    let plain = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let path = "/api/v1/namespaces/app/pods?dryRun=All";
    let ask = |pod: &serde_json::Value| server.admin().post_as("mallory", &["system:authenticated"], path, pod);
    server.until(
        |_| ask(&plain),
        |answer| answer.code == 201 && answer.body["metadata"]["annotations"]["openshift.io/scc"] == "mine",
    );
    let stored = ask(&plain).body;
    let context = &stored["spec"]["containers"][0]["securityContext"];
    assert_eq!(
        context,
        &json!({"runAsUser": 1_000_680_000, "runAsNonRoot": true, "capabilities": {"drop": ["KILL"]}}),
        "{stored}"
    );
    assert_eq!(
        stored["spec"]["securityContext"],
        json!({"fsGroup": 1_000_680_000, "seLinuxOptions": {"level": "s0:c26,c10"}})
    );
    let mut privileged = plain.clone();
    privileged["spec"]["containers"][0]["securityContext"] = json!({"privileged": true});
    let refused = ask(&privileged);
    let message = refused.body["message"].as_str().unwrap();
    assert!(
        refused.code == 403 && message.contains("unable to validate against any security context constraint"),
        "{message}"
    );

    // The definition stays, with what it defines, unless it is asked for.
    let kubeconfig = setting.kubeconfig();
    let ran = ringfence(["uninstall", "--kubeconfig", kubeconfig.to_str().unwrap()], "");
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(server.admin().get(MUTATING).code, 404);
    assert_eq!(server.admin().get("/apis/security.openshift.io/v1/securitycontextconstraints/mine").code, 200);
    let ran = ringfence(["uninstall", "--crds", "--kubeconfig", kubeconfig.to_str().unwrap()], "");
    let gone =
        "deleted customresourcedefinitions.apiextensions.k8s.io/securitycontextconstraints.security.openshift.io";
    assert!(ran.code == 0 && ran.out.contains(gone), "{}{}", ran.out, ran.err);
}

#[test]
fn who_enters_a_pod_or_adds_a_container_to_it_needs_a_constraint_for_it() {
    let Some((setting, _replica)) = Setting::installed(&["--scc", "yes"], &[]) else { return };
    let server = &setting.server;
    setting.namespace("app", &json!({}));
    let annotations = json!({"openshift.io/sa.scc.uid-range": "1000680000/10000",
        "openshift.io/sa.scc.supplemental-groups": "1000680000/10000", "openshift.io/sa.scc.mcs": "s0:c26,c10"});
    let annotated = json!({"metadata": {"annotations": annotations}});
    assert_eq!(server.admin().patch("/api/v1/namespaces/app", &annotated).code, 200);
    let constraint = |name: &str, groups: &[&str], privileged: bool, user: &str| {
        json!({"apiVersion": "security.openshift.io/v1", "kind": "SecurityContextConstraints", "metadata": {"name": name},
            "groups": groups, "allowPrivilegedContainer": privileged, "allowHostDirVolumePlugin": false,
            "allowHostIPC": false, "allowHostNetwork": false, "allowHostPID": false, "allowHostPorts": false,
            "readOnlyRootFilesystem": false, "runAsUser": {"type": user}, "seLinuxContext": {"type": "MustRunAs"},
            "fsGroup": {"type": "MustRunAs"}, "supplementalGroups": {"type": "RunAsAny"}, "volumes": ["*"]})
    };
    server.create(&constraint("mine", &["system:authenticated"], false, "MustRunAsRange"));
    server.create(&constraint("privileged", &["system:masters"], true, "RunAsAny"));
    let rules = json!([{"apiGroups": [""], "resources": ["pods", "pods/exec", "pods/attach"], "verbs": ["create", "get"]},
        {"apiGroups": [""], "resources": ["pods/ephemeralcontainers"], "verbs": ["get", "update", "patch"]}]);
    let enter = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "enter"},
        "rules": rules});
    let bound = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "enter"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "enter"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "mallory"}]});
    server.create_all(&[enter, bound]);
    let pod = |name: &str, privileged: bool| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [
            {"name": "c", "image": "i", "securityContext": {"privileged": privileged}}]}})
    };
    for (name, privileged) in [("plain", false), ("strong", true)] {
        setting.until_pod("app", &pod(name, privileged), |answer| answer.code == 201);
        let created = server.admin().post("/api/v1/namespaces/app/pods", &pod(name, privileged));
        assert_eq!(created.code, 201, "{}", created.body);
    }
    let said = |answer: &ringfence_testing::Answer| answer.body["message"].as_str().unwrap_or_default().to_owned();
    for part in ["exec", "attach"] {
        let path = |pod: &str| format!("/api/v1/namespaces/app/pods/{pod}/{part}?command=id&container=c&stdout=true");
        let enter = |pod: &str| server.admin().post_as("mallory", &["system:authenticated"], &path(pod), &json!({}));
        // There is no node to enter it on, which is what an API server says once all have agreed.
        server.until(|_| enter("plain"), |answer| answer.code == 400 && said(answer).contains("does not have a host"));
        let refused = enter("strong");
        let words =
            format!("{part} operation is not allowed because the pod's security context exceeds your permissions");
        assert!(refused.code == 403 && said(&refused).contains(&words), "{}", said(&refused));
        // Who may use a constraint that allows it may enter.
        let masters = server.admin().post(&path("strong"), &json!({}));
        assert!(masters.code == 400 && said(&masters).contains("does not have a host"), "{}", said(&masters));
    }
    let debugger = |privileged: bool| json!({"spec": {"ephemeralContainers": [{"name": "d", "image": "i", "securityContext": {"privileged": privileged}}]}});
    let (kubeconfig, args) =
        (setting.kubeconfig(), ["patch", "pod", "plain", "-n", "app", "--subresource=ephemeralcontainers"]);
    let patch = |privileged: bool| {
        let patch = debugger(privileged).to_string();
        let more = ["--dry-run=server", "--as=mallory", "--as-group=system:authenticated", "-p", &patch];
        crate::setting::kubectl(&kubeconfig, &[&args[..], &more].concat(), "")
    };
    let (done, words) = patch(true);
    assert!(!done && words.contains("scc.ringfence.github.io") && words.contains("privileged"), "{words}");
    let (done, words) = patch(false);
    assert!(done, "{words}");
}
