//! Requests that create or change a pod.

use super::{
    PodSecurity, Policy,
    extract::{Extracted, Owned, Template, read},
    response::{EXEMPT, allowed, allowed_with, bad_request, internal_error, privileged},
    significant::is_significant,
};
use crate::{
    cluster::Namespaces,
    decode::{identify, sieve},
    field_error::FieldError,
    quote::Quoted,
    review::{AdmissionRequest, AdmissionResponse, GroupVersionResource, Operation},
    waiver::Waiving,
};
use k8s_openapi::api::core::v1::{Namespace, Pod, PodSpec};
use serde_json::value::RawValue;

/// Parts of a pod through which its spec cannot change. Any other part, even one of the future, is judged as a pod.
const IGNORED_SUBRESOURCES: [&str; 8] =
    ["exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"];

impl PodSecurity {
    /// Judges a pod that is made in the namespace, or changed there, for those who hold both already.
    pub fn admit_pod(&self, user: &str, namespace: &Namespace, pod: &Pod, old: Option<&Pod>) -> AdmissionResponse {
        let name = namespace.metadata.name.as_deref().unwrap_or_default();
        if self.exemptions.has_namespace(name) {
            return allowed_with(EXEMPT, "namespace");
        }
        if self.exemptions.has_user(user) {
            return allowed_with(EXEMPT, "user");
        }
        let (policy, errors) = self.policy_of(namespace);
        if errors.is_empty() && policy.is_privileged() {
            return privileged(policy.enforce);
        }
        let none = PodSpec::default();
        let spec = pod.spec.as_ref().unwrap_or(&none);
        if old.is_some_and(|old| !is_significant(spec, old.spec.as_ref().unwrap_or(&none))) {
            return allowed();
        }
        let metadata = &pod.metadata;
        let request = AdmissionRequest {
            resource: GroupVersionResource { group: String::new(), version: "v1".into(), resource: "pods".into() },
            namespace: name.to_owned(),
            name: metadata.name.clone().or_else(|| metadata.generate_name.clone()).unwrap_or_default(),
            ..AdmissionRequest::default()
        };
        self.evaluate(&request, &policy, &errors, Template { metadata, spec }, true, self.waiving.as_deref())
    }

    /// The policy of a namespace, and what is wrong with its labels.
    pub fn policy_of(&self, namespace: &Namespace) -> (Policy, Vec<FieldError>) {
        match &namespace.metadata.labels {
            Some(labels) => Policy::from_labels(labels, &self.defaults),
            None => (self.defaults, Vec::new()),
        }
    }

    pub(super) fn review_pod<C: Namespaces + ?Sized>(
        &self,
        cluster: &C,
        request: &AdmissionRequest,
        waiving: Option<&Waiving>,
    ) -> AdmissionResponse {
        if IGNORED_SUBRESOURCES.contains(&request.request_sub_resource.as_str()) {
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
                return internal_error(&format!("failed to lookup namespace {}", Quoted(&request.namespace)), &error);
            }
        };
        let (policy, errors) = self.policy_of(&namespace);
        if errors.is_empty() && policy.is_privileged() {
            return privileged(policy.enforce);
        }
        let pod = match read_pod(request, request.object.as_deref(), "object", "pod") {
            Ok(pod) => pod,
            Err(response) => return *response,
        };
        if request.operation == Operation::Update {
            let old = match read_pod(request, request.old_object.as_deref(), "old object", "old pod") {
                Ok(old) => old,
                Err(response) => return *response,
            };
            if !is_significant(&pod.spec, &old.spec) {
                return allowed();
            }
        }
        self.evaluate(request, &policy, &errors, pod.as_template(), true, waiving)
    }
}

fn read_pod(
    request: &AdmissionRequest,
    object: Option<&RawValue>,
    object_name: &str,
    pod_name: &str,
) -> Result<Box<Owned>, Box<AdmissionResponse>> {
    let not_a_pod = || Box::new(bad_request(&format!("failed to decode {pod_name}"), None));
    let json = object.ok_or_else(not_a_pod)?.get();
    // A pod that is well formed says, if anything, that it is one: there is nothing else to find out.
    if request.kind.is("", "v1", "Pod")
        && let Some(Pod { metadata, spec, .. }) = sieve::pod(json)
    {
        return Ok(Box::new(Owned { metadata, spec: spec.unwrap_or_default() }));
    }
    let read = identify(json, &request.kind).and_then(|gvk| {
        let is_pod = gvk.group.is_empty() && gvk.version == "v1" && gvk.kind == "Pod";
        Ok((is_pod, read(gvk, json)?))
    });
    match read {
        Ok((true, Extracted::Found(pod))) => Ok(pod),
        Ok(_) => Err(not_a_pod()),
        Err(error) => Err(Box::new(bad_request(&format!("failed to decode {object_name}"), Some(&error)))),
    }
}
