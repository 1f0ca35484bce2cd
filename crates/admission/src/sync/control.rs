//! Which namespaces the synchroniser looks after.

use super::{
    CONTROL_LABEL,
    level::LABELS,
    owner::{Owner, Owners},
};
use k8s_openapi::api::core::v1::Namespace;
use serde::Serialize;

/// Namespaces of Kubernetes and of OpenShift's own payload, which are left alone for good. `openshift-operators` is
/// not among them, because users install operators there.
const PAYLOAD: [&str; 65] = [
    "default",
    "kube-node-lease",
    "kube-public",
    "kube-system",
    "openshift",
    "openshift-apiserver",
    "openshift-apiserver-operator",
    "openshift-authentication",
    "openshift-authentication-operator",
    "openshift-cloud-controller-manager",
    "openshift-cloud-controller-manager-operator",
    "openshift-cloud-credential-operator",
    "openshift-cloud-network-config-controller",
    "openshift-cluster-csi-drivers",
    "openshift-cluster-machine-approver",
    "openshift-cluster-node-tuning-operator",
    "openshift-cluster-samples-operator",
    "openshift-cluster-storage-operator",
    "openshift-cluster-version",
    "openshift-config",
    "openshift-config-managed",
    "openshift-config-operator",
    "openshift-console",
    "openshift-console-operator",
    "openshift-console-user-settings",
    "openshift-controller-manager",
    "openshift-controller-manager-operator",
    "openshift-dns",
    "openshift-dns-operator",
    "openshift-etcd",
    "openshift-etcd-operator",
    "openshift-host-network",
    "openshift-image-registry",
    "openshift-infra",
    "openshift-ingress",
    "openshift-ingress-canary",
    "openshift-ingress-operator",
    "openshift-insights",
    "openshift-kni-infra",
    "openshift-kube-apiserver",
    "openshift-kube-apiserver-operator",
    "openshift-kube-controller-manager",
    "openshift-kube-controller-manager-operator",
    "openshift-kube-scheduler",
    "openshift-kube-scheduler-operator",
    "openshift-kube-storage-version-migrator",
    "openshift-kube-storage-version-migrator-operator",
    "openshift-machine-api",
    "openshift-machine-config-operator",
    "openshift-marketplace",
    "openshift-monitoring",
    "openshift-multus",
    "openshift-network-diagnostics",
    "openshift-network-operator",
    "openshift-node",
    "openshift-nutanix-infra",
    "openshift-oauth-apiserver",
    "openshift-openstack-infra",
    "openshift-operator-lifecycle-manager",
    "openshift-ovirt-infra",
    "openshift-sdn",
    "openshift-service-ca",
    "openshift-service-ca-operator",
    "openshift-user-workload-monitoring",
    "openshift-vsphere-infra",
];

/// Why the synchroniser leaves a namespace alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "why")]
pub enum Uncontrolled {
    /// It is part of the platform.
    Payload,
    /// Its name begins with `openshift-`, and it does not ask for synchronisation.
    OpenShiftPrefix,
    /// It asks to be left alone.
    OptedOut,
    /// Every label was set by somebody else.
    LabelsOwnedByOthers,
    /// Who set its labels is not to be read.
    BadManagedFields,
}

/// Whether the namespace is one of the platform's own.
pub fn is_payload_namespace(name: &str) -> bool {
    PAYLOAD.binary_search(&name).is_ok()
}

/// Whether an operator in the namespace makes it ask for synchronisation: it is the user's, though it is called
/// `openshift-…`, and says nothing itself.
pub(super) fn is_started_by_operator(namespace: &Namespace) -> bool {
    let name = namespace.metadata.name.as_deref().unwrap_or_default();
    let asked = namespace.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(CONTROL_LABEL));
    name.starts_with("openshift-") && !is_payload_namespace(name) && !asked
}

