//! Certificates: those that somebody exchanges, those that the server makes for itself, and a token that is exchanged.

use std::net::SocketAddr;
use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use serde_json::{Value, json};

use crate::api::Api;
use crate::client::{ask_in_the_clear, connect, connect_ahead};
use crate::machine::{DAY, HOUR, YEAR, settable};
use crate::namespace;
use crate::program::{Program, until};

const SECRET: &str = "/api/v1/namespaces/ringfence-system/secrets/ringfence-tls";
const HOOKS: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/ringfence";

/// Writes a certificate for the loopback that counts from 1970 until the end of that year, and its key. Returns the
/// certificate.
pub(crate) fn issue(at: &Path, until: i32) -> String {
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(1970, 1, 1), date_time_ymd(until, 12, 31));
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    std::fs::write(at.join("tls.key"), key.serialize_pem()).unwrap();
    std::fs::write(at.join("tls.crt"), &pem).unwrap();
    pem
}

/// The server with the certificate and key of that directory.
pub(crate) fn serve(api: &Api, at: &Path, more: &[&str]) -> (Program, SocketAddr) {
    let files = [at.join("tls.crt"), at.join("tls.key")].map(|path| path.to_str().unwrap().to_owned());
    let arguments = [&["--tls-cert", &files[0], "--tls-key", &files[1]], more].concat();
    Program::serve(&api.kubeconfig(&json!({})), &arguments)
}

/// A cluster with an empty Secret and a webhook that leads to the loopback.
fn installed() -> Api {
    let hook = json!({"name": "pods.ringfence.dev", "clientConfig": {"url": "https://127.0.0.1:8443/validate"}});
    Api::start(&[
        namespace("shop", "baseline"),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "ringfence-tls", "namespace": "ringfence-system"}}),
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "ringfence"}, "webhooks": [hook]}),
    ])
}

const SELF_SIGNED: [&str; 5] =
    ["--self-signed", "--certificate-name", "127.0.0.1", "--webhook-configuration", "ringfence"];

fn bundle(api: &Api) -> Option<String> {
    let hooks = api.get(HOOKS).unwrap();
    let encoded = hooks["webhooks"][0]["clientConfig"]["caBundle"].as_str()?.to_owned();
    Some(String::from_utf8(BASE64_STANDARD.decode(encoded).unwrap()).unwrap())
}

fn time(line: &Value, field: &str) -> Timestamp {
    Timestamp::from_second(line[field].as_i64().unwrap()).unwrap()
}

#[test]
fn certificates_are_made_for_the_clock_of_the_api_server_and_replicas_do_not_quarrel() {
    let api = installed();
    let years = SignedDuration::from_hours(24 * 365 * 10);
    api.set_ahead(years);
    let kubeconfig = api.kubeconfig(&json!({}));
    let (mut first, _) = Program::serve(&kubeconfig, &SELF_SIGNED);
    first.until_said("the API server's clock is another; certificates go by that", 1);
    let line = first.until_said("renewed what the Secret holds", 1);
    let there = Timestamp::now() + years;
    assert!(time(&line, "from") < there && time(&line, "until") > there, "{line}");
    let mut servers = vec![first];
    for _ in 0..2 {
        let (mut next, address) = Program::serve(&kubeconfig, &SELF_SIGNED);
        // It is served with, too, though it has not begun by this machine's clock.
        until("gets ready", || {
            let ahead = u64::try_from(years.as_secs()).unwrap();
            let mut connection = connect_ahead(address, &bundle(&api)?, ahead).ok()?;
            connection.get("/readyz").ok().filter(|answer| answer.trim() == "ok")
        });
        next.until_said("the API server's clock is another; certificates go by that", 1);
        servers.push(next);
    }
    let renewed: usize = servers.iter().map(|server| server.said("renewed what the Secret holds").len()).sum();
    assert_eq!((renewed, api.writes("secrets")), (1, 2), "one is made, of the one that was empty");
    assert!(api.get(SECRET).unwrap()["data"]["tls.crt"].is_string() && bundle(&api).is_some());
    // That clock is put right: what it made has not begun, and is made anew, once. It is looked at when anything changes.
    api.set_ahead(SignedDuration::ZERO);
    let mut hooks = api.get(HOOKS).unwrap();
    hooks["metadata"]["annotations"] = json!({"a": "b"});
    api.put(&hooks);
    until("makes another", || (api.writes("secrets") == 3).then_some(()));
}

