//! The label synchroniser and the privileged namespaces.

use ringfence_testing::ApiServer;
use serde_json::{Value, json};

use crate::running::Running;
use crate::{account, annotation, constraint, eventually, get, kubectl, levels, modes, namespace, server};

const MANAGER: &str = "pod-security-admission-label-synchronization-controller";
const FORMER: &str = "cluster-policy-controller";
const CONTROL: &str = "security.openshift.io/scc.podSecurityLabelSync";
const SUFFICIENT: &str = "security.openshift.io/MinimallySufficientPodSecurityStandard";

/// Which pod-security labels and which annotations of the synchroniser each manager owns, by manager and operation.
fn owners(server: &ApiServer, name: &str) -> Vec<(String, Vec<String>)> {
    let namespace = get(server, name);
    let entries = namespace["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let of = |entry: &Value| {
        let metadata = &entry["fieldsV1"]["f:metadata"];
        let keys = ["f:labels", "f:annotations"].into_iter().filter_map(|field| metadata[field].as_object());
        let keys = keys.flat_map(|keys| keys.keys().cloned());
        let ours = |key: &String| key.contains("pod-security.kubernetes.io/") || key.contains("Minimally");
        let keys: Vec<String> = keys.filter(ours).map(|key| key[2..].to_owned()).collect();
        let who = format!("{} {}", entry["manager"].as_str().unwrap(), entry["operation"].as_str().unwrap());
        (!keys.is_empty()).then_some((who, keys))
    };
    let mut owners: Vec<_> = entries.iter().filter_map(of).collect();
    owners.sort();
    owners
}

fn with_account(server: &ApiServer, name: &str, labels: &Value) {
    server.create(&namespace(name, labels));
    server.create(&account(name, "default"));
}

/// A role binding that lets the namespace's default account use a constraint.
fn grant(namespace: &str, scc: &str) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": format!("use-{scc}"), "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": format!("use-{scc}")},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": namespace}]})
}

fn role(scc: &str) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": format!("use-{scc}")},
        "rules": [{"apiGroups": ["security.openshift.io"], "resources": ["securitycontextconstraints"],
            "verbs": ["use"], "resourceNames": [scc]}]})
}

#[test]
fn labels_follow_accounts_bindings_roles_and_constraints() {
    let Some(server) = server() else { return };
    let running = Running::start(&server, &[]);
    with_account(&server, "shop", &json!({}));
    let now = || levels(&server, "shop");
    eventually("restricted at first", &modes("restricted", "restricted"), now);
    assert_eq!(annotation(&server, "shop", SUFFICIENT).as_deref(), Some("restricted"));
    assert_eq!(get(&server, "shop")["metadata"]["labels"]["pod-security.kubernetes.io/warn-version"], "latest");
    let owned = owners(&server, "shop");
    assert_eq!(owned.len(), 1, "{owned:?}");
    assert_eq!((&*owned[0].0, owned[0].1.len()), (&*format!("{MANAGER} Apply"), 7));
    // A binding to a role that is still to come.
    server.create(&grant("shop", "anyuid"));
    server.create(&role("anyuid"));
    eventually("baseline by the role", &modes("baseline", "baseline"), now);
    // The constraint itself changes, then goes.
    let anyuid = "/apis/security.openshift.io/v1/securitycontextconstraints/anyuid";
    server.admin().patch(anyuid, &json!({"allowHostNetwork": true}));
    eventually("privileged by the constraint", &modes("privileged", "privileged"), now);
    assert_eq!(annotation(&server, "shop", SUFFICIENT).as_deref(), Some("privileged"));
    server.admin().delete(anyuid);
    eventually("restricted without it", &modes("restricted", "restricted"), now);
    // By the constraint's own list of users, and of groups.
    let binding = "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings/use-anyuid";
    assert_eq!(server.admin().delete(binding).code, 200);
    let users = json!({"users": ["system:serviceaccount:shop:default"], "runAsUser": {"type": "RunAsAny"}});
    server.create(&constraint("anyuid", &[], &users));
    eventually("baseline by name", &modes("baseline", "baseline"), now);
    server.admin().patch(anyuid, &json!({"users": [], "groups": ["system:serviceaccounts:other"]}));
    eventually("restricted, being of another namespace", &modes("restricted", "restricted"), now);
    // A binding for all service accounts of the cluster.
    server.create(&role("privileged"));
    server.create(
        &json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "all"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "use-privileged"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:serviceaccounts"}]}),
    );
    eventually("privileged for all", &modes("privileged", "privileged"), now);
    server.admin().delete("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/all");
    eventually("restricted again", &modes("restricted", "restricted"), now);
    assert!(running.ask("/metrics").contains("\nringfence_leader 1\n"), "{}", running.ask("/metrics"));
    assert!(running.ask("/readyz").ends_with("ok\n"));
}

