//! The counters of `k8s.io/pod-security-admission/metrics`, under the same names with the same labels.

use super::Counters;
use ringfence_admission::review::{AdmissionRequest, Operation, Recorded};
use ringfence_pss::{Level, Version};
use std::borrow::Cow;

#[derive(Debug)]
pub(crate) struct PodSecurityMetrics {
    evaluations: Counters<7>,
    exemptions: Counters<3>,
    errors: Counters<4>,
}

impl Default for PodSecurityMetrics {
    fn default() -> Self {
        Self {
            evaluations: Counters::new(
                "pod_security_evaluations_total",
                "[ALPHA] Number of policy evaluations that occurred, not counting ignored or exempt requests.",
                ["decision", "policy_level", "policy_version", "mode", "request_operation", "resource", "subresource"],
            ),
            exemptions: Counters::new(
                "pod_security_exemptions_total",
                "[ALPHA] Number of exempt requests, not counting ignored or out of scope requests.",
                ["request_operation", "resource", "subresource"],
            ),
            errors: Counters::new(
                "pod_security_errors_total",
                "[ALPHA] Number of errors preventing normal evaluation. Non-fatal errors may result in the latest \
                 restricted profile being used for evaluation.",
                ["fatal", "request_operation", "resource", "subresource"],
            ),
        }
    }
}

impl PodSecurityMetrics {
    pub(crate) fn record(&self, request: &AdmissionRequest, recorded: &Recorded) {
        let operation = match request.operation {
            Operation::Create => "create",
            Operation::Update => "update",
            Operation::Delete => "delete",
            Operation::Connect => "connect",
            Operation::Other => "",
        };
        let resource = match (request.resource.group.as_str(), request.resource.resource.as_str()) {
            ("", "pods") => "pod",
            ("", "namespaces") => "namespace",
            _ => "controller",
        };
        let subresource = || match request.request_sub_resource.as_str() {
            "" => Cow::Borrowed(""),
            // Nearly always the only other that is judged.
            "ephemeralcontainers" => Cow::Borrowed("ephemeralcontainers"),
            other => Cow::Owned(other.chars().take(64).collect()),
        };
        for evaluation in recorded.evaluations.iter().flatten() {
            self.evaluations.add([
                if evaluation.allowed { "allow" } else { "deny" }.into(),
                evaluation.by.level.as_str().into(),
                version(evaluation.by.level, evaluation.by.version),
                evaluation.mode.as_str().into(),
                operation.into(),
                resource.into(),
                subresource(),
            ]);
        }
        if recorded.exempt {
            self.exemptions.add([operation.into(), resource.into(), subresource()]);
        }
        if let Some(fatal) = recorded.error {
            let fatal = if fatal { "true" } else { "false" };
            self.errors.add([fatal.into(), operation.into(), resource.into(), subresource()]);
        }
    }

    pub(crate) fn render(&self, out: &mut String) {
        self.evaluations.render(out);
        self.exemptions.render(out);
        self.errors.render(out);
    }
}

/// Versions that do not exist yet are one label, and the privileged level has no version to speak of.
fn version(level: Level, version: Version) -> Cow<'static, str> {
    if level == Level::Privileged || version == Version::LATEST {
        "latest".into()
    } else if version > ringfence_pss::NEWEST {
        "future".into()
    } else {
        version.to_string().into()
    }
}
