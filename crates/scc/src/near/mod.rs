//! How near a refused pod was: for each SCC, the smallest change to the pod, the smallest grant, or both, that would
//! have had it admitted. Nothing is proposed that has not been tried.

mod answer;
mod change;
mod minimal;

use k8s_openapi::api::core::v1::{Pod, PodSpec};

use crate::access::{Access, Subject};
use crate::admit::{Candidates, REQUIRED_SCC};
use crate::order::score;
use crate::pod::{self, api_defaults};
use crate::provider::Provider;
use crate::violation::Violation;

pub use change::{Edit, apply};
pub use minimal::minimal_for;

use change::Change;

/// One SCC that did not take the pod.
#[derive(Debug, Clone, PartialEq)]
pub struct NearMiss {
    /// The SCC.
    pub scc: String,
    /// Its objections to the pod, whether or not it may be used.
    pub violations: Vec<Violation>,
    /// The right that is missing; `None` if the SCC may be used.
    pub grant: Option<MissingGrant>,
    /// The smallest change to the pod that leaves the SCC without objections; empty if it has none. `None` when no
    /// change helps.
    pub edits: Option<Vec<Edit>>,
}

/// A right to `use` an SCC in a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingGrant {
    /// The SCC.
    pub scc: String,
    /// The namespace that a role binding would have to be in.
    pub namespace: String,
    /// The pod's service account, or the user if the pod has none: the least that can be given it.
    pub subject: Subject,
}

impl Candidates {
    /// Every SCC that did not take the pod, the nearest first: those that may be used before those that may not, the
    /// lighter change (and the lesser right) before the heavier, then the order of trial. Empty when SCCs were not asked, or when the
    /// namespace or a broken SCC keeps every pod out.
    pub fn near_misses(&self, pod: &Pod, user: &Subject, access: &(impl Access + ?Sized)) -> Vec<NearMiss> {
        let required = pod::annotation(pod, REQUIRED_SCC).unwrap_or_default();
        let Ok(providers) = self.prepared(required) else { return Vec::new() };
        let defaulted = api_defaults(pod);
        let empty = PodSpec::default();
        let spec = defaulted.spec.as_ref().unwrap_or(&empty);
        let usable = self.usability(spec, user, access);
        let mut ranked: Vec<(bool, bool, u32, NearMiss)> = Vec::new();
        for provider in providers {
            let may_use = usable(&provider.scc).is_some();
            let violations = provider.try_on(&defaulted, spec).err().unwrap_or_default();
            if may_use && violations.is_empty() {
                continue;
            }
            let changes = if violations.is_empty() { Some(Vec::new()) } else { smallest_changes(provider, pod) };
            let weight = changes.iter().flatten().map(Change::weight).sum::<u32>() + grant_weight(may_use, provider);
            let near = NearMiss {
                scc: provider.scc.name().into(),
                violations,
                grant: (!may_use).then(|| self.missing_grant(provider, spec, user)),
                edits: changes.as_ref().map(|changes| change::edits(pod, changes)),
            };
            ranked.push((!may_use, changes.is_none(), weight, near));
        }
        ranked.sort_by_key(|(unusable, hopeless, weight, _)| (*unusable, *hopeless, *weight));
        ranked.into_iter().map(|(.., near)| near).collect()
    }

    /// The most restrictive SCC that would take the pod as it is, were it granted. Priority does not count here: the
    /// least right is wanted, not the first in line.
    pub fn smallest_grant(&self, pod: &Pod, user: &Subject, access: &(impl Access + ?Sized)) -> Option<MissingGrant> {
        let required = pod::annotation(pod, REQUIRED_SCC).unwrap_or_default();
        let defaulted = api_defaults(pod);
        let spec = defaulted.spec.as_ref()?;
        let usable = self.usability(spec, user, access);
        let fitting = self.prepared(required).ok()?.into_iter().filter(|p| p.try_on(&defaulted, spec).is_ok());
        let provider = fitting.min_by_key(|p| score(&p.scc))?;
        usable(&provider.scc).is_none().then(|| self.missing_grant(provider, spec, user))
    }

    fn missing_grant(&self, provider: &Provider, spec: &PodSpec, user: &Subject) -> MissingGrant {
        let account = pod::service_account(spec);
        let subject =
            if account.is_empty() { user.clone() } else { Subject::service_account(&self.namespace, account) };
        MissingGrant { scc: provider.scc.name().into(), namespace: self.namespace.clone(), subject }
    }
}

/// A right to much is no small matter, even where it would spare the pod every change.
fn grant_weight(may_use: bool, provider: &Provider) -> u32 {
    if may_use { 0 } else { u32::try_from(score(&provider.scc) / 100_000).unwrap_or(0) }
}

/// Answers objections until there are none, then takes back every answer that was not needed.
fn smallest_changes(provider: &Provider, pod: &Pod) -> Option<Vec<Change>> {
    let mut answers: Vec<Change> = Vec::new();
    while let Some(violations) = objections(provider, pod, &answers) {
        let before = answers.len();
        let so_far = with(pod, &answers);
        for violation in &violations {
            match Change::answering(violation, &so_far, &provider.scc) {
                Some(change) if !answers.contains(&change) => answers.push(change),
                _ => {}
            }
        }
        if answers.len() == before {
            return None;
        }
    }
    let mut i = 0;
    while i < answers.len() {
        let mut fewer = answers.clone();
        fewer.remove(i);
        if objections(provider, pod, &fewer).is_none() {
            answers = fewer;
        } else {
            i += 1;
        }
    }
    Some(answers)
}

fn with(pod: &Pod, changes: &[Change]) -> Pod {
    let mut pod = pod.clone();
    for change in changes {
        change.apply(&mut pod);
    }
    pod
}

/// What the SCC has against the pod after these changes; `None` if nothing.
fn objections(provider: &Provider, pod: &Pod, changes: &[Change]) -> Option<Vec<Violation>> {
    let after = with(pod, changes);
    let defaulted = api_defaults(&after);
    provider.try_on(&defaulted, defaulted.spec.as_ref()?).err()
}
