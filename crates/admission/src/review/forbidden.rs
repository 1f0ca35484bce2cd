//! Refusals in somebody's words.

use super::{AdmissionRequest, AdmissionResponse, Details, Empty, Reason, Status};

/// Refuses what the request is about with code 403.
pub fn forbidden(request: &AdmissionRequest, message: String) -> AdmissionResponse {
    let (name, group, kind) = (request.name.clone(), request.resource.group.clone(), request.resource.resource.clone());
    let details = Some(Details { name, group, kind, causes: Vec::new() });
    let status =
        Status { metadata: Empty {}, status: "Failure", message, reason: Reason::Forbidden, details, code: 403 };
    AdmissionResponse { uid: request.uid.clone(), status: Some(status), ..AdmissionResponse::default() }
}

/// Refuses a request that makes no sense, with code 400.
pub fn bad_request(request: &AdmissionRequest, message: &str) -> AdmissionResponse {
    let message = message.to_owned();
    let status =
        Status { metadata: Empty {}, status: "Failure", message, reason: Reason::BadRequest, details: None, code: 400 };
    AdmissionResponse { uid: request.uid.clone(), status: Some(status), ..AdmissionResponse::default() }
}
