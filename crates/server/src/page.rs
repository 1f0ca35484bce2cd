//! The page to look at the cluster with: who may ask, how much, and what a browser is told beside it.
//!
//! It has a listener of its own, so that who reaches the webhooks does not reach it, nor the other way round. Nobody logs
//! in: whoever can connect to the address reads what it shows. A browser that is on this machine must not do that for a
//! site elsewhere, which is what the checks of names and the headers here are about.

use crate::app::App;
use crate::http::{Reply, Site, typed};
use crate::metrics::Metrics;
use crate::settings::Limits;
use hyper::body::Incoming;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, HeaderValue, LOCATION, REFERRER_POLICY,
    RETRY_AFTER, X_FRAME_OPTIONS,
};
use hyper::{Method, Request, StatusCode};
use ringfence_live::NotHad;
use ringfence_ui::{About, Address, Answer, Misread, Ui, Whole};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::sync::Semaphore;

/// How much those who look may take. Nothing is sent here that has a body.
pub(crate) const LIMITS: Limits = Limits {
    connections: 64,
    body: 1,
    bodies: 0,
    header: Duration::from_secs(10),
    body_time: Duration::from_secs(1),
    idle: Duration::from_mins(1),
};
/// How many views are made at one time, so that reviews have the rest of the machine.
const AT_WORK: usize = 1;
/// How many pods are asked for at one time.
const LOOK_UPS: usize = 4;
/// How often to look whether the cluster is known.
const PATIENCE: Duration = Duration::from_millis(500);

/// Only what comes from here is shown and run, nothing is sent elsewhere, and no other site has it in a frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A page to serve.
#[derive(Debug)]
pub struct Page {
    /// What [`listen`](crate::listen) gave.
    pub listener: std::net::TcpListener,
    /// For that address.
    pub address: SocketAddr,
    /// Names by which it may be asked for, beside those of this machine: `localhost` and loopback addresses.
    pub hosts: Vec<String>,
    /// What it says of itself.
    pub about: About,
}

/// The page, with all that it needs.
pub(crate) struct PageSite {
    app: Arc<App>,
    ui: Ui,
    hosts: Vec<String>,
    open: AtomicU64,
    at_work: Semaphore,
    look_ups: Semaphore,
}

impl PageSite {
    pub(crate) fn new(app: Arc<App>, hosts: Vec<String>, about: About) -> Self {
        let ui = Ui::new(about, app.pod_security.clone());
        let hosts = hosts.into_iter().map(|host| host.to_ascii_lowercase()).collect();
        let (at_work, look_ups) = (Semaphore::new(AT_WORK), Semaphore::new(LOOK_UPS));
        Self { app, ui, hosts, open: AtomicU64::new(0), at_work, look_ups }
    }

    /// Judges all pods as soon as they are known, so that the first who looks need not wait.
    pub(crate) async fn warm(self: Arc<Self>) {
        loop {
            if let Ok(cluster) = self.app.source.cluster() {
                let Ok(_permit) = self.at_work.acquire().await else { return };
                tokio::task::block_in_place(|| self.ui.warm(&cluster, &self.app.pipeline(&cluster)));
                return;
            }
            tokio::time::sleep(PATIENCE).await;
        }
    }

    async fn view(&self, address: &Address) -> Answer {
        let refuse = |status, title: &str, why: &str| self.ui.refusal(status, title, why, address.is_json());
        let cluster = match self.app.source.cluster() {
            Ok(cluster) => cluster,
            Err(why) => return refuse(503, "Not yet", why),
        };
        let whole = match address.pod() {
            Some((namespace, name)) => {
                let _permit = self.look_ups.acquire().await;
                match self.app.source.pod(namespace, name).await {
                    Ok(pod) => Whole::Had(Box::new(pod)),
                    Err(NotHad::None) => Whole::Gone,
                    Err(why) => Whole::NotHad(why.to_string()),
                }
            }
            None => Whole::NotAsked,
        };
        let freshness = self.app.source.freshness();
        let _permit = self.at_work.acquire().await;
        let made = tokio::task::block_in_place(|| {
            catch_unwind(AssertUnwindSafe(|| {
                self.ui.answer(address, &cluster, &self.app.pipeline(&cluster), &whole, freshness.as_ref())
            }))
        });
        made.unwrap_or_else(|_| {
            self.app.metrics.failures.add(["panic".into()]);
            tracing::error!("a view met with a bug");
            refuse(500, "Internal error", "This view cannot be made.")
        })
    }

