//! The constraints of OpenShift itself, for a cluster whose dump has none.

use ringfence_admission::cluster::Builder;
use ringfence_scc::platform;
use serde_json::json;

/// Adds them, with their roles, and the bindings by which everybody may use the two restricted ones.
pub(super) fn add(builder: &mut Builder) {
    const SOURCE: &str = "the platform's defaults";
    for scc in platform::constraints() {
        let name = scc.name().to_owned();
        let role = platform::cluster_role(&name);
        if let Ok(value) = serde_json::to_value(scc) {
            let mut value = value;
            value["apiVersion"] = "security.openshift.io/v1".into();
            value["kind"] = "SecurityContextConstraints".into();
            builder.add(SOURCE, value);
        }
        builder.add(
            SOURCE,
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": role},
                "rules": [{"apiGroups": ["security.openshift.io"], "resources": ["securitycontextconstraints"],
                    "resourceNames": [name], "verbs": ["use"]}]}),
        );
        if platform::FOR_ALL_AUTHENTICATED.contains(&&*name) {
            builder.add(
                SOURCE,
                json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
                    "metadata": {"name": role},
                    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
                    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group",
                        "name": "system:authenticated"}]}),
            );
        }
    }
}
