//! Whether what was installed runs.

use ringfence_live::{ChangeError, Cluster, Place, Resource};
use serde_json::Value;

/// The Deployments beside that of the webhooks, and what is said of one that does not come up.
pub(crate) const COMPONENTS: [(&str, &str); 2] = [
    ("ringfence-controllers", "the webhooks are installed, but the controllers are not ready"),
    ("ringfence-reports", "the webhooks are installed, but the reports are not ready"),
];

/// What keeps a Deployment from being ready.
pub(crate) fn unready(cluster: &Cluster, namespace: &str, name: &str) -> Result<Option<String>, ChangeError> {
    let resource = Resource { api_version: "apps/v1", plural: "deployments", kind: "Deployment" };
    let place = Place { resource, namespace: Some(namespace), name };
    let deployment = cluster.read(place)?.unwrap_or_default();
    let status = &deployment["status"];
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let wanted = number(&deployment["spec"]["replicas"]);
    let seen = number(&status["observedGeneration"]) >= number(&deployment["metadata"]["generation"]);
    let ready = seen
        && number(&status["updatedReplicas"]) == wanted
        && number(&status["replicas"]) == wanted
        && number(&status["availableReplicas"]) == wanted;
    if ready {
        return Ok(None);
    }
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let said =
        conditions.filter(|condition| (condition["type"] == "ReplicaFailure") == (condition["status"] == "True"));
    let mut words: Vec<&str> = said.filter_map(|condition| condition["message"].as_str()).collect();
    words.dedup();
    let counted = format!("{} of {wanted} available", number(&status["availableReplicas"]));
    Ok(Some([&[counted.as_str()][..], &words].concat().join("; ")))
}
