//! From the bytes of an `AdmissionReview` to the bytes of its answer.

mod trace;

pub(crate) use trace::{Trace, trace_of};

use crate::app::App;
use crate::otel::Active;
use crate::settings::Fail;
use crate::source::AnyCluster;
use hyper::StatusCode;
use ringfence_admission::review::{self, AdmissionRequest, AdmissionResponse, Phase, ReadError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hook {
    /// Pod Security, validating.
    PodSecurity,
    /// Security context constraints, filling in.
    MutateConstraints,
    /// Security context constraints, checking.
    ValidateConstraints,
}

impl Hook {
    /// Of the constraints, which look it is.
    const fn phase(self) -> Option<Phase> {
        match self {
            Self::PodSecurity => None,
            Self::MutateConstraints => Some(Phase::Mutate),
            Self::ValidateConstraints => Some(Phase::Validate),
        }
    }

    /// Where it is asked.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::PodSecurity => "/validate",
            Self::MutateConstraints => "/mutate-scc",
            Self::ValidateConstraints => "/validate-scc",
        }
    }
}

/// Why there is no review to send: an HTTP status and words.
pub(crate) type Refusal = (StatusCode, String);

/// Answers a review.
pub(crate) async fn answer(
    app: &App,
    hook: Hook,
    body: &[u8],
    trace: Option<Trace>,
    active: &mut Option<Active>,
) -> Result<Vec<u8>, Refusal> {
    let (began, decoding) = (Instant::now(), start(active.as_ref()));
    let request = review::read(body).map_err(|error| undecodable(&error))?;
    if let Some(active) = active {
        active.child("decode", decoding);
        // Whose request it is stays out, and so does the object.
        active.text("ringfence.review.uid", &request.uid);
        active.text("k8s.namespace.name", &request.namespace);
        active.text("ringfence.review.resource", &request.resource.resource);
        active.text("ringfence.review.operation", &format!("{:?}", request.operation));
    }
    let cluster = match app.source.cluster() {
        Ok(cluster) => cluster,
        Err(why) => {
            let response = unjudged(app, &request, why);
            return encode(&response);
        }
    };
    let looking_up = start(active.as_ref());
    if let Some(looking) = app.source.look_up(&request.namespace) {
        looking.await;
        if let Some(active) = active {
            active.child("look up", looking_up);
        }
    }
    let stored = if hook.phase().is_some_and(|phase| review::needs_stored_pod(phase, &request)) {
        app.source.pod(&request.namespace, &request.name).await.ok()
    } else {
        None
    };
    let judging = start(active.as_ref());
    let judge = || match hook.phase() {
        None => {
            let waiving = app.waiving();
            app.pod_security.review_with(&*cluster, &request, waiving.as_ref()).response
        }
        Some(phase) => review::constrain(&app.pipeline(&cluster), phase, &request, stored.as_ref()),
    };
    let judged = || catch_unwind(AssertUnwindSafe(judge));
    // The pods of a namespace may take a while.
    let judged = if request.resource.resource == "namespaces" { tokio::task::block_in_place(judged) } else { judged() };
    let response = if let Ok(response) = judged {
        advise(app, hook, &request, settle(app, &request, response))
    } else {
        app.metrics.failures.add(["panic".into()]);
        tracing::error!(uid = %request.uid, namespace = %request.namespace, "a review met with a bug");
        unjudged(app, &request, "internal error while judging")
    };
    if let Some(events) = app.events.get() {
        events.refused(&request, &response, || hints(app, hook, &cluster, &request));
    }
    if hook == Hook::PodSecurity {
        app.metrics.pod_security.record(&request, &response.recorded);
        for control in response.recorded.waived.iter() {
            app.metrics.waived.add([control.into()]);
        }
    }
    if let Some(active) = active {
        active.child("judge", judging);
        active.bool("ringfence.review.allowed", response.allowed);
        active.bool("ringfence.review.waived", response.recorded.waived.iter().next().is_some());
    }
    log(&request, &response, trace.as_ref());
    let encoding = start(active.as_ref());
    let document = encode(&response);
    if let Some(active) = active {
        active.child("respond", encoding);
    }
    let durations = if hook == Hook::PodSecurity { &app.metrics.validate } else { &app.metrics.scc };
    durations.observe(began.elapsed());
    document
}

