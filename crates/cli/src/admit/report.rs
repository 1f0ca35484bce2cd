//! What is said of an admission, as other programs read it.

use ringfence_admission::admit::Admission;
use serde::Serialize;

use super::filled_in::{Filled, filled_in};
use super::{Answer, Candidate, Judge, give, why_first};
use crate::admit::why::Why;
use ringfence_manifest::Workload;

/// The admission of an object's pods.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AdmissionReport {
    #[serde(flatten)]
    pub(crate) admission: Admission,
    /// Why the constraint that took the pod came first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<Why>,
    /// What that constraint filled in.
    pub(crate) filled_in: Vec<Filled>,
    /// The constraints that did not take it, the nearest first, if none did.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) candidates: Vec<Candidate>,
    /// The least right with which a constraint takes the pod as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) smallest_grant: Option<String>,
}

impl AdmissionReport {
    pub(crate) fn new(judge: &Judge<'_>, answer: &Answer, workload: &Workload) -> Self {
        let Answer { admission, before, near, .. } = answer;
        Self {
            why: why_first(judge, answer),
            filled_in: admission.scc.as_ref().map(|_| filled_in(before, &admission.pod)).unwrap_or_default(),
            candidates: near
                .iter()
                .map(|near| Candidate::new(near, &admission.pod, |field| workload.path(field)))
                .collect(),
            smallest_grant: answer
                .smallest_grant
                .as_ref()
                .map(|missing| format!("{}, once {}", missing.scc, give(missing))),
            admission: admission.clone(),
        }
    }
}
