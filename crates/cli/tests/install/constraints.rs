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
