//! Registries that break, lie or attack.
#![allow(clippy::unwrap_used, reason = "a test that cannot run its subject fails")]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ringfence_registry::RegistryError;
use ringfence_runtime::store::{Platform, StoreError, digest};
use serde_json::json;
use support::{Answer, Sample, Server, bed, part};

fn name(server: &Server) -> String {
    format!("{}/team/app:1", server.host)
}

#[test]
fn an_honest_registry_gives_the_image_and_nothing_twice() {
    let sample = Sample::new(1000);
    let server = Server::start(move |asked| sample.answer(asked));
    let bed = bed();
    let pulled = bed.pull(&name(&server)).unwrap();
    assert!(pulled.fetched > 1000 && bed.is_here(&name(&server)));
    assert_eq!(bed.pull(&name(&server)).unwrap().fetched, 0);
    assert_eq!(server.count("/blobs/"), 2);
}

#[test]
fn a_blob_that_breaks_off_is_taken_up_where_it_broke() {
    let sample = Sample::new(100_000);
    let tries = AtomicUsize::new(0);
    let server = Server::start(move |asked| {
        let mut answer = sample.answer(asked);
        if answer.body.len() > 50_000 && tries.fetch_add(1, Ordering::Relaxed) == 0 {
            answer.length = Some(answer.body.len() as u64);
            answer.body.truncate(40_000);
        }
        answer
    });
    let bed = bed();
    bed.pull(&name(&server)).unwrap();
    assert!(bed.is_here(&name(&server)));
    let ranges: Vec<_> = server.asked().iter().filter_map(|asked| asked.headers.get("range").cloned()).collect();
    assert_eq!(ranges, ["bytes=40000-"]);
}

#[test]
fn an_interrupted_pull_is_taken_up_by_the_next_one() {
    let sample = Arc::new(Sample::new(100_000));
    let broken = sample.clone();
    let server = Server::start(move |asked| {
        let mut answer = broken.answer(asked);
        if answer.body.len() > 50_000 {
            answer.length = Some(answer.body.len() as u64);
            answer.body.truncate(60_000);
        }
        // What a client is told that asks for the rest.
        if asked.headers.contains_key("range") { Answer::status(400) } else { answer }
    });
    let bed = bed();
    assert!(bed.pull(&name(&server)).is_err());
    assert!(!bed.is_here(&name(&server)));
    let honest = Server::start(move |asked| sample.answer(asked));
    let pulled = bed.pull(&name(&honest)).unwrap();
    assert!(pulled.fetched < 60_000, "{pulled:?}");
    assert!(bed.is_here(&name(&honest)));
}

#[test]
fn a_server_that_gives_no_parts_is_asked_for_all_again() {
    let sample = Sample::new(100_000);
    let tries = AtomicUsize::new(0);
    let server = Server::start(move |asked| {
        let mut whole = asked.clone();
        whole.headers.clear();
        let mut answer = sample.answer(&whole);
        if answer.body.len() > 50_000 && tries.fetch_add(1, Ordering::Relaxed) == 0 {
            answer.length = Some(answer.body.len() as u64);
            answer.body.truncate(40_000);
        }
        answer
    });
    let bed = bed();
    bed.pull(&name(&server)).unwrap();
    assert!(bed.is_here(&name(&server)));
}

#[test]
fn a_blob_of_another_digest_never_gets_into_the_store() {
    let sample = Sample::new(1000);
    let wanted = digest(&sample.layer);
    let server = Server::start(move |asked| {
        let mut answer = sample.answer(asked);
        if answer.body.len() > 1000 {
            answer.body[600] ^= 1;
        }
        answer
    });
    let bed = bed();
    let error = bed.pull(&name(&server)).unwrap_err();
    assert!(matches!(&error, RegistryError::Store(error) if matches!(**error, StoreError::Digest { .. })), "{error}");
    assert!(!bed.store.has(&wanted) && !bed.is_here(&name(&server)));
    // Once in case an earlier try left something wrong, and once more.
    assert_eq!(server.count(&wanted), 2);
}

