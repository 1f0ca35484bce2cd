//! The answers that Pod Security gives, in the API server's words.

use super::{LevelVersion, Mode};
use crate::{
    field_error::{FieldError, aggregate},
    quote::Quoted,
    review::{AdmissionRequest, AdmissionResponse, Cause, Details, Empty, Reason, Recorded, Status},
};

/// The key of the audit annotation that says why nothing was judged.
pub(super) const EXEMPT: &str = "exempt";
/// The key of the audit annotation that says what was enforced.
pub(super) const ENFORCED: &str = "enforce-policy";
/// The key of the audit annotation that says what the audit mode objects to.
pub(super) const VIOLATIONS: &str = "audit-violations";
/// The key of the audit annotation that names the waivers because of which the request is let through.
pub(super) const WAIVER: &str = "waived-by";
/// The key of the audit annotation that names the waivers that were not enough.
pub(super) const PARTLY: &str = "partly-waived-by";
/// The key of the audit annotation that says what there was to waive.
pub(super) const WAIVED: &str = "waived-violations";
/// The key of the audit annotation that says what went wrong.
pub(super) const ERROR: &str = "error";

pub(super) fn allowed() -> AdmissionResponse {
    AdmissionResponse { allowed: true, ..AdmissionResponse::default() }
}

pub(super) fn allowed_with(key: &'static str, text: impl Into<String>) -> AdmissionResponse {
    let recorded = match key {
        EXEMPT => Recorded::EXEMPT,
        ERROR => Recorded::FAILED,
        _ => Recorded::default(),
    };
    AdmissionResponse { audit_annotations: [(key.into(), text.into())].into(), recorded, ..allowed() }
}

/// Nothing that the namespace's policy could object to.
pub(super) fn privileged(enforce: LevelVersion) -> AdmissionResponse {
    let mut response = allowed_with(ENFORCED, LevelVersion::PRIVILEGED.to_string());
    response.recorded.evaluated(Mode::Enforce, enforce, true);
    response
}

/// The pod violates the enforced level.
pub(super) fn forbidden(request: &AdmissionRequest, why: &str) -> AdmissionResponse {
    let message = forbidden_message(&request.resource.group, &request.resource.resource, &request.name, why);
    refused(status(
        403,
        Reason::Forbidden,
        message,
        Some(Details {
            name: request.name.clone(),
            group: request.resource.group.clone(),
            kind: request.resource.resource.clone(),
            causes: Vec::new(),
        }),
    ))
}

/// `pods "web" is forbidden: …`, with the group after the resource if there is one.
pub(crate) fn forbidden_message(group: &str, resource: &str, name: &str, why: &str) -> String {
    let dot = if group.is_empty() { "" } else { "." };
    match (resource, name) {
        ("", _) => format!("forbidden: {why}"),
        // The API server has still to generate a name.
        (_, "") => format!("{resource}{dot}{group} is forbidden: {why}"),
        _ => format!("{resource}{dot}{group} {} is forbidden: {why}", Quoted(name)),
    }
}

/// The namespace has labels that mean nothing.
pub(super) fn invalid(request: &AdmissionRequest, errors: &[FieldError]) -> AdmissionResponse {
    let kind = &request.kind;
    let dot = if kind.group.is_empty() { "" } else { "." };
    let message =
        format!("{}{dot}{} {} is invalid: {}", kind.kind, kind.group, Quoted(&request.name), aggregate(errors));
    let causes = errors
        .iter()
        .map(|error| Cause { reason: error.reason(), message: error.body(), field: error.field.clone() })
        .collect();
    let (name, group) = (request.name.clone(), kind.group.clone());
    refused(status(422, Reason::Invalid, message, Some(Details { name, group, kind: kind.kind.clone(), causes })))
}

/// The request makes no sense.
pub(super) fn bad_request(message: &str, cause: Option<&dyn std::fmt::Display>) -> AdmissionResponse {
    failed(status(400, Reason::BadRequest, message.to_owned(), None), cause)
}

/// The machinery failed.
pub(super) fn internal_error(what: &str, cause: &dyn std::fmt::Display) -> AdmissionResponse {
    let causes = vec![Cause { reason: "", message: what.to_owned(), field: String::new() }];
    let details = Details { causes, ..Details::default() };
    let message = format!("Internal error occurred: {what}");
    failed(status(500, Reason::InternalError, message, Some(details)), Some(cause))
}

fn failed(status: Status, cause: Option<&dyn std::fmt::Display>) -> AdmissionResponse {
    let text = match cause {
        Some(cause) => format!("{}: {cause}", status.message),
        None => status.message.clone(),
    };
    AdmissionResponse {
        audit_annotations: [(ERROR.into(), text)].into(),
        recorded: Recorded::FAILED,
        ..refused(status)
    }
}

fn refused(status: Status) -> AdmissionResponse {
    AdmissionResponse { allowed: false, status: Some(status), ..AdmissionResponse::default() }
}

fn status(code: u16, reason: Reason, message: String, details: Option<Details>) -> Status {
    Status { metadata: Empty {}, status: "Failure", message, reason, details, code }
}
