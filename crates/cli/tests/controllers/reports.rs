//! `ringfence report --watch`, with the rights that `deploy/rbac/reports.yaml` grants.

use ringfence_testing::{ApiServer, Flavour};
use serde_json::{Value, json};

use crate::running::Running;
use crate::{account, apply, eventually, namespace, policy_reports};

const CLUSTER: &str = "/apis/wgpolicyk8s.io/v1alpha2/clusterpolicyreports/ringfence";
const LEVEL: &str = "pod-security.kubernetes.io/enforce";

fn with_rights() -> Option<ApiServer> {
    let server = ApiServer::start(Flavour::Kubernetes)?;
    server.create(&namespace("ringfence-system", &json!({})));
    apply(&server, "deploy/rbac/reports.yaml");
    Some(server)
}

/// A namespace with a pod that it would not admit any more.
fn shop(server: &ApiServer, name: &str) {
    server.create_all(&[namespace(name, &json!({})), account(name, "default")]);
    server.create(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": name},
        "spec": {"hostPID": true, "containers": [{"name": "c", "image": "i"}]}}));
    label(server, name, "baseline");
}

fn label(server: &ApiServer, name: &str, level: &str) {
    let change = json!({"metadata": {"labels": {LEVEL: level}}});
    assert_eq!(server.admin().patch(&format!("/api/v1/namespaces/{name}"), &change).code, 200);
}

fn path(namespace: &str) -> String {
    format!("/apis/wgpolicyk8s.io/v1alpha2/namespaces/{namespace}/policyreports/ringfence")
}

/// The rule and result of each result, or nothing where there is no report.
fn results(server: &ApiServer, namespace: &str) -> Vec<(String, String)> {
    let report = server.admin().get(&path(namespace)).body;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    report["results"].as_array().into_iter().flatten().map(|r| (text(&r["rule"]), text(&r["result"]))).collect()
}

fn one(rule: &str, result: &str) -> Vec<(String, String)> {
    vec![(rule.to_owned(), result.to_owned())]
}

fn events(server: &ApiServer, namespace: &str) -> usize {
    let all = server.admin().get(&format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events")).body;
    all["items"].as_array().unwrap().iter().filter(|event| event["reason"] == "ViolatesPodSecurity").count()
}

#[test]
fn reports_follow_pods_labels_and_whoever_changes_them_and_go_with_the_last_pod() {
    let Some(server) = with_rights() else { return };
    shop(&server, "one");
    let mut running = Running::reports(&server, &["--events"]);
    // Without the kinds it is alive, not ready, and takes up its work when they come.
    running.until("asked which kinds there are", || running.ask("/readyz").contains("does not know PolicyReports"));
    assert!(running.ask("/livez").starts_with("HTTP/1.1 200"));
    policy_reports::define(&server);
    let fails = one("hostNamespaces", "fail");
    eventually("a report", &fails, || results(&server, "one"));
    eventually("an event", &1, || events(&server, "one"));
    eventually("ready", &true, || running.ask("/readyz").starts_with("HTTP/1.1 200"));
    shop(&server, "two");
    eventually("another", &fails, || results(&server, "two"));
    eventually("of the cluster", &json!(2), || server.admin().get(CLUSTER).body["summary"]["fail"].clone());

    // Somebody meddles with one and deletes another.
    let meddled = server.admin().patch(&path("one"), &json!({"results": [], "summary": {"fail": 0}}));
    assert_eq!(meddled.code, 200);
    eventually("put right", &fails, || results(&server, "one"));
    assert_eq!(server.admin().delete(&path("two")).code, 200);
    eventually("made again", &fails, || results(&server, "two"));

    label(&server, "one", "privileged");
    eventually("nothing is wrong", &one("", "pass"), || results(&server, "one"));
    assert_eq!(server.admin().delete("/api/v1/namespaces/two/pods/web?gracePeriodSeconds=0").code, 200);
    eventually("gone", &404, || server.admin().get(&path("two")).code);
    eventually("of the cluster", &json!(0), || server.admin().get(CLUSTER).body["summary"]["fail"].clone());
    assert_eq!(events(&server, "one"), 1, "an event is told once");
    let metrics = running.ask("/metrics");
    for line in [
        "ringfence_leader 1",
        "ringfence_report_results{result=\"fail\"} 0",
        "ringfence_pods 1",
        "ringfence_report_events_total 2",
    ] {
        assert!(metrics.contains(&format!("\n{line}\n")), "{line}: {metrics}");
    }
    running.signal("TERM");
    assert_eq!(running.ended(), Some(0), "{}", running.log());
    assert_eq!(running.said("the lease is given back").len(), 1);
}

#[test]
fn reports_go_on_after_watches_expired_and_after_their_leader_died() {
    let Some(server) = with_rights() else { return };
    policy_reports::define(&server);
    shop(&server, "one");
    let fails = one("hostNamespaces", "fail");
    let mut first = Running::reports(&server, &[]);
    eventually("a report", &fails, || results(&server, "one"));
    let listed = first.said("listed").len();

    // What happens while nobody can be told, and is forgotten before anybody asks again.
    first.signal("STOP");
    shop(&server, "two");
    assert_eq!(server.admin().delete("/api/v1/namespaces/one/pods/web?gracePeriodSeconds=0").code, 200);
    server.compact();
    server.stop();
    server.start_again();
    server.compact();
    first.signal("CONT");
    eventually("made", &fails, || results(&server, "two"));
    eventually("gone", &404, || server.admin().get(&path("one")).code);
    assert!(first.said("listed").len() > listed, "{}", first.log());

    let second = Running::reports(&server, &[]);
    second.until_said("the cluster is known", 1);
    first.signal("KILL");
    assert_eq!(first.ended(), None);
    shop(&server, "three");
    eventually("by the other", &fails, || results(&server, "three"));
    eventually("of the cluster", &json!(2), || server.admin().get(CLUSTER).body["summary"]["fail"].clone());
    assert_eq!(second.said("leading").len(), 1, "{}", second.log());
}

#[test]
fn reports_are_written_once_with_the_rights_of_those_that_are_kept_in_step() {
    let Some(server) = with_rights() else { return };
    policy_reports::define(&server);
    shop(&server, "one");
    let token = server.token("ringfence-system", "ringfence-reports", false);
    let kubeconfig = server.kubeconfig_of("reports", ringfence_testing::Who::Token(&token));
    let run = || {
        let args = ["report", "--apply", "--events", "--kubeconfig", kubeconfig.to_str().unwrap()];
        crate::common::ringfence(args, "")
    };
    // Rights are known a moment after they were given.
    eventually("written", &1, || run().code);
    assert_eq!(results(&server, "one"), one("hostNamespaces", "fail"));
    assert_eq!(events(&server, "one"), 1);
    let gone = server.admin().delete("/api/v1/namespaces/one/pods/web?gracePeriodSeconds=0");
    assert_eq!(gone.code, 200, "{}", gone.body);
    let ran = run();
    assert!(ran.code == 0 && ran.err.contains("1 removed"), "{}", ran.err);
    assert_eq!(server.admin().get(&path("one")).code, 404);
}
