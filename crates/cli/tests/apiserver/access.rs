//! Whoever may not do everything, or does not get through at all.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use ringfence_testing::{ApiServer, Authority, Flavour, Who};
use serde_json::{Value, json};

use crate::common::Ran;
use crate::{account, binding, documents, namespace, pod, with};

static SERVER: LazyLock<Option<ApiServer>> = LazyLock::new(|| {
    let server = ApiServer::start(Flavour::Kubernetes)?;
    let restricted = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    server.create_all(&[
        namespace("shop", &restricted),
        namespace("other", &restricted),
        account("shop", "default"),
        account("other", "default"),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "look", "namespace": "shop"},
            "rules": [{"apiGroups": ["", "apps", "batch", "rbac.authorization.k8s.io"], "resources": ["*"], "verbs": ["get", "list"]}]}),
        binding("look", Some("shop"), ("Role", "look"), "local"),
    ]);
    server.create(&pod("shop", "runs", &json!({"containers": [good()]})));
    Some(server)
});

fn good() -> Value {
    json!({"name": "c", "image": "i", "securityContext": {"allowPrivilegeEscalation": false, "runAsNonRoot": true,
        "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}}})
}

fn pods(namespaces: &[&str]) -> String {
    let bad = json!({"containers": [{"name": "c", "image": "i"}]});
    documents(&namespaces.iter().map(|namespace| pod(namespace, "p", &bad)).collect::<Vec<_>>())
}

fn check(kubeconfig: &Path, pods: &str) -> Ran {
    with(kubeconfig, &["check", "-o", "jsonl", "-"], pods)
}

#[test]
fn whoever_may_nothing_is_told_what_is_missing_and_what_would_grant_it() {
    let Some(server) = &*SERVER else { return };
    let kubeconfig = server.kubeconfig_of("nobody", Who::User("no body"));
    let ran = check(&kubeconfig, &pods(&["shop"]));
    assert_eq!(ran.code, 2);
    for words in [
        "may not list namespaces: namespaces \"shop\" is forbidden: User \"no body\" cannot get resource \"namespaces\" in API group \"\" in the namespace \"shop\"",
        "may not list serviceaccounts: serviceaccounts is forbidden: User \"no body\" cannot list resource \"serviceaccounts\" in API group \"\" in the namespace \"shop\"",
        "an administrator grants it with: kubectl create clusterrole ringfence --verb=get,list --resource=namespaces,serviceaccounts",
        "--user='no body'",
    ] {
        assert!(ran.err.contains(words), "{words}\n{}", ran.err);
    }
}

#[test]
fn what_the_advice_grants_is_enough() {
    let Some(server) = &*SERVER else { return };
    let kubeconfig = server.kubeconfig_of("asker", Who::User("asker"));
    let before = check(&kubeconfig, &pods(&["shop"]));
    let advice = before.err.lines().find_map(|line| line.split_once("grants it with: ")).unwrap().1.to_owned();
    let assets = std::env::var_os("KUBEBUILDER_ASSETS").unwrap();
    if !Path::new(&assets).join("kubectl").is_file() {
        println!("skipped: there is no kubectl to grant it with");
        return;
    }
    let granted = Command::new("/bin/sh")
        .args(["-c", &advice])
        .env("PATH", assets)
        .env("KUBECONFIG", server.kubeconfig())
        .output();
    let granted = granted.unwrap();
    assert!(granted.status.success(), "{}", String::from_utf8_lossy(&granted.stderr));
    let after = check(&kubeconfig, &pods(&["shop"]));
    let admin = check(&server.kubeconfig(), &pods(&["shop"]));
    assert_eq!((after.code, after.out, after.err), (1, admin.out, String::new()));
}

#[test]
fn whoever_may_look_into_one_namespace_gets_answers_for_it() {
    let Some(server) = &*SERVER else { return };
    let kubeconfig = server.kubeconfig_of("local", Who::User("local"));
    let (ran, admin) = (check(&kubeconfig, &pods(&["shop"])), check(&server.kubeconfig(), &pods(&["shop"])));
    assert_eq!((ran.code, &ran.out), (1, &admin.out), "{}", ran.err);
    let told = "namespaces, serviceaccounts may not be listed everywhere: asked for those of shop only";
    assert!(ran.err.contains(told), "{}", ran.err);
    // What they may not see is missed, and said to be.
    let ran = check(&kubeconfig, &pods(&["shop", "other"]));
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("in the namespace \"other\""), "{}", ran.err);
}

#[test]
fn simulations_and_snapshots_keep_to_the_namespaces_that_are_named() {
    let Some(server) = &*SERVER else { return };
    let kubeconfig = server.kubeconfig_of("local-too", Who::User("local"));
    let ran = with(&kubeconfig, &["simulate", "--set-label", "enforce=privileged", "-n", "shop", "-o", "json"], "");
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("pods, podtemplates, replicationcontrollers, "), "{}", ran.err);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(report["namespaces"]["shop"]["pods"]["enforce"]["fine"], 1);
    let ran = with(&kubeconfig, &["snapshot", "-n", "shop", "-o", "json"], "");
    assert!(ran.out.contains("\"runs\"") && !ran.out.contains("\"other\""), "{}", ran.out);
    assert_eq!(ran.code, 2, "cluster roles are missed: {}", ran.err);
    assert!(ran.err.contains("may not list clusterroles.rbac.authorization.k8s.io: "), "{}", ran.err);
    // Without a name there is nowhere to look.
    let ran = with(&kubeconfig, &["simulate", "--set-label", "enforce=privileged"], "");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("cannot list resource \"pods\" in API group \"\" at the cluster scope"), "{}", ran.err);
}