#[test]
fn a_body_without_end_is_read_only_as_far_as_it_may_go() {
    let sample = Sample::new(1000);
    let server = Server::start(move |asked| Answer { endless: true, ..sample.answer(asked) });
    let bed = bed();
    assert!(matches!(bed.pull(&name(&server)), Err(RegistryError::Answer { .. })), "of a manifest");
    let sample = Sample::new(1000);
    let server = Server::start(move |asked| {
        let endless = asked.path.contains("/blobs/");
        Answer { endless, ..sample.answer(asked) }
    });
    let error = bed.pull(&name(&server)).unwrap_err();
    assert!(matches!(&error, RegistryError::Store(error) if matches!(**error, StoreError::Size { .. })), "{error}");
}

#[test]
fn a_manifest_of_another_digest_is_refused() {
    let sample = Sample::new(10);
    let (manifest, wrong) = (digest(&sample.manifest), digest(b"other"));
    let server = Server::start(move |asked| sample.answer(asked));
    let bed = bed();
    assert!(bed.pull(&format!("{}/team/app@{manifest}", server.host)).is_ok());
    let error = bed.pull(&format!("{}/team/app@{wrong}", server.host)).unwrap_err();
    assert!(matches!(error, RegistryError::Digest { .. }), "{error}");
}