    async fn reply(&self, request: &Request<Incoming>) -> Reply {
        if !self.is_ours(request) {
            // It says nothing of what is here.
            return typed(StatusCode::MISDIRECTED_REQUEST, "text/plain; charset=utf-8", "unknown host\n");
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut reply = typed(StatusCode::METHOD_NOT_ALLOWED, "text/plain; charset=utf-8", "it only reads\n");
            reply.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return reply;
        }
        let path = request.uri().path();
        if let Some(asset) = ringfence_ui::asset(path) {
            return typed(StatusCode::OK, asset.content_type, asset.body);
        }
        let answer = match Address::read(path, request.uri().query()) {
            Ok(address) => self.view(&address).await,
            Err(Misread::Moved(to)) => {
                let mut reply = typed(StatusCode::FOUND, "text/plain; charset=utf-8", "");
                reply.headers_mut().insert(LOCATION, HeaderValue::from_static(to));
                return reply;
            }
            Err(misread) => {
                let (status, title) =
                    if misread == Misread::NotFound { (404, "Not found") } else { (400, "Not understood") };
                self.ui.refusal(status, title, misread.words(), path.starts_with("/ui/api/"))
            }
        };
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = if answer.is_json { "application/json" } else { "text/html; charset=utf-8" };
        let mut reply = typed(status, kind, answer.body);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
        }
        reply
    }

    /// Whether the request names this machine. A name that somebody made to lead here would let their site read what a
    /// browser on this machine is shown.
    fn is_ours(&self, request: &Request<Incoming>) -> bool {
        let mut hosts = request.headers().get_all(HOST).iter();
        let named = match (hosts.next(), hosts.next()) {
            (Some(host), None) => host.to_str().ok(),
            (None, None) => request.uri().authority().map(hyper::http::uri::Authority::as_str),
            _ => None,
        };
        let authority = request.uri().authority();
        named.is_some_and(|host| is_allowed(host, &self.hosts))
            && authority.is_none_or(|authority| is_allowed(authority.as_str(), &self.hosts))
    }
}

/// Whether a host, with or without a port, is this machine or one of those that were named.
fn is_allowed(host: &str, named: &[String]) -> bool {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    // An address of the sixth version is between brackets, and nothing else is.
    if let Some((address, port)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
            && (address.parse().is_ok_and(|address: Ipv6Addr| address.is_loopback())
                || named.contains(&format!("[{address}]").to_ascii_lowercase()));
    }
    let name = match host.split_once(':') {
        Some((name, port)) if is_port(port) => name,
        Some(_) => return false,
        None => host,
    };
    let name = name.to_ascii_lowercase();
    name == "localhost" || name.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback()) || named.contains(&name)
}

impl Site for PageSite {
    async fn answer(&self, _: &Limits, request: Request<Incoming>) -> Reply {
        let mut reply = self.reply(&request).await;
        let headers = reply.headers_mut();
        for (name, value) in [
            (CONTENT_SECURITY_POLICY, POLICY),
            (CACHE_CONTROL, "no-store"),
            (REFERRER_POLICY, "no-referrer"),
            (X_FRAME_OPTIONS, "DENY"),
            (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let code = reply.status().as_str().to_owned();
        self.app.metrics.requests.add(["/ui".into(), code.into()]);
        reply
    }

    fn is_draining(&self) -> bool {
        self.app.is_draining()
    }

    fn metrics(&self) -> &Metrics {
        &self.app.metrics
    }

    fn open(&self) -> &AtomicU64 {
        &self.open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_and_named_hosts_are_asked_for() {
        let named = ["ringfence.example.com".to_owned(), "10.0.0.7".to_owned()];
        for host in [
            "localhost",
            "LOCALHOST:1",
            "127.0.0.1",
            "127.0.0.1:8090",
            "127.9.9.9:1",
            "[::1]",
            "[::1]:8090",
            "Ringfence.example.com:443",
            "10.0.0.7:80",
        ] {
            assert!(is_allowed(host, &named), "{host}");
        }
        for host in [
            "",
            ":80",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.8",
            "[::2]:80",
            "::1",
            "[::1]x",
            "[::1]:",
            "[localhost]",
            "localhost:",
            "localhost:x",
            "localhost@evil.example",
            "[::1",
            "0.0.0.0",
        ] {
            assert!(!is_allowed(host, &named), "{host}");
        }
    }
}
