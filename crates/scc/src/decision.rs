//! What was decided, and every step to it.

use k8s_openapi::api::core::v1::Pod;

use crate::access::{Grant, SubjectType};
use crate::violation::Violation;

/// The answer for one pod.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Why SCCs were not asked at all; the pod is then let through untouched.
    pub skipped: Option<Skipped>,
    /// The SCC that took the pod.
    pub chosen: Option<String>,
    /// Whether the user's or the service account's right to the SCC counted.
    pub validated_by: Option<SubjectType>,
    /// That right.
    pub grant: Option<Grant>,
    /// The pod as it would be stored; as it came (with the API's defaults) if it is refused.
    pub pod: Pod,
    /// The SCCs in the order of trial, up to the one that took the pod.
    pub trials: Vec<Trial>,
    /// The API server's refusal; `None` if the pod is let through.
    pub message: Option<String>,
}

impl Decision {
    /// Whether the pod is let through.
    pub fn allowed(&self) -> bool {
        self.message.is_none()
    }
}

/// Why SCCs have no say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skipped {
    /// `spec.os.name` is `windows`.
    Windows,
    /// An update that changes neither the spec (scheduling gates aside) nor anything that matters in the metadata.
    Unchanged,
}

/// One SCC's turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The SCC.
    pub scc: String,
    /// What lets it be used, and on whose behalf; `None` if nothing does.
    pub usable: Option<(SubjectType, Grant)>,
    /// How the turn ended.
    pub outcome: Outcome,
}

/// How an SCC's turn ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Neither the user nor the service account may use it.
    NotUsable,
    /// It objects.
    Refused(Vec<Violation>),
    /// It has no objection once it has filled something in, which an update may not do.
    WouldMutate,
    /// It takes the pod.
    Admitted,
}

impl Trial {
    /// Its objections; none if it was not usable or had none.
    pub fn violations(&self) -> &[Violation] {
        match &self.outcome {
            Outcome::Refused(violations) => violations,
            _ => &[],
        }
    }
}
