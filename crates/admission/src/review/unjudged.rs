//! Answers that are not the judgement itself: what could not be judged, and what is only advised.

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

/// Lets a refused request through, with the refusal as a warning and in the audit annotation `would-refuse`.
pub fn advised(mut refused: AdmissionResponse) -> AdmissionResponse {
    if let Some(status) = refused.status.take() {
        refused.allowed = true;
        refused.warnings.insert(0, format!("would be refused: {}", status.message));
        refused.audit_annotations.insert("would-refuse".into(), status.message);
    }
    refused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_lets_through_and_keeps_the_reason() {
        let advised = advised(unjudged("u", "no cluster", false));
        assert!(advised.allowed && advised.status.is_none());
        assert!(advised.warnings[0].starts_with("would be refused: not judged"));
        assert!(advised.audit_annotations["would-refuse"].ends_with("no cluster"));
    }

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
