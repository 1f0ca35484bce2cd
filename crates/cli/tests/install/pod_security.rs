//! From the installation over every day's requests to the end.

use serde_json::json;

use crate::common::ringfence;
use crate::setting::{GROUPS, SECRET, Setting, VALIDATING, kubectl, pod, refused_by_us};

#[test]
fn what_is_installed_refuses_warns_and_goes_again() {
    let Some(setting) = Setting::start() else { return };
    let server = &setting.server;
    let installing = setting.install(&[]);
    let replica = setting.replica(&[]);
    let ran = installing.join().unwrap();
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let steps: Vec<&str> = ran.out.lines().collect();
    assert_eq!(steps[0], "created namespaces/ringfence-system");
    let configuration = "validatingwebhookconfigurations.admissionregistration.k8s.io/ringfence";
    // At first nothing depends on it, and when it is believed, everything does.
    assert_eq!(steps[steps.len() - 2..], [format!("created {configuration}"), format!("changed {configuration}")]);
    assert_eq!(server.admin().get(VALIDATING).body["webhooks"][0]["failurePolicy"], "Fail");
    let replica = replica.ready();

    // Again: nothing is left to do.
    let again = setting.install(&[]).join().unwrap();
    assert_eq!(again.code, 0, "{}", again.err);
    assert!(again.out.lines().all(|line| line.starts_with("unchanged ")), "{}", again.out);
    let dry = setting.install(&["--dry-run=server", "--failure-policy", "Ignore"]).join().unwrap();
    assert_eq!(
        dry.out.lines().filter(|line| line.starts_with("changed ")).collect::<Vec<_>>(),
        [format!("changed {configuration} (dry run)")]
    );

    // Every day. kubectl validates with what not every API server has at once.
    let kubeconfig = setting.kubeconfig();
    setting.namespace(
        "shop",
        &json!({"pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/warn": "restricted"}),
    );
    setting.until_pod("shop", &pod("p", false), refused_by_us);
    let created = server.admin().post("/api/v1/namespaces/shop/pods", &pod("good", true));
    assert_eq!((created.code, &*created.warnings), (201, &[][..]), "{}", created.body);
    let container = json!({"name": "c", "image": "i"});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "shop"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container]}}}});
    let (done, said) = kubectl(&kubeconfig, &["apply", "--validate=false", "-f", "-"], &deployment.to_string());
    assert!(
        done && said
            .starts_with("Warning: would violate PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false"),
        "{said}"
    );
    let (done, said) =
        kubectl(&kubeconfig, &["create", "--validate=false", "-f", "-", "-n", "shop"], &pod("bad", false).to_string());
    assert!(
        !done && said.contains("violates PodSecurity \"baseline:latest\": host namespaces (hostPID=true)"),
        "{said}"
    );
    let weak =
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "weak"}, "spec": {"containers": [container]}});
    assert_eq!(server.admin().post("/api/v1/namespaces/shop/pods", &weak).code, 201);
    let (done, said) = kubectl(
        &kubeconfig,
        &["label", "namespace", "shop", "--overwrite", "pod-security.kubernetes.io/enforce=restricted"],
        "",
    );
    let words =
        "Warning: existing pods in namespace \"shop\" violate the new PodSecurity enforce level \"restricted:latest\"";
    assert!(
        done && said.contains(words) && said.contains("Warning: weak: allowPrivilegeEscalation != false"),
        "{said}"
    );
    let (done, said) = kubectl(
        &kubeconfig,
        &["label", "namespace", "shop", "--overwrite", "pod-security.kubernetes.io/enforce=restrict"],
        "",
    );
    assert!(!done && said.contains("must be one of privileged, baseline, restricted"), "{said}");

    // What a server may not: read other Secrets, or change other configurations.
    let account = "system:serviceaccount:ringfence-system:ringfence";
    for (verb, resource, namespace) in [
        ("get", "secrets/other", "ringfence-system"),
        ("create", "secrets", "ringfence-system"),
        ("list", "secrets", "shop"),
        ("get", "secrets/ringfence-tls", "shop"),
        ("patch", "validatingwebhookconfigurations/other", ""),
        ("create", "pods", "shop"),
        ("get", "configmaps", "ringfence-system"),
    ] {
        let (_, said) = kubectl(&kubeconfig, &["auth", "can-i", verb, resource, "-n", namespace, "--as", account], "");
        assert!(said.trim_end().ends_with("no"), "{verb} {resource}: {said}");
    }

    // Nobody answers: new pods are refused, but the cluster can recover.
    let mut ending = pod("ending", true);
    ending["metadata"]["finalizers"] = json!(["example.com/wait"]);
    assert_eq!(server.admin().post("/api/v1/namespaces/shop/pods", &ending).code, 201);
    server.admin().delete("/api/v1/namespaces/shop/pods/ending?gracePeriodSeconds=0");
    drop(replica);
    setting.until_pod("shop", &pod("p", true), |answer| {
        answer.code == 500 && answer.body["message"].to_string().contains("failed calling webhook")
    });
    let finished =
        server.admin().patch("/api/v1/namespaces/shop/pods/ending", &json!({"metadata": {"finalizers": null}}));
    assert_eq!(finished.code, 200, "{}", finished.body);
    assert_eq!(server.admin().get("/api/v1/namespaces/shop/pods/ending").code, 404);
    let own = server.admin().post_as("mallory", &GROUPS, "/api/v1/namespaces/ringfence-system/pods?dryRun=All", &{
        let mut own = pod("own", true);
        own["spec"]["serviceAccountName"] = "ringfence".into();
        own
    });
    assert_eq!(own.code, 201, "{}", own.body);

    let ran = ringfence(["uninstall", "--kubeconfig", kubeconfig.to_str().unwrap()], "");
    assert_eq!((ran.code, &*ran.err), (0, ""), "{}", ran.out);
    let steps: Vec<&str> = ran.out.lines().collect();
    assert_eq!(steps[0], format!("deleted {configuration}"));
    assert_eq!(steps[steps.len() - 1], "deleted namespaces/ringfence-system");
    setting.until_pod("shop", &pod("p", true), |answer| answer.code == 201);
    assert_eq!(server.admin().get(VALIDATING).code, 404);
    assert_eq!(server.admin().get(SECRET).code, 404);
    for kind in ["clusterroles", "clusterrolebindings"] {
        assert_eq!(server.admin().get(&format!("/apis/rbac.authorization.k8s.io/v1/{kind}/ringfence")).code, 404);
    }
}

#[test]
fn what_others_manage_is_left_alone() {
    let Some(setting) = Setting::start() else { return };
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "rules": [],
        "metadata": {"name": "ringfence", "labels": {"app.kubernetes.io/managed-by": "Helm"}}});
    setting.server.create(&role);
    let ran = setting.install(&[]).join().unwrap();
    assert_eq!((ran.code, &*ran.out), (2, ""), "{}", ran.err);
    assert!(ran.err.contains("clusterroles.rbac.authorization.k8s.io/ringfence is managed by Helm"), "{}", ran.err);
    let dry = setting.install(&["--dry-run=server", "--namespace", "new"]).join().unwrap();
    assert_eq!(dry.code, 2, "{}", dry.out);
    let ran = ringfence(["uninstall", "--kubeconfig", setting.kubeconfig().to_str().unwrap()], "");
    assert_eq!((ran.code, &*ran.out), (2, ""), "{}", ran.err);
    assert!(
        ran.err.contains("clusterroles.rbac.authorization.k8s.io/ringfence is not ours and stays: Helm manages it"),
        "{}",
        ran.err
    );
    assert_eq!(setting.server.admin().get("/apis/rbac.authorization.k8s.io/v1/clusterroles/ringfence").code, 200);
}