#[test]
fn schema_1_is_refused_by_its_name() {
    let server = Server::start(|_| Answer::ok(r#"{"schemaVersion":1,"fsLayers":[]}"#));
    let error = bed().pull(&name(&server)).unwrap_err();
    assert!(matches!(error, RegistryError::Document { .. }), "{error}");
}

#[test]
fn documents_of_a_stranger_are_errors_and_never_more() {
    let digest = digest(b"");
    let huge = json!({"config": {"digest": digest, "size": 10}, "layers": [{"digest": digest, "size": u64::MAX}]});
    let config = json!({"config": {"digest": digest, "size": 1_u64 << 40}, "layers": []});
    let path = json!({"config": {"digest": "sha256:../../../../etc/passwd", "size": 10}, "layers": []});
    let itself = json!({"manifests": [{"digest": digest, "size": 1, "platform": {"os": "linux"}}]});
    let deep = "[".repeat(100_000);
    for text in [huge.to_string(), config.to_string(), path.to_string(), itself.to_string(), deep, String::new()] {
        let answer = text.clone();
        let server = Server::start(move |asked| {
            if asked.path.contains("/manifests/") { Answer::ok(answer.clone()) } else { Answer::status(404) }
        });
        assert!(bed().pull(&name(&server)).is_err(), "{}", text.get(..80).unwrap_or(&text));
    }
}

#[test]
fn a_busy_registry_is_asked_again_when_it_says() {
    let sample = Sample::new(10);
    let tries = AtomicUsize::new(0);
    let server = Server::start(move |asked| match tries.fetch_add(1, Ordering::Relaxed) {
        0 => Answer::status(429).header("Retry-After", "1"),
        1 => Answer::status(503),
        _ => sample.answer(asked),
    });
    let bed = bed();
    let started = std::time::Instant::now();
    bed.pull(&name(&server)).unwrap();
    assert!(started.elapsed() >= std::time::Duration::from_secs(1));
    assert_eq!(server.count("/manifests/"), 3);
    let closed = Server::start(|_| Answer::status(429).header("Retry-After", "99999"));
    assert!(matches!(bed.pull(&name(&closed)), Err(RegistryError::Status { status: 429, .. })));
}

/// What a server was told in `Authorization`.
fn told(server: &Server) -> Vec<String> {
    server.asked().iter().filter_map(|asked| asked.headers.get("authorization").cloned()).collect()
}

#[test]
fn a_redirect_does_not_carry_the_credentials_along() {
    let sample = Arc::new(Sample::new(1000));
    let blobs = sample.clone();
    let other = Arc::new(Server::start(move |asked| blobs.answer(asked)));
    let target = other.host.clone();
    let server = Server::start(move |asked| {
        if !asked.headers.contains_key("authorization") {
            return Answer::status(401).header("WWW-Authenticate", "Basic realm=x");
        }
        if asked.path.contains("/blobs/") {
            return Answer::status(307).header("Location", format!("http://{target}{}", asked.path));
        }
        sample.answer(asked)
    });
    let bed = bed();
    // user:hunter2
    bed.credentials(&format!(r#"{{"auths": {{"{}": {{"auth": "dXNlcjpodW50ZXIy"}}}}}}"#, server.host));
    bed.pull(&name(&server)).unwrap();
    assert!(told(&server).iter().all(|told| told == "Basic dXNlcjpodW50ZXIy") && told(&server).len() >= 3);
    assert_eq!((other.asked().len(), told(&other).len()), (2, 0));
}

#[test]
fn redirects_in_the_clear_to_others_and_without_end_are_refused() {
    let server = Server::start(|_| Answer::status(302).header("Location", "http://192.0.2.1/x"));
    assert!(matches!(bed().pull(&name(&server)), Err(RegistryError::Redirect { .. })));
    let server = Server::start(|asked| Answer::status(302).header("Location", format!("{}x", asked.path)));
    assert!(matches!(bed().pull(&name(&server)), Err(RegistryError::Answer { .. })));
    assert_eq!(server.asked().len(), 10);
    let server = Server::start(|_| Answer::status(302).header("Location", "file:///etc/passwd"));
    assert!(matches!(bed().pull(&name(&server)), Err(RegistryError::Redirect { .. } | RegistryError::Answer { .. })));
}

/// A registry behind a token server. Returns both, and what the token server was asked.
fn guarded(challenge: impl Fn(&str) -> String + Send + Sync + 'static) -> (Server, Server) {
    let sample = Sample::new(1000);
    let tokens = Server::start(|asked| {
        let basic = asked.headers.get("authorization").is_some_and(|value| value == "Basic dXNlcjpodW50ZXIy");
        if basic || asked.method == "POST" { Answer::ok(r#"{"token":"t0ken"}"#) } else { Answer::status(401) }
    });
    let realm = format!("http://{}/token", tokens.host);
    let server = Server::start(move |asked| {
        if asked.headers.get("authorization").is_some_and(|value| value == "Bearer t0ken") {
            return sample.answer(asked);
        }
        Answer::status(401).header("WWW-Authenticate", challenge(&realm))
    });
    (server, tokens)
}

#[test]
fn a_token_server_gives_a_token_for_pulling_this_repository_and_no_more() {
    let (server, tokens) = guarded(|realm| {
        format!(r#"Bearer realm="{realm}",service="reg",scope="repository:other/secret:pull,push,delete""#)
    });
    let bed = bed();
    let error = bed.pull(&name(&server)).unwrap_err();
    assert!(matches!(error, RegistryError::Unauthorized { .. }), "{error}");
    bed.credentials(&format!(r#"{{"auths": {{"{}": {{"auth": "dXNlcjpodW50ZXIy"}}}}}}"#, server.host));
    bed.pull(&name(&server)).unwrap();
    let asked = tokens.asked();
    assert_eq!(asked[1].path, "/token?service=reg&scope=repository%3Ateam%2Fapp%3Apull");
    // One token does for all.
    assert_eq!(asked.len(), 2);
    bed.credentials(&format!(r#"{{"auths": {{"{}": {{"identitytoken": "refresh"}}}}}}"#, server.host));
    bed.pull(&name(&server)).unwrap();
    assert_eq!(tokens.asked()[2].method, "POST");
}

#[test]
fn no_secret_is_ever_in_an_error() {
    let (server, _tokens) = guarded(|realm| format!("Bearer realm=\"{realm}\""));
    let bed = bed();
    // user:wrong-hunter2
    bed.credentials(&format!(r#"{{"auths": {{"{}": {{"auth": "dXNlcjp3cm9uZy1odW50ZXIy"}}}}}}"#, server.host));
    let error = bed.pull(&name(&server)).unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(!text.contains("hunter2") && !text.contains("dXNlcjp3"), "{text}");
}

#[test]
fn a_hostile_challenge_is_refused_before_anybody_is_told_anything() {
    for challenge in [
        "Bearer realm=\"http://192.0.2.1/token\"",
        "Bearer realm=\"ftp://example.com/\"",
        "Bearer realm=\"https://user@example.com/\"",
        "Bearer realm=\"/token\"",
        "Bearer",
        "Negotiate",
        "",
    ] {
        let server = Server::start(move |_| Answer::status(401).header("WWW-Authenticate", challenge));
        let bed = bed();
        bed.credentials(&format!(r#"{{"auths": {{"{}": {{"auth": "dXNlcjpodW50ZXIy"}}}}}}"#, server.host));
        let error = bed.pull(&name(&server)).unwrap_err();
        let refused = matches!(error, RegistryError::Unauthorized { .. } | RegistryError::Redirect { .. });
        assert!(refused, "{challenge:?}: {error}");
        assert_eq!(told(&server).len(), 0);
    }
}

#[test]
fn a_mirror_is_asked_first_and_the_registry_when_it_has_not() {
    let sample = Arc::new(Sample::new(1000));
    let (one, two) = (sample.clone(), sample);
    let origin = Server::start(move |asked| one.answer(asked));
    let empty = Server::start(|_| Answer::status(404));
    let mirror = Server::start(move |asked| two.answer(asked));
    let bed = bed();
    let conf = |mirror: &Server| {
        let text = format!(
            "[[registry]]\nprefix = \"registry.example.com\"\nlocation = \"{}\"\n[[registry.mirror]]\nlocation = \"{}/cache\"",
            origin.host, mirror.host
        );
        std::fs::write(bed.dir.path().join("registries.conf"), text).unwrap();
    };
    conf(&empty);
    bed.pull("registry.example.com/team/app:1").unwrap();
    assert_eq!(empty.asked()[0].path, "/v2/cache/team/app/manifests/1");
    assert!(origin.count("/v2/team/app/blobs/") > 0);
    conf(&mirror);
    let before = origin.asked().len();
    bed.pull("registry.example.com/team/app:2").unwrap();
    assert_eq!((mirror.count("/v2/cache/team/app/"), origin.asked().len()), (1, before));
    assert!(bed.is_here("registry.example.com/team/app:2"));
}

#[test]
fn of_an_index_the_machines_own_image_is_taken() {
    let sample = Sample::new(1000);
    let digest_of_image = digest(&sample.manifest);
    let platform = |text: &str| text.parse::<Platform>().unwrap();
    let entry = |digest: &str, platform: Platform| json!({"digest": digest, "size": 1, "platform": platform});
    let index = json!({"schemaVersion": 2, "manifests": [
        entry(&digest(b"other"), platform("linux/s390x")),
        entry(&digest_of_image, Platform::host()),
        entry(&digest(b"attestation"), platform("unknown/unknown")),
    ]})
    .to_string();
    let server = Server::start(move |asked| {
        if asked.path.ends_with("/manifests/1") { Answer::ok(index.clone()) } else { sample.answer(asked) }
    });
    let bed = bed();
    bed.pull(&name(&server)).unwrap();
    assert!(bed.is_here(&name(&server)));
    let error = bed.pull_for(&name(&server), &platform("linux/riscv64")).unwrap_err();
    assert!(error.to_string().contains("it is for linux/s390x, linux/"), "{error}");
}

#[test]
fn pulls_at_once_fetch_each_blob_once() {
    let sample = Sample::new(300_000);
    let layer = digest(&sample.layer);
    let server = Server::start(move |asked| {
        if asked.path.contains("/blobs/") {
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        sample.answer(asked)
    });
    let bed = bed();
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                if let Err(error) = bed.pull(&name(&server)) {
                    failures.lock().unwrap().push(error.to_string());
                }
            });
        }
    });
    assert_eq!(*failures.lock().unwrap(), Vec::<String>::new());
    assert!(bed.is_here(&name(&server)));
    assert_eq!(server.count(&layer), 1);
}

#[test]
fn parts_are_what_the_helper_says() {
    let asked = support::Asked {
        method: String::new(),
        path: String::new(),
        headers: [("range".to_owned(), "bytes=2-".to_owned())].into(),
    };
    assert_eq!(part(b"abcd", &asked).body, b"cd");
}
