//! What the programs of an installation write beside what is installed.

use ringfence_admission::report::{API_VERSION, NAME};
use ringfence_live::{Cluster, ListError, Place, Resource};
use serde_json::Value;

/// An object: its kind, its namespace if it is in one, and its name.
type At = (Resource<'static>, Option<String>, &'static str);

const fn at(api_version: &'static str, plural: &'static str, kind: &'static str) -> Resource<'static> {
    Resource { api_version, plural, kind }
}

/// The leases and the record of ranges in the namespace of an installation, and the reports wherever they are. Ranges and
/// labels of namespaces stay: the files of their pods belong to these users.
pub(crate) fn left(cluster: &Cluster, namespace: &str) -> Result<Vec<At>, ListError> {
    let lease = at("coordination.k8s.io/v1", "leases", "Lease");
    let mut all: Vec<At> = vec![
        (lease, Some(namespace.to_owned()), "ringfence-controllers"),
        (lease, Some(namespace.to_owned()), "ringfence-reports"),
        (at("v1", "configmaps", "ConfigMap"), Some(namespace.to_owned()), "ringfence-scc-uid"),
    ];
    for resource in [
        at(API_VERSION, "policyreports", "PolicyReport"),
        at(API_VERSION, "clusterpolicyreports", "ClusterPolicyReport"),
    ] {
        let mut add = |object: &Value| {
            let metadata = &object["metadata"];
            if metadata["name"] == NAME && metadata["labels"]["app.kubernetes.io/managed-by"] == NAME {
                all.push((resource, metadata["namespace"].as_str().map(str::to_owned), NAME));
            }
        };
        match cluster.list(resource, &mut |page| page.items.iter().for_each(&mut add)) {
            Ok(_) | Err(ListError::Absent { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

/// As a place in the API.
pub(crate) fn as_place((resource, namespace, name): &At) -> Place<'_> {
    Place { resource: *resource, namespace: namespace.as_deref(), name }
}
