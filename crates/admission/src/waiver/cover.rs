//! Which findings of a pod are waived, and by whom.

use super::{
    object::Waiver,
    set::{State, Waivers},
    subject::Maker,
};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::ObjectMeta, jiff::Timestamp};
use ringfence_pss::{CONTROLS, Finding, Verdict};
use std::sync::Arc;

/// Waivers at a moment.
#[derive(Debug, Clone)]
pub struct Waiving {
    /// The waivers.
    pub waivers: Arc<Waivers>,
    /// The moment.
    pub now: Timestamp,
}

/// What waivers make of a verdict.
#[derive(Debug, Clone)]
pub struct Cover<'p> {
    /// What is not waived.
    pub rest: Verdict<'p>,
    /// The waivers that cover something, by name.
    pub by: Vec<Used>,
}

/// A waiver, and what of a pod it covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// The waiver.
    pub waiver: Arc<Waiver>,
    /// The controls of which it covers something, in the order of the standard.
    pub controls: Vec<&'static str>,
}

impl Waiving {
    /// Takes away from a verdict what is waived for the pod. Each finding is waived by the waiver that lasts longest.
    pub fn cover<'p>(&self, namespace: &str, pod: &ObjectMeta, verdict: Verdict<'p>) -> Cover<'p> {
        let about = self.waivers.about(namespace);
        let matching: Vec<&Arc<Waiver>> = about
            .iter()
            .filter(|waiver| waiver.is_about(pod) && self.waivers.state(waiver, self.now) == State::Valid)
            .collect();
        let mut by: Vec<Used> = Vec::new();
        let rest = verdict.retain(|finding| {
            let Some(waiver) = matching.iter().find(|waiver| waiver.covers(finding)) else { return true };
            let control = finding.control().id;
            match by.iter_mut().find(|used| Arc::ptr_eq(&used.waiver, waiver)) {
                Some(used) if used.controls.contains(&control) => {}
                Some(used) => used.controls.push(control),
                None => by.push(Used { waiver: Arc::clone(waiver), controls: vec![control] }),
            }
            false
        });
        by.sort_by(|a, b| a.waiver.name.cmp(&b.waiver.name));
        for used in &mut by {
            used.controls.sort_by_key(|id| CONTROLS.iter().position(|control| control.id == *id));
        }
        Cover { rest, by }
    }
}

impl Waiver {
    /// Whether the pod is of the workload.
    pub fn is_about(&self, pod: &ObjectMeta) -> bool {
        let made = self.workload.maker.as_ref().is_none_or(|(kind, name)| Maker::is(pod, kind, name));
        made && self.workload.selector.as_ref().is_none_or(|selector| selector.matches(pod.labels.as_ref()))
    }

    /// Whether it is about the control, and the container or the pod's own fields.
    pub fn covers(&self, finding: &Finding<'_>) -> bool {
        let place = match finding.container() {
            None => self.pod_fields,
            Some(container) => self.containers.iter().any(|name| name == "*" || name == container.name()),
        };
        place && self.controls.contains(&finding.control().id)
    }
}

impl Used {
    /// For whoever made the request: `waived until … by waiver "…" of …: hostNamespaces, privileged`.
    pub fn warning(&self) -> String {
        let waiver = &self.waiver;
        format!(
            "waived until {} by waiver {:?} of {}: {}",
            waiver.expires,
            waiver.title(),
            waiver.owner,
            self.controls.join(", ")
        )
    }

    /// For the audit log, with the reason.
    pub fn audit(&self) -> String {
        let waiver = &self.waiver;
        let (title, owner, reason) = (waiver.title(), &waiver.owner, &waiver.reason);
        format!("{title} of {owner} until {}: {} ({reason})", waiver.expires, self.controls.join(", "))
    }
}
