//! The fields at fault, and what to write instead, as warnings.

use super::{LevelVersion, PodSecurity, extract::Template};
use crate::review::AdmissionRequest;

/// More warnings than that help nobody; the API server cuts off what is too long altogether.
const MOST: usize = 8;

impl PodSecurity {
    /// A warning for each field: `spec.template.spec.hostNetwork is true: remove it`.
    pub(super) fn hints(&self, request: &AdmissionRequest, by: LevelVersion, template: Template<'_>) -> Vec<String> {
        let verdict = self.judge(by, template.metadata, template.spec);
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
