//! The page of a small cluster, without a server or a browser.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use ringfence_admission::admit::Pipeline;
use ringfence_admission::cluster::Snapshot;
use ringfence_admission::pod_security::{PodSecurity, PodSecurityConfiguration};
use ringfence_ui::{About, Address, Answer, Ui, Whole};
use serde_json::{Value, json};
use std::sync::Arc;

fn snapshot(objects: Vec<Value>) -> Arc<Snapshot> {
    Arc::new(Snapshot::of("test", objects))
}

fn namespace(name: &str, labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

fn pod(namespace: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": spec})
}

fn ui(pod_security: PodSecurity) -> Ui {
    let about = About { version: "0", source: "A test".to_owned(), is_watched: true };
    Ui::new(about, pod_security)
}

fn ask(ui: &Ui, cluster: &Arc<Snapshot>, address: &str) -> Answer {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let address = Address::read(path, Some(query)).unwrap();
    let pipeline = Pipeline::new(Arc::clone(cluster), PodSecurity::default());
    ui.answer(&address, cluster, &pipeline, &Whole::Gone, None)
}

fn json_of(ui: &Ui, cluster: &Arc<Snapshot>, address: &str) -> Value {
    let answer = ask(ui, cluster, address);
    assert!(answer.is_json);
    serde_json::from_str(&answer.body).unwrap()
}

fn cluster() -> Arc<Snapshot> {
    let plain = json!({"containers": [{"name": "c", "image": "i"}]});
    let host = json!({"hostPID": true, "containers": [{"name": "c", "image": "i"}]});
    snapshot(vec![
        namespace("a", &json!({"pod-security.kubernetes.io/enforce": "restricted"})),
        namespace("b", &json!({})),
        namespace("c", &json!({})),
        pod("a", "plain", &plain),
        pod("b", "plain", &plain),
        pod("b", "host", &host),
    ])
}

#[test]
fn counts_of_the_overview_add_up_and_lead_to_lists_as_long() {
    let (ui, cluster) = (ui(PodSecurity::default()), cluster());
    let overview = json_of(&ui, &cluster, "/ui/api/");
    assert_eq!((&overview["namespaces"], &overview["pods"]), (&json!(3), &json!(3)));
    let mut sum = 0;
    for cell in overview["levels"].as_array().unwrap() {
        let (level, satisfies) = (cell["enforced"].as_str().unwrap(), cell["satisfied"].as_str().unwrap());
        let list = json_of(&ui, &cluster, &format!("/ui/api/namespaces?level={level}&satisfies={satisfies}"));
        assert_eq!(list["total"], cell["namespaces"], "{level} {satisfies}");
        sum += cell["namespaces"].as_u64().unwrap();
    }
    assert_eq!(sum, 3);
    for state in overview["states"].as_array().unwrap() {
        let list = json_of(&ui, &cluster, &format!("/ui/api/namespaces?state={}", state[0].as_str().unwrap()));
        assert_eq!(list["total"], state[1], "{state}");
    }
    assert_eq!(overview["states"][1], json!(["violating", 1]));
}

#[test]
fn rows_that_are_counted_are_the_rows_that_are_found() {
    let (ui, cluster) = (ui(PodSecurity::default()), cluster());
    for level in ["baseline", "restricted"] {
        let counted = json_of(&ui, &cluster, &format!("/ui/api/workloads?break={level}"));
        let names =
            ["a", "b"].map(|part| json_of(&ui, &cluster, &format!("/ui/api/workloads?break={level}&namespace={part}")));
        let rows: usize = names.iter().map(|list| list["workloads"].as_array().unwrap().len()).sum();
        assert_eq!(counted["total"], rows, "{level}");
        assert_eq!(counted["workloads"].as_array().unwrap().len(), rows, "{level}");
    }
    let sought = json_of(&ui, &cluster, "/ui/api/workloads?break=restricted&q=HOST");
    assert_eq!(sought["workloads"][0]["example"], "host");
    assert_eq!((&sought["total"], &sought["pods"], &sought["namespaces"]), (&json!(1), &json!(1), &json!(1)));
}

#[test]
fn what_is_exempt_breaks_nothing_and_is_said_to_be() {
    let mut configuration = PodSecurityConfiguration::default();
    configuration.exemptions.namespaces = vec!["b".to_owned()];
    let (ui, cluster) = (ui(PodSecurity::new(configuration).unwrap()), cluster());
    let broken = json_of(&ui, &cluster, "/ui/api/workloads?break=baseline");
    assert_eq!(broken["total"], 0);
    let answer = ask(&ui, &cluster, "/ui/namespaces/b");
    assert!(answer.body.contains("exempts this namespace"), "{}", answer.body);
}

#[test]
fn a_pod_that_is_not_to_be_had_whole_is_shown_from_what_is_kept_and_that_is_said() {
    let (ui, cluster) = (ui(PodSecurity::default()), cluster());
    let answer = ask(&ui, &cluster, "/ui/pods/b/host");
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("what is kept of it"), "{}", answer.body);
    assert!(answer.body.contains("spec.hostPID"), "{}", answer.body);
    assert_eq!(json_of(&ui, &cluster, "/ui/api/pods/b/host")["whole"], false);
    assert_eq!(ask(&ui, &cluster, "/ui/pods/b/gone").status, 404);
    assert_eq!(ask(&ui, &cluster, "/ui/pods/gone/host").status, 404);
}