#[test]
fn others_keep_the_labels_that_they_set_and_get_them_back() {
    let Some(server) = server() else { return };
    let running = Running::start(&server, &[]);
    let config = server.kubeconfig();
    let run = |args: &[&str]| {
        let ran = kubectl(&config, args)?;
        Some((ran.status.success(), String::from_utf8_lossy(&ran.stderr).into_owned()))
    };
    with_account(&server, "shop", &json!({}));
    let now = || levels(&server, "shop");
    eventually("restricted at first", &modes("restricted", "restricted"), now);
    // Server-side apply of another value is a conflict that names the owner.
    let manifest = server.folder().join("mine.json");
    let mine = json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "shop", "labels": {"pod-security.kubernetes.io/enforce": "baseline"}}});
    std::fs::write(&manifest, mine.to_string()).unwrap();
    let apply = ["apply", "--server-side", "--validate=false", "-f", manifest.to_str().unwrap()];
    let Some((ok, said)) = run(&apply) else { return };
    assert!(!ok && said.contains(MANAGER), "{said}");
    // By force it is theirs.
    assert!(
        run(&["apply", "--server-side", "--validate=false", "--force-conflicts", "-f", manifest.to_str().unwrap()])
            .unwrap()
            .0
    );
    eventually("theirs", &modes("baseline", "restricted"), now);
    // A change of level leaves it alone, and follows with the others.
    server.create(&role("privileged"));
    server.create(&grant("shop", "privileged"));
    eventually("the others follow", &modes("baseline", "privileged"), now);
    eventually("nobody is in the way", &Some("privileged".to_owned()), || annotation(&server, "shop", SUFFICIENT));
    let theirs = owners(&server, "shop").into_iter().find(|(who, _)| who == "kubectl Apply").unwrap();
    assert_eq!(theirs.1, ["pod-security.kubernetes.io/enforce"]);
    // They give it up: it is nobody's, and so the synchroniser's.
    let nothing = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    std::fs::write(&manifest, nothing.to_string()).unwrap();
    assert!(run(&apply).unwrap().0);
    eventually("handed back", &modes("privileged", "privileged"), now);
    assert_eq!(owners(&server, "shop").len(), 1, "{:?}", owners(&server, "shop"));
    // kubectl label takes a label, and with the control label everything is taken back by force.
    assert!(run(&["label", "--overwrite", "namespace", "shop", "pod-security.kubernetes.io/warn=baseline"]).unwrap().0);
    server.admin().delete("/apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings/use-privileged");
    let mut mixed = modes("restricted", "restricted");
    mixed.insert("warn".into(), "baseline".into());
    eventually("warn is theirs", &mixed, now);
    assert!(run(&["label", "namespace", "shop", &format!("{CONTROL}=true")]).unwrap().0);
    eventually("forced", &modes("restricted", "restricted"), now);
    // Left alone by its own wish, whatever comes.
    assert!(run(&["label", "--overwrite", "namespace", "shop", &format!("{CONTROL}=false")]).unwrap().0);
    assert!(
        run(&["label", "--overwrite", "namespace", "shop", "pod-security.kubernetes.io/enforce=privileged"]).unwrap().0
    );
    with_account(&server, "after", &json!({}));
    eventually("later ones are done", &modes("restricted", "restricted"), || levels(&server, "after"));
    assert_eq!(now(), modes("privileged", "restricted"));
    // The wish is taken back: what kubectl set is still kubectl's.
    assert!(run(&["label", "namespace", "shop", &format!("{CONTROL}-")]).unwrap().0);
    with_account(&server, "last", &json!({}));
    eventually("later ones are done", &modes("restricted", "restricted"), || levels(&server, "last"));
    assert_eq!(now(), modes("privileged", "restricted"));
    drop(running);
}

/// What upstream does to labels of its former name, in two writes.
fn upstream_takes_over(server: &ApiServer, name: &str) {
    let path = format!("/api/v1/namespaces/{name}");
    let mut whole = get(server, name);
    let labels = whole["metadata"]["labels"].as_object_mut().unwrap();
    let taken: serde_json::Map<String, Value> =
        labels.iter().filter(|(key, _)| key.starts_with("pod-security")).map(|(k, v)| (k.clone(), v.clone())).collect();
    labels.retain(|key, _| !key.starts_with("pod-security"));
    assert_eq!(server.admin().put(&format!("{path}?fieldManager={FORMER}"), &whole).code, 200);
    let ours = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": taken}});
    let applied = server.admin().apply(&format!("{path}?fieldManager={MANAGER}"), &ours);
    assert_eq!(applied.code, 200, "{applied:?}");
}

