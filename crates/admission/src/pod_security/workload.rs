//! Requests that create or change something that makes pods. They are let through always; what their pods would meet
//! is told in warnings and audit annotations.

use super::{
    PodSecurity, Policy,
    extract::{Extracted, Template, read},
    response::{ERROR, EXEMPT, allowed, allowed_with},
};
use crate::{
    cluster::Namespaces,
    decode::identify,
    quote::Quoted,
    review::{AdmissionRequest, AdmissionResponse},
};
use k8s_openapi::api::core::v1::Namespace;
use ringfence_pss::Level;

impl PodSecurity {
    /// What is said of a workload that is made or changed in the namespace, for those who hold both already.
    pub fn admit_template(&self, user: &str, namespace: &Namespace, template: Template<'_>) -> AdmissionResponse {
        let name = namespace.metadata.name.as_deref().unwrap_or_default();
        if self.exemptions.has_namespace(name) {
            return allowed_with(EXEMPT, "namespace");
        }
        if self.exemptions.has_user(user) {
            return allowed_with(EXEMPT, "user");
        }
        let (policy, errors) = self.policy_of(namespace);
        if errors.is_empty() && is_silent(&policy) {
            return allowed();
        }
        self.evaluate(&AdmissionRequest::default(), &policy, &errors, template, false, None)
    }

    pub(super) fn review_workload<C: Namespaces + ?Sized>(
        &self,
        cluster: &C,
        request: &AdmissionRequest,
    ) -> AdmissionResponse {
        if !request.request_sub_resource.is_empty() {
            return allowed();
        }
        if self.exemptions.has_namespace(&request.namespace) {
            return allowed_with(EXEMPT, "namespace");
        }
        if self.exemptions.has_user(&request.user_info.username) {
            return allowed_with(EXEMPT, "user");
        }
        let namespace = match cluster.namespace(&request.namespace) {
            Ok(namespace) => namespace,
            Err(error) => {
                let text = format!("failed to lookup namespace {}: {error}", Quoted(&request.namespace));
                return allowed_with(ERROR, text);
            }
        };
        let (policy, errors) = self.policy_of(&namespace);
        if errors.is_empty() && is_silent(&policy) {
            return allowed();
        }
        // Without an object, as when one is deleted, there is nothing to judge.
        let Some(object) = request.object.as_deref() else { return allowed() };
        let json = object.get();
        match identify(json, &request.kind).and_then(|gvk| read(gvk, json)) {
            Ok(Extracted::Found(template)) => {
                self.evaluate(request, &policy, &errors, template.as_template(), false, None)
            }
            Ok(Extracted::Without) => allowed(),
            Ok(Extracted::Foreign(gvk)) => {
                allowed_with(ERROR, format!("failed to extract pod template: unexpected object type: {gvk}"))
            }
            Err(error) => allowed_with(ERROR, format!("failed to decode object: {error}")),
        }
    }
}

/// Whether neither audit nor warn could object to anything.
fn is_silent(policy: &Policy) -> bool {
    policy.warn.level == Level::Privileged && policy.audit.level == Level::Privileged
}
