//! Requests that create or change a namespace: are its labels valid, and which of its pods would they refuse?

use super::{
    PodSecurity, Policy, Review,
    response::{allowed, bad_request, invalid},
};
use crate::{
    cluster::{Namespaces, Pods},
    decode::{decode, identify},
    review::{AdmissionRequest, AdmissionResponse, Operation},
};
use k8s_openapi::api::core::v1::Namespace;
use ringfence_pss::Level;
use serde_json::value::RawValue;

impl PodSecurity {
    pub(super) fn review_namespace<C: Namespaces + Pods + ?Sized>(
        &self,
        cluster: &C,
        request: &AdmissionRequest,
    ) -> Review {
        if !request.request_sub_resource.is_empty() {
            return allowed().into();
        }
        let new = match read(request, request.object.as_deref(), "object", "namespace") {
            Ok(namespace) => namespace,
            Err(response) => return (*response).into(),
        };
        let labels = new.metadata.labels.unwrap_or_default();
        let (policy, errors) = Policy::from_labels(&labels, &self.defaults);
        let name = new.metadata.name.unwrap_or_default();
        let exempt = || -> Review {
            let mut response = allowed();
            response.warnings.extend(self.exempt_namespace_warning(&name, &policy, &labels));
            response.into()
        };
        match request.operation {
            Operation::Create if !errors.is_empty() => invalid(request, &errors).into(),
            Operation::Create if self.exemptions.has_namespace(&request.namespace) => exempt(),
            Operation::Update => {
                // The API server says this with two spaces.
                let old = match read(request, request.old_object.as_deref(), " old object", " old namespace") {
                    Ok(namespace) => namespace,
                    Err(response) => return (*response).into(),
                };
                let (was, old_errors) = Policy::from_labels(&old.metadata.labels.unwrap_or_default(), &self.defaults);
                if !errors.is_empty() && errors != old_errors {
                    return invalid(request, &errors).into();
                }
                let (new, old) = (policy.enforce, was.enforce);
                let relaxed = new.version == old.version && new.level <= old.level;
                if new == old || new.level == Level::Privileged || relaxed {
                    return allowed().into();
                }
                if self.exemptions.has_namespace(&request.namespace) {
                    return exempt();
                }
                self.check_existing(cluster, &name, new)
            }
            _ => allowed().into(),
        }
    }
}

fn read(
    request: &AdmissionRequest,
    object: Option<&RawValue>,
    object_name: &str,
    namespace_name: &str,
) -> Result<Namespace, Box<AdmissionResponse>> {
    let not_one = || Box::new(bad_request(&format!("failed to decode {namespace_name}"), None));
    let json = object.ok_or_else(not_one)?.get();
    let failed = |error| Box::new(bad_request(&format!("failed to decode {object_name}"), Some(&error)));
    let gvk = identify(json, &request.kind).map_err(failed)?;
    if (gvk.group.as_str(), gvk.version.as_str(), gvk.kind.as_str()) == ("", "v1", "Namespace") {
        return decode(json).map_err(failed);
    }
    super::extract::read(gvk, json).map_err(failed)?;
    Err(not_one())
}
