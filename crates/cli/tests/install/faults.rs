//! An API server that restarts and forgets, and replicas that die: nothing is admitted that should not be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use ringfence_testing::Client;
use serde_json::json;

use crate::setting::{Setting, pod, refused_by_us, until};

#[test]
fn an_api_server_that_restarts_and_forgets_is_followed_again() {
    let Some((setting, replica)) = Setting::installed(&[], &[]) else { return };
    setting.namespace("before", &json!({"pod-security.kubernetes.io/enforce": "baseline"}));
    setting.namespace("shop", &json!({}));
    setting.until_pod("before", &pod("p", false), refused_by_us);
    // It sees nothing of what follows, and its watches cannot be taken up again from where they were.
    replica.signal("STOP");
    let label = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    // The webhook is asked about namespaces, too, and does not answer.
    let refused = setting.server.admin().patch("/api/v1/namespaces/shop", &label);
    assert_eq!(refused.code, 500, "{}", refused.body);
    let mut system = setting.server.admin().get(crate::setting::VALIDATING).body;
    let hooks = system["webhooks"].clone();
    for hook in system["webhooks"].as_array_mut().unwrap() {
        hook["failurePolicy"] = "Ignore".into();
        hook["timeoutSeconds"] = 1.into();
    }
    assert_eq!(setting.server.admin().put(crate::setting::VALIDATING, &system).code, 200);
    setting.server.until(|admin| admin.patch("/api/v1/namespaces/shop", &label), |answer| answer.code == 200);
    setting.server.compact();
    setting.server.stop();
    setting.server.start_again();
    setting.server.compact();
    assert_eq!(setting.server.admin().patch(crate::setting::VALIDATING, &json!({"webhooks": hooks})).code, 200);
    replica.signal("CONT");
    setting.until_pod("shop", &pod("p", false), refused_by_us);
    setting.until_pod("before", &pod("p", false), refused_by_us);
    // And what comes after that.
    setting.server.until(
        |admin| {
            admin.patch(
                "/api/v1/namespaces/before",
                &json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}),
            )
        },
        |answer| answer.code == 200,
    );
    setting.until_pod("before", &pod("p", false), |answer| answer.code == 201);
}

#[test]
fn a_replica_that_is_killed_under_load_costs_no_wrong_admission() {
    const CLIENTS: usize = 4;
    const KILLED: usize = 3;
    let Some((setting, mut one)) = Setting::installed(&[], &[]) else { return };
    let _other = setting.replica(&[]).ready();
    setting.namespace("shop", &json!({"pod-security.kubernetes.io/enforce": "baseline"}));
    setting.until_pod("shop", &pod("p", false), refused_by_us);
    let (ended, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|i| {
            let (kubeconfig, ended, asked) = (setting.kubeconfig(), Arc::clone(&ended), Arc::clone(&asked));
            std::thread::spawn(move || {
                let client = Client::new(&kubeconfig);
                let (mut unanswered, mut wrong) = (0, Vec::new());
                while !ended.load(Relaxed) {
                    let is_good = asked.fetch_add(1, Relaxed) % 2 == 0;
                    let answer =
                        client.post("/api/v1/namespaces/shop/pods?dryRun=All", &pod(&format!("p{i}"), is_good));
                    match answer.code {
                        201 if is_good => {}
                        403 if !is_good && refused_by_us(&answer) => {}
                        // What was under way when the replica died is refused, good or bad.
                        500 if answer.body["message"].to_string().contains("failed calling webhook") => unanswered += 1,
                        _ => wrong.push(format!("{} {}", answer.code, answer.body["message"])),
                    }
                }
                (unanswered, wrong)
            })
        })
        .collect();
    let more = |number: usize| {
        let from = asked.load(Relaxed);
        until("requests are answered", || asked.load(Relaxed) > from + number);
    };
    for _ in 0..KILLED {
        more(50);
        let address = one.address;
        one.signal("KILL");
        setting.balancer.remove(address);
        drop(one);
        more(50);
        one = setting.replica(&[]).ready();
    }
    more(50);
    ended.store(true, Relaxed);
    let mut unanswered = 0;
    for client in clients {
        let (own, wrong) = client.join().unwrap();
        assert_eq!(wrong, Vec::<String>::new());
        unanswered += own;
    }
    println!("{} requests, {KILLED} replicas killed, {unanswered} unanswered", asked.load(Relaxed));
    // Each client has no more than one request under way when a connection dies.
    assert!(unanswered <= KILLED * CLIENTS, "{unanswered}");
    drop(one);
}