#[test]
fn labels_of_the_former_field_manager_are_taken_over_as_upstream_does_without_a_moment_without_them() {
    let Some(server) = server() else { return };
    for name in ["ours", "theirs"] {
        server.create(&namespace(name, &json!({})));
        let path = format!("/api/v1/namespaces/{name}?fieldManager={FORMER}");
        let labels = json!({"pod-security.kubernetes.io/enforce": "restricted",
            "pod-security.kubernetes.io/enforce-version": "latest", "team": "x"});
        assert_eq!(server.admin().patch(&path, &json!({"metadata": {"labels": labels}})).code, 200);
        // Somebody else has set one of them to the same.
        let other = json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
        let path = format!("/api/v1/namespaces/{name}?fieldManager=other");
        assert_eq!(server.admin().apply(&path, &other).code, 200);
        assert_eq!(owners(&server, name).len(), 2, "{:?}", owners(&server, name));
    }
    upstream_takes_over(&server, "theirs");
    let running = Running::start(&server, &["--controllers", "sync"]);
    // There is no service account and no range yet, so this is all that is done.
    running.until_said("took labels over from the former field manager", 1);
    assert_eq!(owners(&server, "ours"), owners(&server, "theirs"));
    assert_eq!(owners(&server, "ours")[0].0, format!("{MANAGER} Apply"));
    let labels = |name: &str| get(&server, name)["metadata"]["labels"]["team"].clone();
    assert_eq!((labels("ours"), levels(&server, "ours")), (json!("x"), levels(&server, "theirs")));
    // From here on it is an ordinary namespace.
    let range = json!({"metadata": {"annotations": {"openshift.io/sa.scc.uid-range": "1000/10"}}});
    server.admin().patch("/api/v1/namespaces/ours", &range);
    server.create(&account("ours", "default"));
    eventually("all labels", &modes("restricted", "restricted"), || levels(&server, "ours"));
    let owned = owners(&server, "ours");
    assert_eq!((owned.len(), owned[0].1.len()), (1, 7), "{owned:?}");
}

#[test]
fn the_privileged_namespaces_stay_so_and_the_platforms_own_are_left_alone() {
    let Some(server) = server() else { return };
    for name in ["openshift-monitoring", "openshift-mine", "openshift-asks"] {
        let asks = if name == "openshift-asks" { json!({CONTROL: "true"}) } else { json!({}) };
        with_account(&server, name, &asks);
    }
    let running = Running::start(&server, &[]);
    for name in ["default", "kube-system", "kube-public"] {
        eventually(name, &modes("privileged", "privileged"), || levels(&server, name));
        let path = format!("/api/v1/namespaces/{name}");
        server
            .admin()
            .patch(&path, &json!({"metadata": {"labels": {"pod-security.kubernetes.io/warn": "restricted"}}}));
        eventually(name, &modes("privileged", "privileged"), || levels(&server, name));
    }
    eventually("asked for", &modes("restricted", "restricted"), || levels(&server, "openshift-asks"));
    for name in ["openshift-monitoring", "openshift-mine", "kube-node-lease"] {
        assert!(levels(&server, name).is_empty(), "{name}: {:?}", levels(&server, name));
    }
    drop(running);
}

#[test]
fn a_dry_run_writes_nothing_and_says_what_it_would() {
    let Some(server) = server() else { return };
    with_account(&server, "shop", &json!({}));
    let range = json!({"metadata": {"annotations": {"openshift.io/sa.scc.uid-range": "1000000000/10000"}}});
    server.admin().patch("/api/v1/namespaces/shop", &range);
    server.create(&namespace("bare", &json!({})));
    let before = (get(&server, "shop"), get(&server, "bare"), get(&server, "default"));
    let mut running = Running::start(&server, &["--dry-run"]);
    let of = |controller: &str, namespace: &str| {
        running.out().into_iter().find(|l| l["controller"] == controller && l["namespace"] == namespace)
    };
    running.until("all lines are there", || {
        of("sync", "shop").is_some() && of("ranges", "bare").is_some() && of("privileged", "default").is_some()
    });
    let line = of("sync", "shop").unwrap();
    assert_eq!((&line["fieldManager"], &line["force"]), (&json!(MANAGER), &json!(false)));
    assert_eq!(line["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
    let range = of("ranges", "bare").unwrap()["annotations"]["openshift.io/sa.scc.uid-range"].clone();
    assert_ne!(range, "1000000000/10000");
    running.signal("TERM");
    assert_eq!(running.ended(), Some(0));
    assert_eq!((get(&server, "shop"), get(&server, "bare"), get(&server, "default")), before);
    let leases = server.admin().get("/apis/coordination.k8s.io/v1/namespaces/ringfence-system/leases").body;
    assert_eq!(leases["items"], json!([]));
    let record = server.admin().get("/api/v1/namespaces/ringfence-system/configmaps/ringfence-scc-uid");
    assert_eq!(record.code, 404);
}
