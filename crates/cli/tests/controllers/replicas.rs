//! Two replicas of which one goes, and an API server that goes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::ranges::all;
use crate::running::Running;
use crate::{account, constraint, eventually, levels, modes, namespace, server};

const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/ringfence-system/leases/ringfence-controllers";

fn shop(server: &ringfence_testing::ApiServer, name: &str) {
    server.create(&namespace(name, &json!({})));
    server.create(&account(name, "default"));
}

fn labelled(server: &ringfence_testing::ApiServer, name: &str) {
    eventually(name, &modes("restricted", "restricted"), || levels(server, name));
}

/// When it wrote something, as the log says.
fn writes(running: &Running) -> Vec<String> {
    let times = |message| running.said(message).into_iter().map(|line| line["time"].as_str().unwrap().to_owned());
    times("labelled").chain(times("gave ranges")).collect()
}

fn time(line: &Value) -> String {
    line["time"].as_str().unwrap().to_owned()
}

#[test]
fn when_the_leader_is_killed_the_other_takes_over_and_no_two_write_at_once() {
    let Some(server) = server() else { return };
    let mut first = Running::start(&server, &[]);
    first.until_said("leading", 1);
    let second = Running::start(&server, &[]);
    shop(&server, "one");
    labelled(&server, "one");
    assert!(second.said("leading").is_empty());
    first.signal("KILL");
    assert_eq!(first.ended(), None);
    shop(&server, "two");
    labelled(&server, "two");
    let took_over = time(&second.said("leading")[0]);
    assert!(!writes(&first).is_empty() && writes(&first).iter().all(|at| *at < took_over), "{}", first.log());
    assert!(writes(&second).iter().all(|at| *at > took_over), "{}", second.log());
    let lease = server.admin().get(LEASE).body;
    assert_eq!(lease["spec"]["leaseTransitions"], 1, "{lease}");
    let ranges = all(&server);
    assert_eq!(ranges.iter().collect::<BTreeSet<_>>().len(), ranges.len(), "{ranges:?}");
}

#[test]
fn a_leader_that_slept_through_its_lease_writes_nothing_when_it_wakes() {
    let Some(server) = server() else { return };
    let first = Running::start(&server, &[]);
    first.until_said("leading", 1);
    let second = Running::start(&server, &[]);
    shop(&server, "one");
    labelled(&server, "one");
    first.signal("STOP");
    shop(&server, "two");
    labelled(&server, "two");
    let before = writes(&first).len();
    first.signal("CONT");
    first.until_said("the lease is lost: nothing is written any more", 1);
    shop(&server, "three");
    labelled(&server, "three");
    assert_eq!(writes(&first).len(), before, "{}", first.log());
    assert!(!writes(&second).is_empty());
    let ranges = all(&server);
    assert_eq!(ranges.iter().collect::<BTreeSet<_>>().len(), ranges.len(), "{ranges:?}");
}

#[test]
fn a_leader_that_is_told_to_end_gives_the_lease_back() {
    let Some(server) = server() else { return };
    // Nobody could take over in time without being given the lease.
    let long = ["--lease-duration", "3600", "--renew-deadline", "1800"];
    let mut first = Running::start(&server, &long);
    first.until_said("leading", 1);
    let second = Running::start(&server, &long);
    shop(&server, "one");
    labelled(&server, "one");
    first.signal("TERM");
    assert_eq!(first.ended(), Some(0), "{}", first.log());
    assert_eq!(first.said("the lease is given back").len(), 1, "{}", first.log());
    second.until_said("leading", 1);
    shop(&server, "two");
    labelled(&server, "two");
}

#[test]
fn an_api_server_that_comes_back_is_followed_on() {
    let Some(server) = server() else { return };
    let mut running = Running::start(&server, &[]);
    shop(&server, "one");
    labelled(&server, "one");
    server.stop();
    running.until_said("the lease is lost: nothing is written any more", 1);
    server.start_again();
    running.until_said("leading", 2);
    shop(&server, "two");
    labelled(&server, "two");
    let ranges = all(&server);
    assert_eq!(ranges.iter().collect::<BTreeSet<_>>().len(), ranges.len(), "{ranges:?}");
    running.signal("TERM");
    assert_eq!(running.ended(), Some(0), "{}", running.log());
}

#[test]
fn watches_that_expired_while_nobody_looked_are_begun_anew() {
    let Some(server) = server() else { return };
    let running = Running::start(&server, &[]);
    shop(&server, "one");
    labelled(&server, "one");
    let listed = running.said("listed").len();
    running.signal("STOP");
    shop(&server, "two");
    assert_eq!(server.admin().delete("/apis/security.openshift.io/v1/securitycontextconstraints/strict").code, 200);
    server.create(&constraint("strict", &["system:authenticated"], &json!({"runAsUser": {"type": "RunAsAny"}})));
    // No watch can be taken up again from where it was.
    server.compact();
    server.stop();
    server.start_again();
    server.compact();
    running.signal("CONT");
    for name in ["one", "two"] {
        eventually(name, &modes("baseline", "baseline"), || levels(&server, name));
    }
    running.until_said("listed", listed + 1);
    let ranges = all(&server);
    assert_eq!(ranges.iter().collect::<BTreeSet<_>>().len(), ranges.len(), "{ranges:?}");
}
