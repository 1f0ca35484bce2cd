//! The types that the reference can decode, whether or not they have pods.

use super::GroupVersionKind;

/// Kinds of which there are lists too.
const LISTED: [(&str, &[&str]); 3] = [
    (
        "",
        &[
            "ComponentStatus",
            "ConfigMap",
            "Endpoints",
            "Event",
            "LimitRange",
            "Namespace",
            "Node",
            "PersistentVolume",
            "PersistentVolumeClaim",
            "Pod",
            "PodTemplate",
            "ReplicationController",
            "ResourceQuota",
            "Secret",
            "Service",
            "ServiceAccount",
        ],
    ),
    ("apps", &["ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"]),
    ("batch", &["CronJob", "Job"]),
];

const SINGLE: [(&str, &[&str]); 2] = [
    (
        "",
        &[
            "Binding",
            "NodeProxyOptions",
            "PodAttachOptions",
            "PodExecOptions",
            "PodLogOptions",
            "PodPortForwardOptions",
            "PodProxyOptions",
            "PodStatusResult",
            "RangeAllocation",
            "SerializedReference",
            "ServiceProxyOptions",
            "Status",
        ],
    ),
    ("admission.k8s.io", &["AdmissionReview"]),
];

/// Options of requests are known to every group.
const OPTIONS: [&str; 7] =
    ["CreateOptions", "DeleteOptions", "GetOptions", "ListOptions", "PatchOptions", "UpdateOptions", "WatchEvent"];

/// Whether the type is known.
pub(crate) fn is_registered(gvk: &GroupVersionKind) -> bool {
    let kind = gvk.kind.as_str();
    let among = |table: &[(&str, &[&str])], kind| {
        table.iter().any(|(group, kinds)| *group == gvk.group && kinds.contains(&kind))
    };
    let known_group = LISTED.iter().chain(&SINGLE).any(|(group, _)| *group == gvk.group);
    gvk.version == "v1"
        && (among(&LISTED, kind)
            || kind.strip_suffix("List").is_some_and(|item| among(&LISTED, item))
            || among(&SINGLE, kind)
            || (known_group && OPTIONS.contains(&kind)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(group: &str, version: &str, kind: &str) -> bool {
        is_registered(&GroupVersionKind { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() })
    }

    #[test]
    fn types_are_known_by_group_version_and_kind() {
        assert!(known("", "v1", "Secret") && known("", "v1", "SecretList") && known("apps", "v1", "DeploymentList"));
        assert!(known("", "v1", "Binding") && known("batch", "v1", "DeleteOptions"));
        assert!(!known("", "v2", "Secret") && !known("apps", "v1", "Secret") && !known("", "v1", "BindingList"));
        assert!(!known("example.com", "v1", "DeleteOptions"));
    }
}
