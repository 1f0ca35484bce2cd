//! Where the API server has an object.

use serde_json::Value;

/// The path under which an object of a kind that tests make is created: that of its collection.
pub fn path_of(object: &Value) -> String {
    let (api_version, kind) = (object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap());
    let plural = match kind {
        "SecurityContextConstraints" => "securitycontextconstraints".to_owned(),
        kind => format!("{}s", kind.to_lowercase()),
    };
    let root = if api_version.contains('/') { "/apis" } else { "/api" };
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{root}/{api_version}/namespaces/{namespace}/{plural}"),
        None => format!("{root}/{api_version}/{plural}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_core_group_and_namespaces_have_paths_of_their_own() {
        let role =
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"namespace": "a"}});
        assert_eq!(path_of(&role), "/apis/rbac.authorization.k8s.io/v1/namespaces/a/roles");
        assert_eq!(path_of(&json!({"apiVersion": "v1", "kind": "Namespace"})), "/api/v1/namespaces");
    }
}
