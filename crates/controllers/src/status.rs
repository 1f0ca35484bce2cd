//! `/livez`, `/readyz` and `/metrics`, over plain HTTP.

use crate::cache::Cache;
use crate::controller::Work;
use crate::fence::Fence;
use crate::lease;
use crate::ranges;
use crate::writer::Writer;
use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use ringfence_admission::cluster::Kind;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Connections at one time.
const CONNECTIONS: usize = 64;
/// How long a connection may take to say what it wants, and altogether.
const HEADER: Duration = Duration::from_secs(10);
const WHOLE: Duration = Duration::from_mins(1);

/// What is known of the controllers from outside.
pub(crate) struct Status {
    pub(crate) cache: Arc<Cache>,
    pub(crate) kinds: &'static [Kind],
    pub(crate) fence: Fence,
    pub(crate) writer: Arc<Writer>,
    pub(crate) election: Arc<lease::Numbers>,
    pub(crate) works: Vec<(&'static str, Arc<Work>)>,
    pub(crate) ranges: Option<Arc<ranges::Allocate<ranges::store::Api>>>,
    pub(crate) ending: AtomicBool,
}

/// What is answered.
pub(crate) trait Answers: Send + Sync + 'static {
    /// Why nothing can be done yet, or any more.
    fn not_ready(&self) -> Option<String>;
    /// In Prometheus' text format.
    fn metrics(&self) -> String;
}

/// Answers for ever.
pub(crate) async fn serve<S: Answers>(listener: TcpListener, status: Arc<S>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // It is never closed.
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let status = Arc::clone(&status);
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                let answer = answer(&*status, request.method(), request.uri().path());
                async move { Ok::<_, Infallible>(answer) }
            });
            let mut http = hyper::server::conn::http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEADER).max_buf_size(16 << 10);
            // Whoever breaks a connection has nothing to be told.
            let _ = tokio::time::timeout(WHOLE, http.serve_connection(TokioIo::new(stream), service)).await;
            drop(place);
        });
    }
}

fn answer(status: &impl Answers, method: &Method, path: &str) -> Response<Full<Bytes>> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return reply(StatusCode::METHOD_NOT_ALLOWED, "method not allowed; use GET, HEAD\n".to_owned());
    }
    match path {
        "/livez" | "/healthz" => reply(StatusCode::OK, "ok\n".to_owned()),
        "/readyz" => match status.not_ready() {
            None => reply(StatusCode::OK, "ok\n".to_owned()),
            Some(why) => reply(StatusCode::SERVICE_UNAVAILABLE, why + "\n"),
        },
        "/metrics" => reply(StatusCode::OK, status.metrics()),
        _ => reply(StatusCode::NOT_FOUND, "404 page not found\n".to_owned()),
    }
}

impl Answers for Status {
    fn not_ready(&self) -> Option<String> {
        if self.ending.load(Relaxed) {
            return Some("shutting down".to_owned());
        }
        self.cache.unknown(self.kinds).map(|kind| format!("the cluster's {} are not known yet", kind.resource()))
    }

    fn metrics(&self) -> String {
        let mut out = String::new();
        common(&mut out, &self.fence, &self.election, &self.works, &self.writer);
        one(&mut out, "ringfence_namespaces", "gauge", "Namespaces that are known.", self.cache.len() as u64);
        let failures = self.cache.failures().map(|(kind, n)| (format!("resource=\"{}\"", kind.resource()), n));
        let help = "Lists and watches that failed.";
        many(&mut out, "ringfence_watch_failures_total", "counter", help, failures.collect());
        if let Some(ranges) = &self.ranges {
            let numbers = &ranges.numbers;
            let help = "Namespaces that were given ranges.";
            one(&mut out, "ringfence_ranges_allocated_total", "counter", help, numbers.allocated.load(Relaxed));
            one(&mut out, "ringfence_ranges_taken", "gauge", "Ranges that are taken.", numbers.taken.load(Relaxed));
            let help = "Namespaces whose range another has, too.";
            one(&mut out, "ringfence_ranges_duplicates", "gauge", help, numbers.duplicates.load(Relaxed));
            if let Some(events) = &ranges.events {
                let written = events.numbers().map(|(result, n)| (format!("result=\"{result}\""), n));
                many(&mut out, "ringfence_ranges_events_total", "counter", "Events about ranges.", written.into());
            }
        }
        out
    }
}

/// What every replica that may lead counts.
pub(crate) fn common(
    out: &mut String,
    fence: &Fence,
    election: &lease::Numbers,
    works: &[(&'static str, Arc<Work>)],
    writer: &Writer,
) {
    let leads = u64::from(fence.leads());
    one(out, "ringfence_leader", "gauge", "Whether this replica writes.", leads);
    for (name, help, value) in [
        ("ringfence_leader_terms_total", "How often this replica began to lead.", &election.terms),
        ("ringfence_leader_lost_total", "How often it lost the lease.", &election.lost),
        ("ringfence_lease_failures_total", "Failed requests about the lease.", &election.failures),
    ] {
        one(out, name, "counter", help, value.load(Relaxed));
    }
    let depths: Vec<_> = works.iter().map(|(name, work)| (*name, work.queue.depth())).collect();
    let by = |value: fn(&crate::queue::Depth) -> u64| {
        depths.iter().map(move |(name, depth)| (format!("name=\"{name}\""), value(depth))).collect()
    };
    many(out, "workqueue_depth", "gauge", "Keys that wait.", by(|depth| depth.ready as u64));
    many(out, "workqueue_adds_total", "counter", "Keys that were added.", by(|depth| depth.adds));
    many(out, "workqueue_retries_total", "counter", "Keys that failed.", by(|depth| depth.retries));
    let help = "Keys that failed the last time.";
    many(out, "ringfence_controller_failing", "gauge", help, by(|depth| depth.failing as u64));
    let syncs = works.iter().flat_map(|(name, work)| {
        [("done", &work.done), ("failed", &work.failed)]
            .map(|(result, n)| (format!("controller=\"{name}\",result=\"{result}\""), n.load(Relaxed)))
    });
    many(out, "ringfence_controller_syncs_total", "counter", "Keys by what became of them.", syncs.collect());
    let by_result = writer.numbers().map(|(result, n)| (format!("result=\"{result}\""), n));
    many(out, "ringfence_controller_writes_total", "counter", "Writes by what became of them.", by_result.into());
}

/// A value without labels. Writing to a string cannot fail.
pub(crate) fn one(out: &mut String, name: &str, kind: &str, help: &str, value: u64) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
}

/// Values by labels.
pub(crate) fn many(out: &mut String, name: &str, kind: &str, help: &str, values: Vec<(String, u64)>) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for (labels, value) in values {
        let _ = writeln!(out, "{name}{{{labels}}} {value}");
    }
}

fn reply(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut reply = Response::new(Full::new(text.into()));
    *reply.status_mut() = status;
    let plain = hyper::header::HeaderValue::from_static("text/plain; charset=utf-8");
    reply.headers_mut().insert(hyper::header::CONTENT_TYPE, plain);
    reply
}
