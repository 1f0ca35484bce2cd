//! Where the API has the objects of an installation.

use ringfence_live::{Place, Resource};
use serde_json::Value;

/// The kinds that the chart has.
const KINDS: [Resource<'static>; 14] = [
    kind("v1", "namespaces", "Namespace"),
    kind("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition"),
    kind("v1", "serviceaccounts", "ServiceAccount"),
    kind("rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole"),
    kind("rbac.authorization.k8s.io/v1", "clusterrolebindings", "ClusterRoleBinding"),
    kind("rbac.authorization.k8s.io/v1", "roles", "Role"),
    kind("rbac.authorization.k8s.io/v1", "rolebindings", "RoleBinding"),
    kind("v1", "secrets", "Secret"),
    kind("v1", "configmaps", "ConfigMap"),
    kind("apps/v1", "deployments", "Deployment"),
    kind("policy/v1", "poddisruptionbudgets", "PodDisruptionBudget"),
    kind("v1", "services", "Service"),
    kind("networking.k8s.io/v1", "networkpolicies", "NetworkPolicy"),
    kind("admissionregistration.k8s.io/v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration"),
];
const MUTATING: Resource<'static> =
    kind("admissionregistration.k8s.io/v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration");

const fn kind(api_version: &'static str, plural: &'static str, kind: &'static str) -> Resource<'static> {
    Resource { api_version, plural, kind }
}

/// Where the object is; `None` if it is of a kind that no installation has.
pub(crate) fn place(object: &Value) -> Option<Place<'_>> {
    let resource = KINDS.into_iter().chain([MUTATING]).find(|known| object["kind"] == known.kind)?;
    let metadata = &object["metadata"];
    Some(Place { resource, namespace: metadata["namespace"].as_str(), name: metadata["name"].as_str()? })
}

/// Whether it is what makes an API server ask.
pub(crate) fn is_webhook(object: &Value) -> bool {
    object["kind"].as_str().is_some_and(|kind| kind.ends_with("WebhookConfiguration"))
}
