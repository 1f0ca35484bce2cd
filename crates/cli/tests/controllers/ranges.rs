//! The ranges of namespaces.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::running::Running;
use crate::{account, annotation, eventually, get, levels, modes, namespace, server};

const UID: &str = "openshift.io/sa.scc.uid-range";
const RECORD: &str = "/api/v1/namespaces/ringfence-system/configmaps/ringfence-scc-uid";

/// Everybody's range.
pub(crate) fn all(server: &ringfence_testing::ApiServer) -> Vec<String> {
    let list = server.admin().get("/api/v1/namespaces").body;
    let range = |namespace: &Value| namespace["metadata"]["annotations"][UID].as_str().map(str::to_owned);
    list["items"].as_array().unwrap().iter().filter_map(range).collect()
}

#[test]
fn namespaces_by_the_hundred_get_ranges_of_their_own_and_labels() {
    let Some(server) = server() else { return };
    let first = Running::start(&server, &[]);
    let second = Running::start(&server, &[]);
    for i in 0..100 {
        let name = format!("n{i}");
        server.create(&namespace(&name, &json!({})));
        server.create(&account(&name, "default"));
    }
    eventually("a range for each", &true, || all(&server).len() >= 100 + 5);
    let ranges = all(&server);
    let different: BTreeSet<&String> = ranges.iter().collect();
    assert_eq!(different.len(), ranges.len(), "{ranges:?}");
    assert!(ranges.iter().all(|range| range.starts_with('1') && range.ends_with("0000/10000")), "{ranges:?}");
    for i in 0..100 {
        eventually("labelled", &modes("restricted", "restricted"), || levels(&server, &format!("n{i}")));
    }
    let namespace = get(&server, "n7");
    let annotations = &namespace["metadata"]["annotations"];
    assert_eq!(annotations["openshift.io/sa.scc.supplemental-groups"], annotations[UID]);
    assert!(annotations["openshift.io/sa.scc.mcs"].as_str().unwrap().starts_with("s0:c"), "{annotations}");
    let entries = namespace["metadata"]["managedFields"].as_array().unwrap();
    let owner =
        entries.iter().find(|entry| entry["fieldsV1"]["f:metadata"]["f:annotations"][format!("f:{UID}")].is_object());
    let owner = owner.unwrap();
    assert_eq!((&owner["manager"], &owner["operation"]), (&json!("cluster-policy-controller"), &json!("Apply")));
    let leads = |running: &Running| running.ask("/metrics").contains("\nringfence_leader 1\n");
    assert!(leads(&first) != leads(&second), "one of them leads");

    // Each was told of, though not each in an event of its own.
    let told = || events(&server).iter().map(|event| event["count"].as_u64().unwrap()).sum::<u64>();
    eventually("all are told of in events", &true, || told() >= 100);
    let one = events(&server).into_iter().find(|event| event["count"] == 1).unwrap();
    assert_eq!((&one["type"], &one["involvedObject"]["name"]), (&json!("Normal"), &json!("ringfence-system")));
    let message = one["message"].as_str().unwrap();
    assert!(message.starts_with("created SCC ranges for ") && message.ends_with(" namespace"), "{message}");
}

/// The events about ranges.
fn events(server: &ringfence_testing::ApiServer) -> Vec<Value> {
    let list = server.admin().get("/api/v1/namespaces/ringfence-system/events").body;
    let all = list["items"].as_array().unwrap().iter().cloned();
    all.filter(|event| event["reason"] == "CreatedSCCRanges").collect()
}

#[test]
fn who_may_not_write_events_gives_ranges_all_the_same_and_says_so() {
    let Some(server) = server() else { return };
    let role = "/apis/rbac.authorization.k8s.io/v1/namespaces/ringfence-system/roles/ringfence-controllers";
    let mut rules = server.admin().get(role).body["rules"].clone();
    rules.as_array_mut().unwrap().retain(|rule| rule["resources"] != json!(["events"]));
    assert_eq!(server.admin().patch(role, &json!({"rules": rules})).code, 200);
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {
        "user": "system:serviceaccount:ringfence-system:ringfence-controllers",
        "resourceAttributes": {"namespace": "ringfence-system", "verb": "create", "resource": "events"}}});
    let reviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    server.until(|admin| admin.post(reviews, &review), |answer| answer.body["status"]["allowed"] == false);
    let running = Running::start(&server, &["--controllers", "ranges"]);
    for name in ["a", "b", "c"] {
        server.create(&namespace(name, &json!({})));
        eventually("a range", &true, || annotation(&server, name, UID).is_some());
    }
    running.until_said("cannot tell of ranges in an event", 2);
    let said = running.said("cannot tell of ranges in an event");
    let warned = said.iter().filter(|line| line["level"] == "warn").count();
    assert_eq!(warned, 1, "{said:?}");
    assert_eq!(events(&server), Vec::<Value>::new());
}

#[test]
fn where_the_platform_gives_ranges_nobody_else_does() {
    let Some(server) = server() else { return };
    let group = "security.internal.openshift.io";
    server.create(&json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("rangeallocations.{group}")},
        "spec": {"group": group, "scope": "Cluster",
            "names": {"kind": "RangeAllocation", "plural": "rangeallocations", "singular": "rangeallocation"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema":
                {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}}));
    let path = format!("/apis/{group}/v1/rangeallocations");
    eventually("the kind is there", &200, || server.admin().get(&path).code);
    let mut running = Running::start(&server, &[]);
    assert_eq!(running.ended(), Some(2));
    assert!(running.log().contains("leave `ranges` out of --controllers"), "{}", running.log());
    assert_eq!(all(&server), Vec::<String>::new());
}

#[test]
fn doubles_made_by_hand_are_told_and_what_is_there_is_never_given_again() {
    let Some(server) = server() else { return };
    let with = |name: &str, range: &str| {
        let mut object = namespace(name, &json!({}));
        object["metadata"]["annotations"] = json!({UID: range});
        server.create(&object);
    };
    with("a", "1000000000/10000");
    with("b", "1000000000/10000");
    with("c", "1000010000/10000");
    let mut running = Running::start(&server, &["--controllers", "ranges"]);
    running.until_said("two namespaces have one range of users; nothing was changed", 1);
    server.create(&namespace("d", &json!({})));
    eventually("a range", &true, || annotation(&server, "d", UID).is_some());
    let ranges = all(&server);
    let different: BTreeSet<&String> = ranges.iter().collect();
    assert_eq!(different.len() + 1, ranges.len(), "only those made by hand are double: {ranges:?}");
    assert_eq!(annotation(&server, "b", UID).as_deref(), Some("1000000000/10000"));
    assert!(running.ask("/metrics").contains("\nringfence_ranges_duplicates 1\n"));
    // The record is lost while nobody looks: it is made anew from the namespaces.
    running.signal("TERM");
    assert_eq!(running.ended(), Some(0));
    assert_eq!(server.admin().delete(RECORD).code, 200);
    let before = all(&server);
    let running = Running::start(&server, &["--controllers", "ranges"]);
    server.create(&namespace("e", &json!({})));
    eventually("a range", &true, || annotation(&server, "e", UID).is_some());
    assert!(!before.contains(&annotation(&server, "e", UID).unwrap()));
    // And once more, while it runs.
    assert_eq!(server.admin().delete(RECORD).code, 200);
    let before = all(&server);
    server.create(&namespace("f", &json!({})));
    eventually("a range", &true, || annotation(&server, "f", UID).is_some());
    assert!(!before.contains(&annotation(&server, "f", UID).unwrap()));
    drop(running);
}
