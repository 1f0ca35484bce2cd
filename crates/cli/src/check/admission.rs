//! From a cluster's refusal to reports that point into the manifest.

use ringfence_admission::admit::Plugin;
use ringfence_admission::cluster::Namespaces as _;
use ringfence_manifest::Workload;

use super::judge::{Input, pss_diagnostic};
use super::{Standard, Versions};
use crate::admit::{AdmissionReport, Answer, Candidate, plain_violation};
use crate::diagnostic::Diagnostic;

/// How many constraints a report tells of.
const MOST_CANDIDATES: usize = 5;

impl Input<'_> {
    /// What people are told of a refusal, at the fields in the way.
    pub(super) fn refusal(
        &self,
        workload: &Workload,
        title: &str,
        answer: &Answer,
        report: &AdmissionReport,
    ) -> Vec<Diagnostic> {
        match answer.admission.by {
            None => vec![],
            Some(Plugin::SecurityContextConstraints) => self.constraints(workload, title, answer, report),
            Some(Plugin::PodSecurity) => self.pod_security(workload, title, answer),
            Some(Plugin::ServiceAccount) => vec![self.plain(workload, title, answer, "spec.serviceAccountName")],
            Some(Plugin::NamespaceLifecycle) => {
                let mut diagnostic = self.plain(workload, title, answer, "");
                diagnostic.field = crate::pods::object_path(workload, "metadata.namespace");
                diagnostic.place = self.place(&diagnostic.field);
                vec![diagnostic]
            }
        }
    }

    fn plain(&self, workload: &Workload, title: &str, answer: &Answer, field: &str) -> Diagnostic {
        let by = answer.admission.by.map(|by| by.to_string()).unwrap_or_default();
        let field = workload.path(field);
        Diagnostic {
            message: answer.admission.message.clone().unwrap_or_default(),
            object: title.to_owned(),
            place: self.place(&field),
            label: format!("refused by {by}"),
            code: by,
            field,
            help: vec![],
        }
    }

    /// One for each field that the nearest constraint objects to; the first says what would help.
    fn constraints(
        &self,
        workload: &Workload,
        title: &str,
        answer: &Answer,
        report: &AdmissionReport,
    ) -> Vec<Diagnostic> {
        let mut help: Vec<String> = report.candidates.iter().take(MOST_CANDIDATES).map(Candidate::advice).collect();
        if let Some(more) = report.candidates.len().checked_sub(MOST_CANDIDATES).filter(|more| *more > 0) {
            help.push(format!("{more} more are further off; `ringfence scc why NAME` tells of any"));
        }
        if let Some(grant) = &report.smallest_grant {
            help.push(format!("as it is, the least that takes it is {grant}"));
        }
        let Some(nearest) = answer.near.first() else {
            return vec![self.plain(workload, title, answer, "")];
        };
        let mut diagnostics: Vec<Diagnostic> = Vec::new();
        for violation in &nearest.violations {
            let field = workload.path(&violation.field);
            if diagnostics.iter().any(|known| known.field == field) {
                continue;
            }
            diagnostics.push(Diagnostic {
                code: format!("scc-{}", violation.control.field()),
                message: format!("no security context constraint takes it; nearest is {}", nearest.scc),
                object: title.to_owned(),
                place: self.place(&field),
                label: plain_violation(violation),
                field,
                help: std::mem::take(&mut help),
            });
        }
        if diagnostics.is_empty() {
            let mut diagnostic = self.plain(workload, title, answer, "spec.serviceAccountName");
            "scc-use".clone_into(&mut diagnostic.code);
            diagnostic.message =
                format!("no security context constraint that may be used takes it; nearest is {}", nearest.scc);
            diagnostic.label = format!("{} may not be used", nearest.scc);
            diagnostic.help = help;
            diagnostics.push(diagnostic);
        }
        diagnostics
    }

    /// What the enforced level has against the pod as constraints left it.
    fn pod_security(&self, workload: &Workload, title: &str, answer: &Answer) -> Vec<Diagnostic> {
        let plain = || vec![self.plain(workload, title, answer, "")];
        let Some(judge) = self.judge else { return plain() };
        let (pod_security, pod) = (judge.admitter().pod_security(), &answer.admission.pod);
        let namespace = judge.cluster().namespace(judge.namespace_of(workload));
        let policy = namespace.map_or_else(|_| pod_security.defaults(), |found| pod_security.policy_of(&found).0);
        let Some(spec) = &pod.spec else { return plain() };
        let verdict = pod_security.judge(policy.enforce, &pod.metadata, spec);
        let verdict = match pod_security.waiving() {
            // The places of what is waived are not in the way.
            Some(waiving) => waiving.cover(judge.namespace_of(workload), &pod.metadata, verdict).rest,
            None => verdict,
        };
        let standard = Standard { level: policy.enforce.level, versions: Versions::One(policy.enforce.version) };
        let mut diagnostics: Vec<Diagnostic> = Vec::new();
        for finding in verdict.findings() {
            let field = workload.path(&finding.path());
            if !diagnostics.iter().any(|known| known.code == finding.control().id && known.field == field) {
                let place = self.place(&field);
                diagnostics.push(pss_diagnostic(finding, field, place, title, standard, workload));
            }
        }
        if diagnostics.is_empty() { plain() } else { diagnostics }
    }
}
