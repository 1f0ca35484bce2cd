//! Waivers: the one thing that goes by the clock.

use std::net::SocketAddr;

use jiff::Timestamp;
use serde_json::json;

use crate::api::Api;
use crate::client::connect;
use crate::machine::{DAY, YEAR, settable};
use crate::namespace;
use crate::program::{Program, until};

const REPORT: &str = "/apis/wgpolicyk8s.io/v1alpha2/namespaces/shop/policyreports/ringfence";

/// A cluster with a privileged pod in a namespace of level baseline, which is waived until then.
pub(crate) fn waived(until: i64) -> Api {
    let container = json!({"name": "a", "image": "x", "securityContext": {"privileged": true}});
    let (made, expires) = (Timestamp::now(), Timestamp::from_second(until).unwrap());
    Api::start(&[
        namespace("shop", "baseline"),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "shop"},
            "spec": {"containers": [container]}}),
        json!({"apiVersion": "ringfence.dev/v1alpha1", "kind": "Waiver",
            "metadata": {"name": "w", "namespace": "waivers", "creationTimestamp": made.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()},
            "spec": {"namespaces": ["shop"], "workload": {"every": true}, "containers": ["*"], "controls": ["privileged"],
                "expires": expires.to_string(), "owner": "o", "reason": "r"}}),
    ])
}

fn serve(api: &Api, at: &std::path::Path) -> (Program, SocketAddr, String) {
    let authority = crate::certificates::issue(at, 4000);
    let (server, address) = crate::certificates::serve(api, at, &["--waivers-from", "waivers"]);
    until("is ready", || (connect(address, &authority).ok()?.get("/readyz").ok()?.trim() == "ok").then_some(()));
    (server, address, authority)
}

#[test]
fn a_waiver_ends_with_its_time_and_a_clock_that_is_set_back_revives_none() {
    let Some(clock) = settable() else { return };
    let api = waived(clock.right() + DAY);
    let at = tempfile::tempdir().unwrap();
    let (_server, address, authority) = serve(&api, at.path());
    let mut connection = connect(address, &authority).unwrap();
    let mut is_waived = || connection.ask("shop", true).unwrap()["allowed"] == true;
    assert!(is_waived());
    clock.ahead(2 * DAY);
    assert!(!is_waived(), "it has expired");
    let metrics = connect(address, &authority).unwrap().get("/metrics").unwrap();
    assert!(metrics.contains("ringfence_waivers{state=\"expired\"} 1"), "{metrics}");
    // What was told before is not told again without being looked at: the clock is put right.
    clock.ahead(0);
    assert!(is_waived());
    clock.ahead(-YEAR);
    assert!(is_waived());
    // One that began after its end does not follow the clock back.
    clock.ahead(2 * DAY);
    let (_later, address, authority) = serve(&api, at.path());
    let mut connection = connect(address, &authority).unwrap();
    assert_eq!(connection.ask("shop", true).unwrap()["allowed"], false);
    for back in [0, -YEAR] {
        clock.ahead(back);
        assert_eq!(connection.ask("shop", true).unwrap()["allowed"], false);
    }
}

#[test]
fn a_report_says_that_a_waiver_has_ended() {
    let Some(clock) = settable() else { return };
    let api = waived(clock.right() + DAY);
    let arguments = ["report", "--watch", "--waivers-from", "waivers", "--no-leader-election"];
    let _reports = Program::start(&api.kubeconfig(&json!({})), &arguments);
    let comes_to = |result: &str| {
        until(result, || (api.get(REPORT)?["summary"][result].as_u64()? == 1).then_some(()));
    };
    comes_to("skip");
    clock.ahead(2 * DAY);
    comes_to("fail");
    clock.ahead(0);
    comes_to("skip");
}