#[test]
fn a_token_that_is_exchanged_is_shown_from_then_on() {
    let api = Api::start(&[namespace("shop", "baseline")]);
    let at = tempfile::tempdir().unwrap();
    let token = at.path().join("token");
    std::fs::write(&token, "one\n").unwrap();
    api.take("one");
    let arguments = ["--insecure-http"];
    let (server, address) = Program::serve(&api.kubeconfig(&json!({"tokenFile": token})), &arguments);
    let ask = |namespace: &str| ask_in_the_clear(address, namespace);
    until("is ready", || (ask("shop")["allowed"] == true).then_some(()));
    // A jump back must not keep it from being looked at.
    let clock = settable();
    if let Some(clock) = &clock {
        clock.ahead(-YEAR);
    }
    // As a kubelet does it: another file takes its place.
    let next = at.path().join("next");
    std::fs::write(&next, "two\n").unwrap();
    std::fs::rename(&next, &token).unwrap();
    api.take("two");
    api.put(&namespace("later", "baseline"));
    // What is not known is asked for, with the token.
    let mut number = 0;
    until("shows the new token", || {
        number += 1;
        let name = format!("new-{number}");
        api.put(&namespace(&name, "baseline"));
        (ask(&name)["allowed"] == true).then_some(())
    });
    drop(server);
}

#[test]
fn a_new_certificate_is_taken_whatever_the_clock_says_and_one_that_seemed_over_once_it_is_not() {
    let Some(clock) = settable() else { return };
    let at = tempfile::tempdir().unwrap();
    let api = Api::start(&[namespace("shop", "baseline")]);
    issue(at.path(), 4000);
    let (mut server, address) = serve(&api, at.path(), &[]);
    let until_served = |authority: &str| until("serves with it", || connect(address, authority).ok().map(drop));
    for to in [-10 * YEAR, 10 * YEAR, HOUR - clock.right() + DAY] {
        clock.ahead(to);
        until_served(&issue(at.path(), 4000));
    }
    // It counts for the next years, but not for this clock.
    let year =
        i32::from(Timestamp::from_second(clock.right()).unwrap().strftime("%Y").to_string().parse::<i16>().unwrap());
    clock.ahead(10 * YEAR);
    let good = issue(at.path(), year + 3);
    let refused = server.until_said("the new certificate cannot be used; the old one is kept", 1);
    assert!(refused["why"].as_str().unwrap().ends_with("tls.crt ended"), "{refused}");
    clock.ahead(0);
    until_served(&good);
    // With the one in use over, too, one that ends later is better than none.
    clock.ahead(10 * YEAR);
    let taken = server.said("took a new certificate").len();
    issue(at.path(), year + 5);
    server.until_said("took a new certificate", taken + 1);
}

#[test]
fn certificates_of_its_own_that_are_over_or_have_not_begun_are_made_anew_and_believed() {
    let Some(clock) = settable() else { return };
    let api = installed();
    let (mut server, address) = Program::serve(&api.kubeconfig(&json!({})), &SELF_SIGNED);
    // By the clock as it is, with what the webhook configuration says.
    let until_believed = || {
        until("is believed", || {
            let answer = connect(address, &bundle(&api)?).ok()?.ask("shop", true).ok()?;
            (answer["allowed"] == false).then_some(())
        });
    };
    until_believed();
    for (times, to) in [(2, YEAR), (3, -10 * YEAR), (4, 0)] {
        let before = bundle(&api);
        clock.ahead(to);
        until_believed();
        assert_ne!(bundle(&api), before);
        let renewed = server.until_said("renewed what the Secret holds", times);
        let now = Timestamp::now();
        assert!(time(&renewed, "from") <= now && now < time(&renewed, "until"), "{renewed}");
    }
    assert_eq!(api.writes("secrets"), 5, "once for each, after the one that was empty: {}", server.log());
}
