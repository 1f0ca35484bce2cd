//! Security context constraints: filling in, and checking what is filled in.

use super::{AdmissionRequest, AdmissionResponse, Operation, Patch, bad_request, diff, forbidden, unjudged};
use crate::{
    admit::Pipeline,
    cluster::{Cluster, LookupError},
    decode::{DecodeError, decode},
    user::User,
};
use k8s_openapi::api::core::v1::Pod;
use ringfence_scc::{IGNORED_SUBRESOURCES, Operation as On};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Which of the two looks at a pod it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Chooses a constraint, and fills in what the pod leaves out.
    Mutate,
    /// Some constraint takes the pod as it is; who may enter it.
    Validate,
}

/// Answers a review of a pod by the constraints. `stored` is the pod that is entered, where one is.
pub fn constrain<C: Cluster>(
    pipeline: &Pipeline<C>,
    phase: Phase,
    request: &AdmissionRequest,
    stored: Option<&Pod>,
) -> AdmissionResponse {
    let user = User { name: request.user_info.username.clone(), groups: request.user_info.groups.clone() };
    let judged = match (request.operation, request.request_sub_resource.as_str()) {
        _ if !is_about_pods(request) => return allowed(request),
        (Operation::Connect, subresource @ ("exec" | "attach")) if phase == Phase::Validate => {
            return enter(pipeline, request, subresource, stored, &user);
        }
        (Operation::Create | Operation::Update, subresource) if !IGNORED_SUBRESOURCES.contains(&subresource) => {
            judge(pipeline, phase, request, subresource, &user)
        }
        _ => return allowed(request),
    };
    match judged {
        Ok(response) => response,
        Err(Failed::Decode(what, error)) => bad_request(request, &format!("failed to decode {what}: {error}")),
        Err(Failed::Lookup(error)) => unjudged(&request.uid, &error.to_string(), false),
    }
}

/// Whether the pod that is entered has to be looked up first.
pub fn needs_stored_pod(phase: Phase, request: &AdmissionRequest) -> bool {
    phase == Phase::Validate
        && is_about_pods(request)
        && request.operation == Operation::Connect
        && matches!(request.request_sub_resource.as_str(), "exec" | "attach")
}

fn is_about_pods(request: &AdmissionRequest) -> bool {
    request.resource.group.is_empty() && request.resource.resource == "pods"
}

enum Failed {
    Decode(&'static str, DecodeError),
    Lookup(LookupError),
}

fn judge<C: Cluster>(
    pipeline: &Pipeline<C>,
    phase: Phase,
    request: &AdmissionRequest,
    subresource: &str,
    user: &User,
) -> Result<AdmissionResponse, Failed> {
    let pod = read(request.object.as_deref(), "object")?;
    let old = match request.operation {
        Operation::Update => Some(read(request.old_object.as_deref(), "old object")?),
        _ => None,
    };
    // The second look at something new is whether any constraint takes it as it is.
    if phase == Phase::Validate && old.is_none() {
        let refusal = pipeline.recheck(&pod, &request.namespace, user).map_err(Failed::Lookup)?;
        return Ok(refusal.map_or_else(|| allowed(request), |message| forbidden(request, message)));
    }
    let operation = match &old {
        None => On::Create,
        Some(old) if subresource == "ephemeralcontainers" => On::UpdateEphemeralContainers { old },
        Some(old) => On::Update { old },
    };
    let constrained = pipeline.constrain(&pod, operation, &request.namespace, user).map_err(Failed::Lookup)?;
    let Some(constrained) = constrained else { return Ok(allowed(request)) };
    let decision = constrained.decision;
    let mut response = match decision.message {
        Some(message) => forbidden(request, message),
        None if phase == Phase::Mutate => {
            let json = |pod: &Pod| {
                serde_json::to_value(pod).map_err(|error| Failed::Decode("object", DecodeError::new(error.to_string())))
            };
            AdmissionResponse { patch: Patch::of(&diff(&json(&pod)?, &json(&decision.pod)?)), ..allowed(request) }
        }
        None => allowed(request),
    };
    response.audit_annotations = constrained.audit.into_iter().map(|(key, text)| (short(key), text)).collect();
    Ok(response)
}

/// The API server puts the webhook's name before the keys of audit annotations, which leaves no room for another.
fn short(key: String) -> Cow<'static, str> {
    match key.rsplit_once('/') {
        Some((_, key)) => key.to_owned().into(),
        None => key.into(),
    }
}

fn enter<C: Cluster>(
    pipeline: &Pipeline<C>,
    request: &AdmissionRequest,
    subresource: &str,
    stored: Option<&Pod>,
    user: &User,
) -> AdmissionResponse {
    let Some(pod) = stored else {
        let why = format!("pod {:?} of namespace {:?} cannot be found", request.name, request.namespace);
        return unjudged(&request.uid, &why, false);
    };
    match pipeline.enter(pod, subresource, &request.namespace, user) {
        Ok(()) => allowed(request),
        Err((_, message)) => forbidden(request, message),
    }
}

fn read(object: Option<&RawValue>, what: &'static str) -> Result<Pod, Failed> {
    let none = || Failed::Decode(what, DecodeError::new("there is none"));
    decode(object.ok_or_else(none)?.get()).map_err(|error| Failed::Decode(what, error))
}

fn allowed(request: &AdmissionRequest) -> AdmissionResponse {
    AdmissionResponse { uid: request.uid.clone(), allowed: true, ..AdmissionResponse::default() }
}