#[test]
fn whatever_names_hold_is_escaped() {
    let name = "<script>\"'&";
    let host = json!({"hostPID": true, "containers": [{"name": name, "image": name}]});
    let cluster =
        snapshot(vec![namespace(name, &json!({"pod-security.kubernetes.io/enforce": name})), pod(name, name, &host)]);
    let ui = ui(PodSecurity::default());
    let encoded = "%3Cscript%3E%22%27%26";
    for address in [
        "/ui/".to_owned(),
        "/ui/namespaces".to_owned(),
        format!("/ui/namespaces?q={encoded}"),
        format!("/ui/namespaces/{encoded}"),
        format!("/ui/namespaces/{encoded}%3Cscript%3E"),
        "/ui/workloads".to_owned(),
        format!("/ui/workloads?q={encoded}&namespace={encoded}"),
        "/ui/pods".to_owned(),
        format!("/ui/pods?q={encoded}&namespace={encoded}&after={encoded}/a"),
        format!("/ui/pods/{encoded}/{encoded}"),
        format!("/ui/search?q={encoded}"),
    ] {
        let body = ask(&ui, &cluster, &address).body;
        // The page's own script is the only one, and names end no attribute.
        assert_eq!(body.matches("<script").count(), 1, "{address}: {body}");
        assert!(!body.contains(name) && !body.contains("\"'&"), "{address}: {body}");
    }
}

#[test]
fn pods_are_paged_by_where_the_last_page_ended() {
    let plain = json!({"containers": [{"name": "c", "image": "i"}]});
    let mut objects = vec![namespace("a", &json!({})), namespace("b", &json!({}))];
    objects.extend((0..150).map(|i| pod(if i % 2 == 0 { "a" } else { "b" }, &format!("p-{i:03}"), &plain)));
    let (ui, cluster) = (ui(PodSecurity::default()), snapshot(objects));
    let first = json_of(&ui, &cluster, "/ui/api/pods");
    assert_eq!(first["pods"].as_array().unwrap().len(), 100);
    let next = first["next"].as_str().unwrap();
    let second = json_of(&ui, &cluster, &format!("/ui/api/pods?after={next}"));
    assert_eq!((second["pods"].as_array().unwrap().len(), &second["next"]), (50, &Value::Null));
    let mut names: Vec<String> = [&first, &second]
        .iter()
        .flat_map(|page| page["pods"].as_array().unwrap())
        .map(|pod| pod["name"].to_string())
        .collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 150);
}
