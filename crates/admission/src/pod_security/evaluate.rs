//! The judgement of one pod or template under the three modes of a policy.

use super::{
    LevelVersion, Mode, PodSecurity, Policy,
    extract::Template,
    response::{ENFORCED, ERROR, EXEMPT, VIOLATIONS, allowed, allowed_with, forbidden},
};
use crate::{
    field_error::{FieldError, aggregate},
    quote::Quoted,
    review::{AdmissionRequest, AdmissionResponse, Recorded},
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
            let text = (!verdict.allowed())
                .then(|| format!("violate PodSecurity {}: {}", Quoted(&by.to_string()), verdict.detail()));
            judged.push((by, text.clone()));
            text
        };
        let mut response = allowed();
        let mut recorded = Recorded { error: (!policy_errors.is_empty()).then_some(false), ..Recorded::default() };
        let refused = if enforce { complaint(policy.enforce) } else { None };
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
                response = forbidden(request, &text.replacen("violate", "violates", 1));
                if self.hints {
                    response.warnings = self.hints(request, policy.enforce, template);
                }
            }
            None => {
                if let Some(text) = complaint(policy.warn) {
                    recorded.evaluated(Mode::Warn, policy.warn, false);
                    response.warnings.push(format!("would {text}"));
                    if self.hints {
                        response.warnings.append(&mut self.hints(request, policy.warn, template));
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
