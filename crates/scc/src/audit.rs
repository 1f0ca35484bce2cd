//! What the API server writes into its audit log about a creation.
//!
//! Upstream: the end of `computeSecurityContext` in `sccadmission/admission.go`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Pod, PodSpec};

use crate::access::{Access, Subject};
use crate::admit::Candidates;
use crate::decision::{Decision, Outcome};
use crate::go::{aggregate, quote};
use crate::order::why_before;
use crate::pod::api_defaults;

const PREFIX: &str = "securitycontextconstraints.admission.openshift.io";

impl Candidates {
    /// The audit annotations of a creation: which SCCs were denied, which were too restrictive and why, and why the
    /// chosen one came before the next that would have done. `pod` and `user` are those of the decision. Empty if
    /// SCCs were not asked.
    pub fn audit(
        &self,
        decision: &Decision,
        pod: &Pod,
        user: &Subject,
        access: &(impl Access + ?Sized),
    ) -> BTreeMap<String, String> {
        let mut out = BTreeMap::new();
        if decision.trials.is_empty() {
            return out;
        }
        let denied: Vec<&str> =
            decision.trials.iter().filter(|t| t.outcome == Outcome::NotUsable).map(|t| t.scc.as_str()).collect();
        // Upstream's prefix for this one is another word than for its siblings.
        out.insert("securityserviceconstraints.admission.openshift.io/denied".into(), denied.join(","));
        let mut too_restrictive = false;
        for trial in decision.trials.iter().filter(|t| !t.violations().is_empty()) {
            too_restrictive = true;
            let reason = aggregate(trial.violations().iter().map(ToString::to_string));
            out.insert(format!("{PREFIX}/too-restrictive-{}", trial.scc), reason);
        }
        let reason = match &decision.chosen {
            Some(chosen) => {
                out.insert(format!("{PREFIX}/chosen"), chosen.clone());
                self.why_chosen(chosen, decision.trials.len() == 1, pod, user, access)
            }
            None if too_restrictive => "all too restrictive or denied".into(),
            None => "all denied".into(),
        };
        out.insert(format!("{PREFIX}/reason"), reason);
        out
    }

    fn why_chosen(
        &self,
        chosen: &str,
        only_trial: bool,
        pod: &Pod,
        user: &Subject,
        access: &(impl Access + ?Sized),
    ) -> String {
        let alone = format!("{} is the only one not too restrictive and not denied", quote(chosen));
        let required = crate::pod::annotation(pod, crate::REQUIRED_SCC).is_some_and(|r| !r.is_empty());
        if required && only_trial {
            return alone;
        }
        let pod = api_defaults(pod);
        let empty = PodSpec::default();
        let spec = pod.spec.as_ref().unwrap_or(&empty);
        let usable = self.usability(spec, user, access);
        let mut candidates =
            self.providers.iter().filter_map(|(_, p)| p.as_ref().ok()).skip_while(|p| p.scc.name() != chosen);
        let Some(first) = candidates.next() else { return alone };
        match candidates.find(|p| usable(&p.scc).is_some() && p.try_on(&pod, spec).is_ok()) {
            None => alone,
            Some(next) => {
                let why = why_before(&first.scc, &next.scc).map(|w| w.to_string()).unwrap_or_default();
                let (first, next) = (quote(first.scc.name()), quote(next.scc.name()));
                format!("{first} is most restrictive, not denied, and chosen over {next} because {first} {why}")
            }
        }
    }
}
