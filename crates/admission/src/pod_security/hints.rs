//! The fields at fault, and what to write instead, as warnings.

use super::PodSecurity;
use crate::review::AdmissionRequest;
use ringfence_pss::Verdict;

/// More warnings than that help nobody; the API server cuts off what is too long altogether.
const MOST: usize = 8;

impl PodSecurity {
    /// A warning for each field: `spec.template.spec.hostNetwork is true: remove it`.
    pub(super) fn hints(request: &AdmissionRequest, verdict: &Verdict<'_>) -> Vec<String> {
        let prefix = match request.kind.kind.as_str() {
            "Pod" => "",
            "PodTemplate" => "template.",
            "CronJob" => "spec.jobTemplate.spec.template.",
            _ => "spec.template.",
        };
        let findings = verdict.findings();
        let mut warnings: Vec<String> = Vec::with_capacity(findings.len().min(MOST) + 1);
        for finding in findings {
            let warning = format!("{prefix}{} is {}: {}", finding.path(), finding.value(), finding.hint().text);
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
        if let Some(more) = warnings.len().checked_sub(MOST).filter(|more| *more > 0) {
            warnings.truncate(MOST);
            warnings.push(format!("and {more} more fields"));
        }
        warnings
    }
}
