//! Which path leads where.

use super::body::{self, BodyError};
use super::listen::Site;
use super::respond::{Reply, json, metrics, text, wrong_method};
use crate::app::App;
use crate::metrics::Metrics;
use crate::otel::Active;
use crate::settings::Limits;
use crate::webhook::{self, Hook, Trace};
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request, StatusCode};
use std::sync::atomic::AtomicU64;

impl Site for App {
    async fn answer(&self, limits: &Limits, request: Request<Incoming>) -> Reply {
        answer(self, limits, request).await
    }

    fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn open(&self) -> &AtomicU64 {
        &self.metrics.connections
    }

    fn is_draining(&self) -> bool {
        self.is_draining()
    }
}

async fn answer(app: &App, limits: &Limits, request: Request<Incoming>) -> Reply {
    let path = request.uri().path();
    let (label, reply) = match path {
        // The reference judges whatever is posted to it, wherever.
        "/" | "/validate" => ("/validate", review(app, limits, request, Hook::PodSecurity).await),
        "/mutate-scc" => ("/mutate-scc", review(app, limits, request, Hook::MutateConstraints).await),
        "/validate-scc" => ("/validate-scc", review(app, limits, request, Hook::ValidateConstraints).await),
        "/livez" | "/healthz" => ("/livez", get(&request, || text(StatusCode::OK, "ok"))),
        "/readyz" => ("/readyz", get(&request, || ready(app))),
        "/metrics" => ("/metrics", get(&request, || metrics(app.metrics_text()))),
        _ => ("other", text(StatusCode::NOT_FOUND, "404 page not found")),
    };
    app.metrics.requests.add([label.into(), code(reply.status())]);
    reply
}

fn code(status: StatusCode) -> std::borrow::Cow<'static, str> {
    if status == StatusCode::OK { "200".into() } else { status.as_str().to_owned().into() }
}

fn get(request: &Request<Incoming>, reply: impl FnOnce() -> Reply) -> Reply {
    if matches!(*request.method(), Method::GET | Method::HEAD) { reply() } else { wrong_method("GET, HEAD") }
}

fn ready(app: &App) -> Reply {
    match app.not_ready() {
        None => text(StatusCode::OK, "ok"),
        Some(why) => text(StatusCode::SERVICE_UNAVAILABLE, why),
    }
}

async fn review(app: &App, limits: &Limits, request: Request<Incoming>, hook: Hook) -> Reply {
    if request.method() != Method::POST {
        return wrong_method("POST");
    }
    let is_json = request.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    let trace = webhook::trace_of(request.headers());
    let mut active = app.tracer.as_ref().and_then(|tracer| tracer.start(hook.path(), trace.as_ref()));
    let reply = judged(app, limits, request.into_body(), is_json, hook, trace, &mut active).await;
    if let Some(mut active) = active {
        active.text("http.request.method", "POST");
        active.text("url.path", hook.path());
        active.finish(reply.status().as_u16());
    }
    reply
}

async fn judged(
    app: &App,
    limits: &Limits,
    body: Incoming,
    is_json: bool,
    hook: Hook,
    trace: Option<Trace>,
    active: &mut Option<Active>,
) -> Reply {
    let reading = active.as_ref().map_or(0, Active::now);
    let body = match body::read(body, limits.body, limits.body_time, &app.room).await {
        Ok(body) => body,
        Err(error) => {
            if error == BodyError::NoRoom {
                app.metrics.failures.add(["no_room".into()]);
            }
            let (status, words) = error.reply(limits.body);
            return text(status, &words);
        }
    };
    if let Some(active) = active {
        active.child("read", reading);
    }
    if !is_json {
        return text(StatusCode::BAD_REQUEST, "unable to process a request with a non-json content type");
    }
    match webhook::answer(app, hook, &body.bytes, trace, active).await {
        Ok(document) => json(document),
        Err((status, words)) => text(status, &words),
    }
}