/// What to write instead of what was refused. It is judged again for that, which is seldom: of the pods that a controller
/// makes in vain, again and again, but ever more slowly.
fn hints(app: &App, hook: Hook, cluster: &AnyCluster, request: &AdmissionRequest) -> Vec<String> {
    if hook != Hook::PodSecurity {
        return Vec::new();
    }
    let advisor = app.pod_security.clone().with_hints(true);
    let judged = || advisor.review_with(&**cluster, request, app.waiving().as_ref()).response.warnings;
    catch_unwind(AssertUnwindSafe(judged)).unwrap_or_default()
}

/// When a part of the work begins, if anybody wants to know.
fn start(active: Option<&Active>) -> u64 {
    active.map_or(0, Active::now)
}

/// What could not be judged is let through only if we fail open; and either way it is said.
fn settle(app: &App, request: &AdmissionRequest, response: AdmissionResponse) -> AdmissionResponse {
    match &response.status {
        Some(status) if status.code == 500 && app.fail == Fail::Open => {
            let recorded = response.recorded;
            AdmissionResponse { recorded, ..unjudged(app, request, &status.message) }
        }
        Some(status) if status.code == 500 => {
            app.metrics.impossible.add(["refused".into()]);
            tracing::warn!(uid = %request.uid, namespace = %request.namespace, why = %status.message, fail = "closed",
                "refused what could not be judged");
            response
        }
        _ => response,
    }
}

/// Where refusals are only advised, says what would have been refused, and lets it through.
fn advise(app: &App, hook: Hook, request: &AdmissionRequest, response: AdmissionResponse) -> AdmissionResponse {
    if !app.advisory || response.allowed {
        return response;
    }
    let webhook = if hook == Hook::PodSecurity { "pod-security" } else { "scc" };
    app.metrics.advised.add([webhook.into()]);
    let advised = review::advised(response);
    tracing::info!(uid = %request.uid, namespace = %request.namespace, name = %request.name,
        user = %request.user_info.username, webhook, "let through what would be refused");
    advised
}

fn unjudged(app: &App, request: &AdmissionRequest, why: &str) -> AdmissionResponse {
    let (decision, did) = match app.fail {
        Fail::Closed => ("refused", "refused what could not be judged"),
        Fail::Open => ("allowed", "let through what could not be judged"),
    };
    app.metrics.impossible.add([decision.into()]);
    tracing::warn!(uid = %request.uid, namespace = %request.namespace, %why, fail = app.fail.as_str(), "{did}");
    review::unjudged(&request.uid, why, app.fail == Fail::Open)
}

fn undecodable(error: &ReadError) -> Refusal {
    if let ReadError::Undecodable { detail } = error {
        tracing::debug!(%detail, "unable to decode a request");
    }
    (StatusCode::BAD_REQUEST, error.to_string())
}

fn encode(response: &AdmissionResponse) -> Result<Vec<u8>, Refusal> {
    serde_json::to_vec(&review::answer(response)).map_err(|error| {
        tracing::error!(%error, "cannot write an answer");
        (StatusCode::INTERNAL_SERVER_ERROR, "internal server error".to_owned())
    })
}

/// Refusals are told; what is let through is told to those who debug. Of the object only its name is told.
fn log(request: &AdmissionRequest, response: &AdmissionResponse, trace: Option<&Trace>) {
    let (trace, resource) = (trace.map_or("", Trace::id), request.resource.resource.as_str());
    if let Some(by) = response.audit_annotations.get("waived-by") {
        tracing::info!(
            uid = %request.uid, namespace = %request.namespace, name = %request.name, resource,
            operation = ?request.operation, user = %request.user_info.username, by = %by, trace, "waived"
        );
    }
    if let Some(status) = &response.status {
        tracing::info!(
            uid = %request.uid, namespace = %request.namespace, name = %request.name, resource,
            operation = ?request.operation, user = %request.user_info.username, code = status.code,
            why = %status.message, trace, "refused"
        );
    } else {
        tracing::debug!(
            uid = %request.uid, namespace = %request.namespace, name = %request.name, resource,
            operation = ?request.operation, user = %request.user_info.username,
            warnings = response.warnings.len(), trace, "allowed"
        );
    }
}
