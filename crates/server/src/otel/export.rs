//! Spans on their way to a collector.

use super::settings::Traces;
use super::span::{Span, request};
use super::tracer::Tracer;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Method, Request};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinHandle;

/// Requests whose spans may wait.
const QUEUE: usize = 1024;
/// Requests whose spans are sent together.
const BATCH: usize = 256;
/// How long spans wait for others.
const WAIT: Duration = Duration::from_secs(5);
/// How long a collector may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the end of the server may wait for the last spans.
const LAST: Duration = Duration::from_secs(5);
/// How often it is told that a collector does not answer.
const TELL: Duration = Duration::from_mins(1);
/// Of the answer nothing counts but its status.
const LONGEST: usize = 64 << 10;

/// How many spans came to what.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    sent: AtomicU64,
    failed: AtomicU64,
    dropped: Arc<AtomicU64>,
}

/// Sends what is finished. It ends when the last tracer is gone.
#[derive(Debug)]
pub(crate) struct Exporter {
    tracer: Arc<Tracer>,
    counts: Arc<Counts>,
    queue: Receiver<Vec<Span>>,
    traces: Traces,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// The exporter's task, for who ends the server.
#[derive(Debug)]
pub(crate) struct Flush {
    task: JoinHandle<()>,
    end: tokio::sync::oneshot::Sender<()>,
}

impl Flush {
    /// Sends what is there, for a moment.
    pub(crate) async fn flush(self) {
        let _ = self.end.send(());
        let _ = tokio::time::timeout(LAST, self.task).await;
    }
}

impl Exporter {
    pub(crate) fn new(traces: Traces) -> Result<Self, rustls::Error> {
        let (send, queue) = channel(QUEUE);
        let counts = Arc::new(Counts::default());
        let begins = Arc::new(Tracer::new(traces.sampler, send, Arc::clone(&counts.dropped)));
        let mut roots = RootCertStore::empty();
        if let Some(authorities) = &traces.authorities {
            for authority in authorities {
                roots.add(authority.clone())?;
            }
        } else if traces.endpoint.scheme_str() == Some("https") {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(PATIENCE));
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(http);
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(1).build(connector);
        Ok(Self { tracer: begins, counts, queue, traces, client })
    }

    pub(crate) fn tracer(&self) -> Arc<Tracer> {
        Arc::clone(&self.tracer)
    }

    pub(crate) fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Begins to send. Must be called within a tokio runtime.
    pub(crate) fn start(self) -> Flush {
        let (end, ended) = tokio::sync::oneshot::channel();
        Flush { task: tokio::spawn(self.run(ended)), end }
    }

    async fn run(mut self, mut ended: tokio::sync::oneshot::Receiver<()>) {
        let mut told: Option<Instant> = None;
        let mut last = false;
        while !last {
            let mut batch: Vec<Vec<Span>> = Vec::new();
            let gathered = async {
                // The first one is waited for, others only for a while.
                self.queue.recv_many(&mut batch, BATCH).await;
                let more = async { while batch.len() < BATCH && self.queue.recv_many(&mut batch, BATCH).await > 0 {} };
                let _ = tokio::time::timeout(WAIT, more).await;
            };
            tokio::select! {
                () = gathered => {}
                _ = &mut ended => last = true,
            }
            while last && let Ok(spans) = self.queue.try_recv() {
                batch.push(spans);
            }
            let spans: Vec<Span> = batch.into_iter().flatten().collect();
            if spans.is_empty() {
                continue;
            }
            let count = spans.len() as u64;
            match self.send(&spans).await {
                Ok(()) => drop(self.counts.sent.fetch_add(count, Relaxed)),
                Err(why) => {
                    self.counts.failed.fetch_add(count, Relaxed);
                    if told.is_none_or(|told| told.elapsed() > TELL) {
                        told = Some(Instant::now());
                        tracing::warn!(%why, spans = count, "cannot send traces; reviews go on without");
                    }
                }
            }
        }
    }

    async fn send(&self, spans: &[Span]) -> Result<(), String> {
        let body = request(&self.traces.resource, spans).to_string();
        let mut builder = Request::builder()
            .method(Method::POST)
            .uri(self.traces.endpoint.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("ringfence/", env!("CARGO_PKG_VERSION")));
        for (key, value) in self.traces.headers.iter().filter(|(key, _)| key != HOST) {
            builder = builder.header(key, value);
        }
        let request = builder.body(Full::from(body)).map_err(|error| error.to_string())?;
        let answered = async {
            let response = self.client.request(request).await.map_err(|error| innermost(&error))?;
            let status = response.status();
            // The connection is used again only when the answer was read.
            let _ = Limited::new(response.into_body(), LONGEST).collect().await;
            if status.is_success() { Ok(()) } else { Err(format!("the collector answers {status}")) }
        };
        tokio::time::timeout(PATIENCE, answered).await.map_err(|_| "the collector takes too long".to_owned())?
    }
}

impl Counts {
    pub(crate) fn render(&self, out: &mut String) {
        let name = "ringfence_trace_spans_total";
        // Writing to a string cannot fail.
        let _ = writeln!(out, "# HELP {name} Spans of traces, by what became of them.\n# TYPE {name} counter");
        for (result, count) in [("sent", &self.sent), ("failed", &self.failed), ("dropped", &*self.dropped)] {
            let _ = writeln!(out, "{name}{{result=\"{result}\"}} {}", count.load(Relaxed));
        }
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