/// Whether the synchroniser looks after the namespace; the value of the control label is given apart, since an operator
/// may have set it.
pub(super) fn controlled(namespace: &Namespace, control: Option<&str>) -> Result<(), Uncontrolled> {
    let name = namespace.metadata.name.as_deref().unwrap_or_default();
    if is_payload_namespace(name) {
        return Err(Uncontrolled::Payload);
    }
    if control == Some("true") {
        return Ok(());
    }
    if name.starts_with("openshift-") {
        return Err(Uncontrolled::OpenShiftPrefix);
    }
    let owners = Owners::read(&namespace.metadata).map_err(|_| Uncontrolled::BadManagedFields)?;
    let is_set = |label: &str| namespace.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(label));
    let free = |label: &&str| !is_set(label) || !matches!(owners.of(label), Owner::Other(_));
    if !LABELS.iter().any(free) {
        return Err(Uncontrolled::LabelsOwnedByOthers);
    }
    if control == Some("false") { Err(Uncontrolled::OptedOut) } else { Ok(()) }
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "JSON written in place reads best without a reference before it")]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn namespace(name: &str, labels: Value, owned: Value) -> Namespace {
        serde_json::from_value(json!({"metadata": {"name": name, "labels": labels,
            "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:metadata": {"f:labels": owned}}}]}}))
        .unwrap()
    }

    fn of(namespace: &Namespace) -> Result<(), Uncontrolled> {
        let label = namespace.metadata.labels.as_ref().and_then(|labels| labels.get(CONTROL_LABEL));
        controlled(namespace, label.map(String::as_str))
    }

    #[test]
    fn the_list_is_sorted_for_the_search() {
        assert!(PAYLOAD.is_sorted());
        assert!(is_payload_namespace("kube-system") && !is_payload_namespace("openshift-operators"));
    }

    #[test]
    fn the_platforms_own_namespaces_cannot_ask() {
        let asks = json!({CONTROL_LABEL: "true"});
        assert_eq!(of(&namespace("openshift-monitoring", asks.clone(), json!({}))), Err(Uncontrolled::Payload));
        assert_eq!(of(&namespace("openshift-mine", asks.clone(), json!({}))), Ok(()));
        assert_eq!(of(&namespace("openshift-operators", asks, json!({}))), Ok(()));
    }

    #[test]
    fn names_like_openshifts_must_ask_and_only_true_is_asking() {
        for value in ["True", "", "yes", "false"] {
            assert_eq!(
                of(&namespace("openshift-mine", json!({CONTROL_LABEL: value}), json!({}))),
                Err(Uncontrolled::OpenShiftPrefix)
            );
        }
    }

    #[test]
    fn others_may_opt_out_and_only_false_is_opting_out() {
        assert_eq!(of(&namespace("app", json!({CONTROL_LABEL: "false"}), json!({}))), Err(Uncontrolled::OptedOut));
        assert_eq!(of(&namespace("app", json!({CONTROL_LABEL: "False"}), json!({}))), Ok(()));
        assert_eq!(of(&namespace("app", json!({}), json!({}))), Ok(()));
    }

    #[test]
    fn a_namespace_all_of_whose_labels_are_somebody_elses_is_left_alone() {
        let labels: Value = LABELS.iter().map(|label| ((*label).to_owned(), json!("x"))).collect();
        let mut owned: Value = LABELS.iter().map(|label| (format!("f:{label}"), json!({}))).collect();
        assert_eq!(of(&namespace("app", labels.clone(), owned.clone())), Err(Uncontrolled::LabelsOwnedByOthers));
        owned.as_object_mut().unwrap().remove(&format!("f:{}", LABELS[0]));
        assert_eq!(of(&namespace("app", labels, owned)), Ok(()));
    }

    #[test]
    fn an_operator_starts_only_namespaces_that_say_nothing() {
        assert!(is_started_by_operator(&namespace("openshift-mine", json!({}), json!({}))));
        assert!(!is_started_by_operator(&namespace("openshift-mine", json!({CONTROL_LABEL: "false"}), json!({}))));
        assert!(!is_started_by_operator(&namespace("openshift-monitoring", json!({}), json!({}))));
        assert!(!is_started_by_operator(&namespace("app", json!({}), json!({}))));
    }
}
