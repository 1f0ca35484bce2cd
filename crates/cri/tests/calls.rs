//! Calls against a server that speaks as a runtime does, and against containerd where it is installed.
#![allow(clippy::unwrap_used, reason = "a test that cannot set up its server fails")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ringfence_cri::{CriError, Runtime};

/// A server at a socket that answers every call with these bytes and this status.
fn serve(path: &Path, body: &'static [u8], status: &'static str) {
    let listener = std::os::unix::net::UnixListener::bind(path).unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::UnixListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(mut connection) = h2::server::handshake(stream).await else { continue };
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    let head = http::Response::builder().header("content-type", "application/grpc").body(()).unwrap();
                    let mut send = respond.send_response(head, false).unwrap();
                    send.send_data(bytes::Bytes::from_static(body), false).unwrap();
                    let mut trailers = http::HeaderMap::new();
                    trailers.insert("grpc-status", http::HeaderValue::from_static(status));
                    trailers.insert("grpc-message", http::HeaderValue::from_static("no such service"));
                    send.send_trailers(trailers).unwrap();
                }
            }
        });
    });
}

#[test]
fn a_version_is_read_and_fields_that_are_not_known_are_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    // runtime_name "crio", runtime_version "1", and a field 99.
    serve(&path, b"\0\0\0\0\x0c\x12\x04crio\x1a\x011\x98\x06\x01", "0");
    let version = Runtime::at(&path).unwrap().version().unwrap();
    assert_eq!((&*version.runtime_name, &*version.runtime_version), ("crio", "1"));
}

#[test]
fn refusals_and_nonsense_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let ask = |name: &str| Runtime::at(&dir.path().join(name)).unwrap().version().unwrap_err();
    serve(&dir.path().join("refused"), b"", "12");
    assert!(matches!(ask("refused"), CriError::Refused { code, .. } if code == "12"));
    for (name, body) in
        [("short", &b"\0\0"[..]), ("long", b"\0\0\0\0\x02a"), ("packed", b"\x01\0\0\0\0"), ("bad", b"\0\0\0\0\x01\xff")]
    {
        serve(&dir.path().join(name), body, "0");
        assert!(matches!(ask(name), CriError::Malformed { .. }), "{name}");
    }
    assert!(matches!(ask("nobody"), CriError::Connect { .. }));
    let mute = std::os::unix::net::UnixListener::bind(dir.path().join("other")).unwrap();
    std::thread::spawn(move || std::io::Write::write_all(&mut mute.accept().unwrap().0, b"HTTP/1.1 400 no\r\n\r\n"));
    assert!(matches!(ask("other"), CriError::Protocol { .. }));
}

#[test]
fn containerd_answers() {
    let installed = Command::new("containerd").arg("--version").output().is_ok();
    let root = std::fs::read_to_string("/proc/self/status").unwrap().contains("Uid:\t0\t0\t0\t0");
    if !installed || !root {
        eprintln!("skipped: containerd is not installed, or this is not root");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (config, socket) = (dir.path().join("config.toml"), dir.path().join("s"));
    let text = format!(
        "version = 2\nroot = '{0}/root'\nstate = '{0}/state'\n[grpc]\naddress = '{0}/s'\n[ttrpc]\naddress = '{0}/t'\n",
        dir.path().display()
    );
    std::fs::write(&config, text).unwrap();
    let mut containerd = Command::new("containerd")
        .arg("--config")
        .arg(&config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let runtime = Runtime::at(&socket).unwrap();
    let since = Instant::now();
    let version = loop {
        match runtime.version() {
            Ok(version) => break Ok(version),
            Err(error) if since.elapsed() > Duration::from_secs(20) => break Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    };
    let status = runtime.status(true);
    containerd.kill().unwrap();
    containerd.wait().unwrap();
    assert_eq!(version.unwrap().runtime_name, "containerd");
    let status = status.unwrap();
    let ready = status.status.unwrap().conditions.into_iter().find(|condition| condition.r#type == "RuntimeReady");
    assert!(ready.unwrap().status);
    assert!(status.info["config"].contains("runtimes"));
}
