//! The security context constraint of Redis Enterprise's privileged mode.

use serde_json::{Value, json};

use crate::redis::{SCC, UID};

/// Its name.
pub fn redis_enterprise_scc_name() -> &'static str {
    SCC
}

/// The constraint, with the values that Redis publishes (`openshift/scc.yaml` of redis-enterprise-k8s-docs).
pub fn redis_enterprise_scc() -> Value {
    let description = "Redis Enterprise nodes in privileged mode: as restricted-v2, and SYS_RESOURCE may be added, for \
                       raising limits on open files; user and file group are those of the image";
    json!({
        "apiVersion": "security.openshift.io/v1",
        "kind": "SecurityContextConstraints",
        "metadata": {"name": SCC, "annotations": {"kubernetes.io/description": description}},
        "allowHostDirVolumePlugin": false,
        "allowHostIPC": false,
        "allowHostNetwork": false,
        "allowHostPID": false,
        "allowHostPorts": false,
        "allowPrivilegeEscalation": true,
        "allowPrivilegedContainer": false,
        "allowedCapabilities": ["SYS_RESOURCE"],
        "readOnlyRootFilesystem": false,
        "runAsUser": {"type": "MustRunAs", "uid": UID},
        "fsGroup": {"type": "MustRunAs", "ranges": [{"min": UID, "max": UID}]},
        "seLinuxContext": {"type": "MustRunAs"},
        "seccompProfiles": ["runtime/default"],
        "supplementalGroups": {"type": "RunAsAny"},
    })
}
