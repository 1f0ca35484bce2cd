//! Refused pods of controllers are told of on what people know: the Deployment.

use serde_json::{Value, json};

use crate::setting::{Setting, pod, refused_by_us, until};

/// Creates an object under something that made it.
fn made(setting: &Setting, path: &str, mut object: Value, by: Option<&Value>) -> Value {
    if let Some(by) = by {
        object["metadata"]["ownerReferences"] = json!([{"apiVersion": by["apiVersion"], "kind": by["kind"],
            "name": by["metadata"]["name"], "uid": by["metadata"]["uid"], "controller": true}]);
    }
    let created = setting.server.admin().post(path, &object);
    assert_eq!(created.code, 201, "{}", created.body);
    created.body
}

#[test]
fn a_deployment_shows_why_its_pods_are_refused_and_what_to_write_instead() {
    let Some((setting, _replica)) = Setting::installed(&[], &["--events"]) else { return };
    setting.namespace("shop", &json!({"pod-security.kubernetes.io/enforce": "baseline"}));
    setting.until_pod("shop", &pod("p", false), refused_by_us);
    let selector = json!({"matchLabels": {"app": "web"}});
    let template = json!({"metadata": {"labels": {"app": "web"}}, "spec": pod("p", false)["spec"]});
    let workload = |kind: &str, name: &str| {
        json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name},
            "spec": {"selector": selector, "template": template}})
    };
    let apps = "/apis/apps/v1/namespaces/shop";
    let deployment = made(&setting, &format!("{apps}/deployments"), workload("Deployment", "web"), None);
    let set = made(&setting, &format!("{apps}/replicasets"), workload("ReplicaSet", "web-5d4"), Some(&deployment));
    let owner = |kind: &str, name: &str, uid: &Value| json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": true}]);
    let refused = |owners: &Value, query: &str| {
        let mut pod = pod("", false);
        pod["metadata"] = json!({"generateName": "web-5d4-", "ownerReferences": owners});
        let answer = setting.server.admin().post(&format!("/api/v1/namespaces/shop/pods{query}"), &pod);
        assert!(refused_by_us(&answer), "{}", answer.body);
    };
    let of_set = owner("ReplicaSet", "web-5d4", &set["metadata"]["uid"]);
    let events = || {
        let all = setting.server.admin().get("/apis/events.k8s.io/v1/namespaces/shop/events").body;
        let all = all["items"].as_array().unwrap().iter();
        all.filter(|event| event["reason"] == "PodRefused").cloned().collect::<Vec<_>>()
    };
    // What is only tried is told to nobody, neither is what somebody makes by hand; and of the rest once.
    refused(&of_set, "?dryRun=All");
    let by_hand = setting.server.admin().post("/api/v1/namespaces/shop/pods", &pod("by-hand", false));
    assert!(refused_by_us(&by_hand), "{}", by_hand.body);
    for _ in 0..3 {
        refused(&of_set, "");
    }
    // A replica set that is not what the pod says it is: its word alone is no Deployment's.
    refused(&owner("ReplicaSet", "web-5d4", &json!("another")), "");
    until("events", || events().len() == 2);
    let all = events();
    let event = all.iter().find(|event| event["regarding"]["kind"] == "Deployment").unwrap();
    assert_eq!(event["regarding"]["uid"], deployment["metadata"]["uid"]);
    assert_eq!((&event["related"]["name"], &event["type"]), (&json!("web-5d4"), &json!("Warning")));
    assert_eq!(
        event["note"],
        "pods are refused: violates PodSecurity \"baseline:latest\": host namespaces (hostPID=true); \
         spec.hostPID is true: hostPID: false"
    );
    let other = all.iter().find(|event| event["regarding"]["kind"] == "ReplicaSet").unwrap();
    assert_eq!((&other["regarding"]["uid"], &other["related"]), (&json!("another"), &Value::Null));
}