#[test]
fn the_context_says_in_which_namespace_objects_are_that_name_none() {
    let Some(server) = &*SERVER else { return };
    let mut config: Value = serde_json::from_slice(&fs::read(server.kubeconfig()).unwrap()).unwrap();
    config["contexts"][0]["context"]["namespace"] = "shop".into();
    let kubeconfig = server.folder().join("in-shop.kubeconfig");
    fs::write(&kubeconfig, config.to_string()).unwrap();
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: i}]}}";
    let ran = check(&kubeconfig, pod);
    assert!(ran.code == 1 && ran.out.contains("violates PodSecurity"), "{} {}", ran.out, ran.err);
    let ran = with(&server.kubeconfig(), &["check", "-n", "shop", "-o", "jsonl", "-"], pod);
    assert!(ran.code == 1 && ran.out.contains("violates PodSecurity"), "{} {}", ran.out, ran.err);
}

#[test]
fn credentials_that_are_over_or_unknown_are_the_end() {
    let Some(server) = &*SERVER else { return };
    let (good, over) = (server.token("shop", "default", false), server.token("shop", "default", true));
    let kubeconfigs = [
        server.kubeconfig_of("expired-certificate", Who::Expired("late")),
        server.kubeconfig_of("expired-token", Who::Token(&over)),
        server.kubeconfig_of("no-token", Who::Token("nothing")),
    ];
    for kubeconfig in kubeconfigs {
        for args in [&["check", "-"][..], &["snapshot", "-o", "json"], &["simulate", "--set-label", "enforce=baseline"]]
        {
            let ran = with(&kubeconfig, args, &pods(&["shop"]));
            let expected = format!("error: {} does not accept the credentials: Unauthorized\n", server.url());
            assert_eq!((ran.code, &*ran.err), (2, &*expected), "{args:?}");
        }
    }
    // The same account with a token that is not over is known, and may nothing.
    let ran = check(&server.kubeconfig_of("good-token", Who::Token(&good)), &pods(&["shop"]));
    assert!(ran.err.contains("User \"system:serviceaccount:shop:default\" cannot"), "{}", ran.err);
    assert!(ran.err.contains("--serviceaccount=shop:default"), "{}", ran.err);
}

#[test]
fn a_credential_plug_in_is_asked_and_its_failure_told() {
    let Some(server) = &*SERVER else { return };
    let token = server.token("shop", "default", false);
    let credential =
        json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": token}});
    let file = server.folder().join("credential.json");
    fs::write(&file, credential.to_string()).unwrap();
    let plug_in = |command: &str, args: &[&str]| {
        json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": command, "args": args,
            "interactiveMode": "Never"}})
    };
    let kubeconfig = server.write_kubeconfig("plug-in", &plug_in("cat", &[file.to_str().unwrap()]));
    let ran = check(&kubeconfig, &pods(&["shop"]));
    assert!(ran.err.contains("User \"system:serviceaccount:shop:default\" cannot"), "{}", ran.err);
    let over = |command: &str, message: &str| {
        format!(
            "error: cannot set up the connection to {}: the credential plug-in \"{command}\" {message}\n",
            server.url()
        )
    };
    for (name, command, args, message) in [
        ("absent", "/nowhere", &[][..], "cannot be started: No such file or directory (os error 2)"),
        ("failing", "sh", &["-c", "echo secret; echo no >&2; exit 3"], "failed with exit status: 3: no"),
    ] {
        let ran = check(&server.write_kubeconfig(name, &plug_in(command, args)), &pods(&["shop"]));
        assert_eq!((ran.code, &*ran.out, ran.err), (2, "", over(command, message)));
    }
}

#[test]
fn a_server_that_cannot_be_believed_or_reached_is_not_asked() {
    let Some(server) = &*SERVER else { return };
    let other = Authority::new("somebody else");
    let ran = check(&server.kubeconfig_with_authority("fooled", &other), &pods(&["shop"]));
    assert_eq!((ran.code, &*ran.out), (2, ""));
    assert!(
        ran.err.contains(&format!("cannot reach {}: ", server.url())) && ran.err.contains("certificate"),
        "{}",
        ran.err
    );
    let mut config: Value = serde_json::from_slice(&fs::read(server.kubeconfig()).unwrap()).unwrap();
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1".into();
    let kubeconfig = server.folder().join("gone.kubeconfig");
    fs::write(&kubeconfig, config.to_string()).unwrap();
    let ran = check(&kubeconfig, &pods(&["shop"]));
    assert_eq!((ran.code, &*ran.out), (2, ""));
    assert!(ran.err.starts_with("error: cannot reach https://127.0.0.1:1: "), "{}", ran.err);
}
