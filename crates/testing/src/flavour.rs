//! Plain Kubernetes, or OpenShift.

use serde_json::{Value, json};

/// Which API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// Kubernetes as it is.
    Kubernetes,
    /// OpenShift's: a kube-apiserver that has security context constraints among its admission plugins. A plain one
    /// cannot be started so.
    OpenShift,
}

impl Flavour {
    /// The configuration file of OpenShift's server, which is given beside the usual arguments.
    pub(crate) fn config(self, port: u16, key_file: &str) -> Option<Value> {
        (self == Self::OpenShift).then(|| {
            json!({"apiVersion": "kubecontrolplane.config.openshift.io/v1", "kind": "KubeAPIServerConfig",
            "servicesSubnet": "10.3.0.0/24", "serviceAccountPublicKeyFiles": [key_file],
            "servingInfo": {"bindAddress": format!("127.0.0.1:{port}"), "bindNetwork": "tcp4"},
            "apiServerArguments": {
                "authorization-mode": ["SystemMasters", "RBAC"],
                // These want objects that only a whole OpenShift has.
                "disable-admission-plugins": [
                    "authorization.openshift.io/RestrictSubjectBindings",
                    "authorization.openshift.io/ValidateRoleBindingRestriction",
                    "autoscaling.openshift.io/ClusterResourceOverride",
                    "autoscaling.openshift.io/ManagementCPUsOverride",
                    "autoscaling.openshift.io/MixedCPUs",
                    "image.openshift.io/ImagePolicy",
                    "quota.openshift.io/ClusterResourceQuota",
                ],
            }})
        })
    }

    /// What the server has to be told before it admits anything.
    pub(crate) fn first_objects(self) -> Vec<Value> {
        if self == Self::OpenShift { vec![constraints()] } else { Vec::new() }
    }
}

/// Security context constraints as a resource, whatever is in them.
pub(crate) fn constraints() -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "securitycontextconstraints.security.openshift.io"},
        "spec": {"group": "security.openshift.io", "scope": "Cluster",
            "names": {"kind": "SecurityContextConstraints", "listKind": "SecurityContextConstraintsList",
                "plural": "securitycontextconstraints", "singular": "securitycontextconstraints"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema":
                {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}})
}
