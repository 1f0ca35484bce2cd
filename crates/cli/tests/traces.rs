//! Traces of `serve`: what a collector gets, and that reviews do without one.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "common/serving.rs"]
mod serving;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};
use serving::Serving;

const PATIENCE: Duration = Duration::from_mins(1);

/// Takes whatever is sent to it, head and body.
fn collector() -> (SocketAddr, Receiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (send, received) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            loop {
                let (mut head, mut length) = (String::new(), 0);
                while reader.read_line(&mut head).is_ok_and(|read| read > 2) {
                    let line = head.lines().last().unwrap_or_default().to_lowercase();
                    if let Some(text) = line.strip_prefix("content-length: ") {
                        length = text.parse().unwrap();
                    }
                }
                let mut body = vec![0; length];
                if head.is_empty() || reader.read_exact(&mut body).is_err() {
                    break;
                }
                let _ = reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
                if send.send((head, serde_json::from_slice(&body).unwrap())).is_err() {
                    return;
                }
            }
        }
    });
    (address, received)
}

/// The same with a certificate: who does not trust it gets no further than the greeting. Also returns the certificate.
fn secure_collector() -> (SocketAddr, Receiver<String>, String) {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let private = rustls::pki_types::PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private)
        .unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let address = listener.local_addr().unwrap();
    let (send, received) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut reader = BufReader::new(rustls::StreamOwned::new(connection, stream.unwrap()));
            let (mut head, mut length) = (String::new(), 0);
            while reader.read_line(&mut head).is_ok_and(|read| read > 2) {
                let line = head.lines().last().unwrap_or_default().to_lowercase();
                if let Some(text) = line.strip_prefix("content-length: ") {
                    length = text.parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            if reader.read_exact(&mut body).is_ok() && length > 0 {
                let _ =
                    reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}");
                let _ = send.send(String::from_utf8(body).unwrap());
            } else {
                let _ = send.send("nothing".to_owned());
            }
        }
    });
    (address, received, key.cert.pem())
}

struct Served(Serving);

impl Served {
    fn start(collector: SocketAddr) -> Self {
        Self::tracing(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{collector}"))])
    }

    fn tracing(variables: &[(&str, &str)]) -> Self {
        let server = Serving::start(|command| {
            command
                .args(["--insecure-http", "--cluster", "examples/cluster/cluster.yaml", "--drain-delay", "0"])
                .envs(variables.iter().copied())
                .env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20token")
                .env("OTEL_SERVICE_NAME", "admission")
        });
        assert!(!server.before.contains("token"), "{}", server.before);
        Self(server)
    }

    /// Tells it to end, and waits until it has.
    fn end(mut self) {
        self.0.terminate();
        assert_eq!(self.0.child.wait().unwrap().code(), Some(0));
    }

    fn send(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.0.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
             traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    fn review(&self) {
        let request = json!({"uid": "u", "operation": "CREATE", "namespace": "shop", "name": "web",
            "kind": {"group": "", "version": "v1", "kind": "Pod"}, "userInfo": {"username": "alice-secret"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
                "spec": {"containers": [{"name": "a", "env": [{"name": "A", "value": "alice-secret"}]}]}}});
        let body = self.send("POST", "/validate", &json!({"request": request}).to_string());
        assert!(body.contains("\"allowed\":"), "{body}");
    }
}

#[test]
fn a_review_is_a_span_of_the_callers_trace_with_its_parts_and_without_secrets() {
    let (collector, received) = collector();
    let server = Served::start(collector);
    server.review();
    let (head, request) = received.recv_timeout(PATIENCE).unwrap();
    let head = head.to_lowercase();
    assert!(head.starts_with("post /v1/traces http/1.1") && head.contains("authorization: bearer token"), "{head}");
    assert!(!request.to_string().contains("alice-secret"), "{request}");
    let resource = &request["resourceSpans"][0];
    let service = json!({"key": "service.name", "value": {"stringValue": "admission"}});
    assert!(resource["resource"]["attributes"].as_array().unwrap().contains(&service));
    let spans = resource["scopeSpans"][0]["spans"].as_array().unwrap();
    assert!(spans.iter().all(|span| span["traceId"] == "4bf92f3577b34da6a3ce929d0e0e4736"));
    let root = spans.iter().find(|span| span["name"] == "/validate").unwrap();
    assert_eq!(root["parentSpanId"], "00f067aa0ba902b7");
    let attribute = |key: &str| {
        root["attributes"].as_array().unwrap().iter().find(|a| a["key"] == key).map(|a| a["value"].clone()).unwrap()
    };
    assert_eq!(attribute("k8s.namespace.name"), json!({"stringValue": "shop"}));
    assert_eq!(attribute("http.response.status_code"), json!({"intValue": "200"}));
    for part in ["read", "decode", "judge", "respond"] {
        let span = spans.iter().find(|span| span["name"] == part).unwrap_or_else(|| panic!("{part}: {request}"));
        assert_eq!(span["parentSpanId"], root["spanId"]);
    }
}

#[test]
fn reviews_do_without_a_collector() {
    // Nobody listens there any more.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Served::start(address);
    for _ in 0..20 {
        server.review();
    }
    let metrics = server.send("GET", "/metrics", "");
    assert!(metrics.contains("ringfence_trace_spans_total{result=\"sent\"} 0"), "{metrics}");
}

#[test]
fn the_last_spans_are_sent_before_the_server_ends() {
    let (collector, received) = collector();
    let server = Served::start(collector);
    server.review();
    // Spans wait seconds for others, unless it is the end.
    server.end();
    let (_, request) = received.recv_timeout(PATIENCE).unwrap();
    assert!(request.to_string().contains("\"/validate\""), "{request}");
}

#[test]
fn a_collector_is_trusted_by_the_authority_that_is_named_alone() {
    let (collector, received, pem) = secure_collector();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.crt");
    std::fs::write(&file, pem).unwrap();
    let endpoint = format!("https://localhost:{}", collector.port());
    let certificate = ("OTEL_EXPORTER_OTLP_CERTIFICATE", file.to_str().unwrap());
    let server = Served::tracing(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint), certificate]);
    server.review();
    let body = received.recv_timeout(PATIENCE).unwrap();
    assert!(body.contains("\"/validate\""), "{body}");

    let server = Served::tracing(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]);
    server.review();
    assert_eq!(received.recv_timeout(PATIENCE).unwrap(), "nothing");
}
