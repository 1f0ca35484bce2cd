//! Leaders: who leads is judged by how long somebody has not been heard of, not by what the times in a lease say.

use std::time::Duration;

use serde_json::json;

use crate::api::Api;
use crate::machine::{DAY, HOUR, YEAR, settable};
use crate::namespace;
use crate::program::{Program, until};

const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/default/leases/ringfence-controllers";
/// Longer than a busy machine may take for a renewal.
const DURATION: u64 = 20;

fn replica(api: &Api) -> Program {
    let duration = DURATION.to_string();
    let arguments =
        ["sync", "--watch", "--controllers", "privileged", "--lease-duration", &duration, "--renew-deadline", "15"];
    Program::start(&api.kubeconfig(&json!({})), &arguments)
}

/// The level of a namespace that is always privileged, which only a leader sets.
fn is_labelled(api: &Api, name: &str) -> bool {
    let namespace = api.get(&format!("/api/v1/namespaces/{name}")).unwrap();
    namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"
}

#[test]
fn a_jump_neither_costs_the_lease_nor_gives_it_away_before_its_time() {
    let Some(clock) = settable() else { return };
    let api = Api::start(&[namespace("default", "restricted")]);
    let mut first = replica(&api);
    first.until_said("leading", 1);
    let mut second = replica(&api);
    second.until_said("the cluster is known", 1);
    for (to, name) in
        [(10 * YEAR, "kube-public"), (-10 * YEAR, "kube-system"), (DAY - clock.right(), "default"), (0, "default")]
    {
        clock.ahead(to);
        // It is renewed with the new time, and the leader writes.
        let renewed = api.renewals().len();
        until("renews", || (api.renewals().len() >= renewed + 2).then_some(()));
        api.put(&namespace(name, "restricted"));
        until("labels", || is_labelled(&api, name).then_some(()));
        assert!(second.said("leading").is_empty(), "{}", second.log());
    }
    let lease = api.get(LEASE).unwrap();
    assert_eq!((&lease["spec"]["leaseTransitions"], first.said("leading").len()), (&json!(0), 1), "{lease}");
    // With the leader gone the clock jumps, which is no reason to take over sooner, or never.
    first.kill();
    let (last, holder) = api.renewals().last().unwrap().clone();
    let taken = || api.renewals().into_iter().find(|(at, by)| *at > last && *by != holder).map(|(at, _)| at);
    clock.ahead(HOUR);
    while last.elapsed() < Duration::from_secs(DURATION / 2) {
        assert_eq!(taken(), None, "{}", second.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    clock.ahead(-YEAR);
    let waited = until("takes over", taken) - last;
    assert!(waited >= Duration::from_secs(DURATION), "after {waited:?}");
}
