//! OpenShift's namespaces of run levels 0 and 1, which come up before the plugin for security context constraints does
//! and are therefore never subject to it.

use k8s_openapi::api::core::v1::Namespace;

const LABEL: &str = "openshift.io/run-level";
const BY_NAME: [&str; 6] = ["default", "kube-public", "kube-system", "openshift", "openshift-infra", "openshift-node"];

/// Whether security context constraints do not count in the namespace.
pub fn is_without_constraints(namespace: &Namespace) -> bool {
    let name = namespace.metadata.name.as_deref().unwrap_or_default();
    let level = namespace.metadata.labels.as_ref().and_then(|labels| labels.get(LABEL)).map(String::as_str);
    BY_NAME.contains(&name) || matches!(level, Some("0" | "1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn is_known_by_name_or_label() {
        let without = |name: &str, level: &str| {
            let namespace = json!({"metadata": {"name": name, "labels": {LABEL: level}}});
            is_without_constraints(&serde_json::from_value(namespace).unwrap())
        };
        assert!(without("default", "") && without("a", "0") && without("a", "1"));
        assert!(!without("a", "") && !without("a", "2") && !without("openshift-operators", ""));
    }
}
