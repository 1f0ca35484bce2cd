//! Why the constraint that took a pod came first.

use ringfence_admission::explain::because;
use ringfence_scc::{Outcome, Trial};
use serde::Serialize;

use super::{Answer, Judge, subject};

/// Why a constraint came first.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Why {
    /// The constraints that were asked before it, and what became of them.
    pub(crate) before: Vec<Before>,
    /// The next constraint that would have taken the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<Next>,
}

/// A constraint that was asked in vain.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Before {
    pub(crate) scc: String,
    /// `not usable` or `refused`.
    pub(crate) outcome: &'static str,
    /// The fields in the way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) fields: Vec<String>,
}

/// A constraint that would have done.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Next {
    pub(crate) scc: String,
    /// Why the chosen one comes before it.
    pub(crate) because: String,
}

/// The turns before the chosen constraint's, and the reason for which it came before the next that would do.
pub(crate) fn why_first(judge: &Judge<'_>, answer: &Answer) -> Option<Why> {
    let admission = &answer.admission;
    let chosen = admission.scc.as_ref()?;
    let decision = admission.decision.as_ref()?;
    let before = decision.trials.iter().filter(|trial| trial.scc != *chosen).map(in_vain).collect();
    let trials = answer.candidates.as_ref()?.trials(&answer.before, &subject(&admission.user), &judge.access());
    let mut later = trials.iter().skip_while(|trial| trial.scc != *chosen).skip(1);
    let next = later.find(|trial| trial.usable.is_some() && trial.outcome == Outcome::Admitted);
    let next =
        next.map(|next| Next { scc: next.scc.clone(), because: because(judge.admitter().engine(), chosen, &next.scc) });
    Some(Why { before, next })
}

fn in_vain(trial: &Trial) -> Before {
    let outcome = if trial.outcome == Outcome::NotUsable { "not usable" } else { "refused" };
    let mut fields: Vec<String> = trial.violations().iter().map(|violation| violation.field.clone()).collect();
    fields.dedup();
    Before { scc: trial.scc.clone(), outcome, fields }
}
