//! The judgement of one pod or template under the three modes of a policy.

use super::{
    LevelVersion, Mode, PodSecurity, Policy,
    extract::Template,
    response::{ENFORCED, ERROR, EXEMPT, PARTLY, VIOLATIONS, WAIVED, WAIVER, allowed, allowed_with, forbidden},
};
use crate::{
    field_error::{FieldError, aggregate},
    quote::Quoted,
    review::{AdmissionRequest, AdmissionResponse, Recorded},
    waiver::{Cover, Used, Waiving},
};
use k8s_openapi::{api::core::v1::PodSpec, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use ringfence_pss::{Verdict, Version};

impl PodSecurity {
    /// What a level says of a pod here, where `latest` may be older than the newest version known.
    pub fn judge<'p>(&self, by: LevelVersion, metadata: &'p ObjectMeta, spec: &'p PodSpec) -> Verdict<'p> {
        ringfence_pss::evaluate(by.level, self.effective(by.version), metadata, spec)
    }

    /// The version that stands in for the one asked for.
    pub fn effective(&self, asked: Version) -> Version {
        self.latest.map_or(asked, |latest| latest.min(asked))
    }

    /// Judges a pod (`enforce`), or a template, of which only the audit and warn modes speak.
    pub(super) fn evaluate(
        &self,
        request: &AdmissionRequest,
        policy: &Policy,
        policy_errors: &[FieldError],
        template: Template<'_>,
        enforce: bool,
        waiving: Option<&Waiving>,
    ) -> AdmissionResponse {
        let Template { metadata, spec } = template;
        if self.exemptions.has_runtime_class(spec) {
            return allowed_with(EXEMPT, "runtimeClass");
        }
        let mut judged: Vec<(LevelVersion, Option<String>)> = Vec::with_capacity(3);
        let mut complaint = |by: LevelVersion| -> Option<String> {
            if let Some((_, known)) = judged.iter().find(|(other, _)| *other == by) {
                return known.clone();
            }
            let verdict = self.judge(by, metadata, spec);
            let text = (!verdict.allowed()).then(|| violates(by, &verdict));
            judged.push((by, text.clone()));
            text
        };
        let mut response = allowed();
        let mut recorded = Recorded { error: (!policy_errors.is_empty()).then_some(false), ..Recorded::default() };
        let mut refused = if enforce { complaint(policy.enforce) } else { None };
        let mut cover = None;
        // Only what is refused is looked at again.
        if let (Some(text), Some(waiving)) = (&refused, waiving) {
            let verdict = self.judge(policy.enforce, metadata, spec);
            let found = waiving.cover(&request.namespace, metadata, verdict);
            if !found.by.is_empty() {
                tell(&mut response, &found, text);
                refused = (!found.rest.allowed()).then(|| violates(policy.enforce, &found.rest));
                if refused.is_none() {
                    for id in found.by.iter().flat_map(|used| &used.controls) {
                        recorded.waived.add(id);
                    }
                }
                cover = Some(found);
            }
        }
        if enforce {
            recorded.evaluated(Mode::Enforce, policy.enforce, refused.is_none());
        }
        let noted = complaint(policy.audit);
        if noted.is_some() {
            recorded.evaluated(Mode::Audit, policy.audit, false);
        }
        match refused {
            // The API server writes "violates" for what is, and "would violate" for what might have been.
            Some(text) => {
                let AdmissionResponse { audit_annotations, warnings, .. } = response;
                response = forbidden(request, &text.replacen("violate", "violates", 1));
                (response.audit_annotations, response.warnings) = (audit_annotations, warnings);
                if self.hints {
                    let rest = cover.map_or_else(|| self.judge(policy.enforce, metadata, spec), |cover| cover.rest);
                    response.warnings.append(&mut Self::hints(request, &rest));
                }
            }
            // What is waived was told already.
            None if cover.is_some() && policy.warn == policy.enforce => {}
            None => {
                if let Some(text) = complaint(policy.warn) {
                    recorded.evaluated(Mode::Warn, policy.warn, false);
                    response.warnings.push(format!("would {text}"));
                    if self.hints {
                        let verdict = self.judge(policy.warn, metadata, spec);
                        response.warnings.append(&mut Self::hints(request, &verdict));
                    }
                }
            }
        }
        response.recorded = recorded;
        let audit = &mut response.audit_annotations;
        if !policy_errors.is_empty() {
            audit.insert(ERROR.into(), format!("Failed to parse policy: {}", aggregate(policy_errors)));
        }
        if enforce {
            audit.insert(ENFORCED.into(), policy.enforce.to_string());
        }
        if let Some(text) = noted {
            audit.insert(VIOLATIONS.into(), format!("would {text}"));
        }
        response
    }
}

/// `violate` is for what might have been; what is, `violates`.
fn violates(by: LevelVersion, verdict: &Verdict<'_>) -> String {
    format!("violate PodSecurity {}: {}", Quoted(&by.to_string()), verdict.detail())
}

/// Says what is waived, by whom and until when: to the one who asks, and to the audit log.
fn tell(response: &mut AdmissionResponse, cover: &Cover<'_>, text: &str) {
    let by: Vec<String> = cover.by.iter().map(Used::audit).collect();
    let key = if cover.rest.allowed() { WAIVER } else { PARTLY };
    response.audit_annotations.insert(key.into(), by.join("; "));
    response.audit_annotations.insert(WAIVED.into(), text.replacen("violate", "violates", 1));
    response.warnings.extend(cover.by.iter().map(Used::warning));
}
