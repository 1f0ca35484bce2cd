//! Certificates of the servers' own: shared, renewed while requests run, and put back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::setting::{SECRET, Setting, VALIDATING, pod, refused_by_us, until};

fn bundles(setting: &Setting) -> Vec<Value> {
    let hooks = setting.server.admin().get(VALIDATING).body["webhooks"].clone();
    hooks.as_array().unwrap().iter().map(|hook| hook["clientConfig"]["caBundle"].clone()).collect()
}

#[test]
fn what_is_overwritten_or_emptied_is_put_back() {
    let Some((setting, first)) = Setting::installed(&[], &[]) else { return };
    let server = &setting.server;
    // A second one takes what the first has made.
    let made = server.admin().get(SECRET).body["data"].clone();
    let second = setting.replica(&[]).ready();
    assert_eq!(server.admin().get(SECRET).body["data"], made);
    let good = bundles(&setting);
    assert!(good.iter().all(|bundle| *bundle == made["ca.crt"]), "{good:?}");

    let hooks = server.admin().get(VALIDATING).body["webhooks"].clone();
    for garbage in [
        Value::Null,
        "".into(),
        hooks[0]["clientConfig"]["caBundle"].as_str().unwrap()[..0].into(),
        "Z2FyYmFnZQ==".into(),
    ] {
        let mut vandalised = hooks.clone();
        for hook in vandalised.as_array_mut().unwrap() {
            hook["clientConfig"]["caBundle"] = garbage.clone();
        }
        // The API server itself refuses what is no certificate.
        let code = server.admin().patch(VALIDATING, &json!({"webhooks": vandalised})).code;
        assert!(matches!(code, 200 | 422), "{code}");
        until("the bundle is put back", || bundles(&setting) == good);
    }
    for data in [json!(null), json!({"tls.key": "Z2FyYmFnZQ=="}), json!({"ca.crt": null, "authority.key": null})] {
        assert_eq!(server.admin().patch(SECRET, &json!({"data": data})).code, 200);
        until("the Secret is put back", || server.admin().get(SECRET).body["data"] == made);
    }
    assert_eq!(bundles(&setting), good);
    drop(first);
    setting.namespace("shop", &json!({"pod-security.kubernetes.io/enforce": "baseline"}));
    setting.until_pod("shop", &pod("p", false), refused_by_us);
    drop(second);
}

#[test]
fn two_that_start_at_once_agree() {
    let Some(setting) = Setting::start() else { return };
    let installing = setting.install(&[]);
    let replicas: Vec<_> = (0..3).map(|_| setting.replica(&[])).collect();
    assert_eq!(installing.join().unwrap().code, 0);
    let _replicas: Vec<_> = replicas.into_iter().map(crate::replica::Replica::ready).collect();
    let made = setting.server.admin().get(SECRET).body;
    // Whoever lost looks again and takes what is there; nobody writes twice.
    let writers = made["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!(writers.iter().filter(|entry| entry["manager"] == "ringfence-serve").count(), 1);
    until("all are told of one authority", || bundles(&setting).iter().all(|bundle| *bundle == made["data"]["ca.crt"]));
    setting.namespace("shop", &json!({"pod-security.kubernetes.io/enforce": "baseline"}));
    for _ in 0..10 {
        setting.until_pod("shop", &pod("p", false), refused_by_us);
    }
}

#[test]
fn authorities_and_certificates_are_renewed_while_requests_run() {
    let Some((setting, _one)) = Setting::installed(&[], &["--certificate-lifetime", "12s"]) else { return };
    let _other = setting.replica(&["--certificate-lifetime", "12s"]).ready();
    setting.namespace("shop", &json!({"pod-security.kubernetes.io/enforce": "baseline"}));
    setting.until_pod("shop", &pod("p", false), refused_by_us);
    let first = setting.server.admin().get(SECRET).body["data"].clone();
    let ended = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..3)
        .map(|i| {
            let (kubeconfig, ended) = (setting.kubeconfig(), Arc::clone(&ended));
            std::thread::spawn(move || {
                let client = ringfence_testing::Client::new(&kubeconfig);
                let (mut asked, mut wrong) = (0, Vec::new());
                while !ended.load(Relaxed) {
                    let is_good = asked % 2 == 0;
                    let answer =
                        client.post("/api/v1/namespaces/shop/pods?dryRun=All", &pod(&format!("p{i}"), is_good));
                    if if is_good { answer.code != 201 } else { !refused_by_us(&answer) } {
                        wrong.push(format!("{} {}", answer.code, answer.body["message"]));
                    }
                    asked += 1;
                }
                (asked, wrong)
            })
        })
        .collect();
    // The authority is exchanged once, and the first one forgotten at its end: after four lifetimes.
    let begun = Instant::now();
    let mut certificates = std::collections::BTreeSet::new();
    loop {
        let data = setting.server.admin().get(SECRET).body["data"].clone();
        certificates.insert(data["tls.crt"].to_string());
        let is_exchanged = data["authority.crt"] != first["authority.crt"];
        if is_exchanged
            && data["ca.crt"].as_str().unwrap().len() <= first["ca.crt"].as_str().unwrap().len() + 8
            && certificates.len() > 3
        {
            break;
        }
        assert!(
            begun.elapsed() < Duration::from_mins(3),
            "{} certificates, exchanged: {is_exchanged}",
            certificates.len()
        );
        std::thread::sleep(Duration::from_millis(200));
    }
    ended.store(true, Relaxed);
    let mut asked = 0;
    for client in clients {
        let (own, wrong) = client.join().unwrap();
        assert_eq!(wrong, Vec::<String>::new(), "of {own}");
        asked += own;
    }
    println!("{asked} requests, {} certificates in {:?}", certificates.len(), begun.elapsed());
}
