//! The answer to a request that could not be judged.

use super::{AdmissionResponse, Details, Empty, Reason, Recorded, Status};

/// Refuses the request, or lets it through (`open`), and says which and why.
pub fn unjudged(uid: &str, why: &str, open: bool) -> AdmissionResponse {
    let response = AdmissionResponse {
        uid: uid.to_owned(),
        allowed: open,
        audit_annotations: [("error".into(), why.to_owned())].into(),
        recorded: Recorded::FAILED,
        ..AdmissionResponse::default()
    };
    if open {
        let warning = format!("not judged, and let through because this webhook fails open: {why}");
        return AdmissionResponse { warnings: vec![warning], ..response };
    }
    let status = Status {
        metadata: Empty {},
        status: "Failure",
        message: format!("not judged, and refused because this webhook fails closed: {why}"),
        reason: Reason::InternalError,
        details: Some(Details::default()),
        code: 500,
    };
    AdmissionResponse { status: Some(status), ..response }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_was_done_and_why() {
        let open = unjudged("u", "no cluster", true);
        assert!(open.allowed && open.status.is_none());
        assert_eq!(open.warnings, ["not judged, and let through because this webhook fails open: no cluster"]);
        let closed = unjudged("u", "no cluster", false);
        assert!(!closed.allowed && closed.warnings.is_empty());
        assert!(closed.status.unwrap().message.ends_with("fails closed: no cluster"));
    }
}
