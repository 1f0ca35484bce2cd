//! What a constraint filled into a pod.

use k8s_openapi::api::core::v1::Pod;
use serde::Serialize;
use serde_json::Value;

/// A field that the pod was given.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Filled {
    /// From the pod's root.
    pub(crate) field: String,
    pub(crate) value: Value,
}

const LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// The security context fields in which `after` is not as `before`.
pub(crate) fn filled_in(before: &Pod, after: &Pod) -> Vec<Filled> {
    let value = |pod: &Pod| serde_json::to_value(pod.spec.as_ref()).unwrap_or_default();
    let (before, after) = (value(before), value(after));
    let mut filled = Vec::new();
    compare("spec.hostUsers", &before["hostUsers"], &after["hostUsers"], &mut filled);
    compare("spec.securityContext", &before["securityContext"], &after["securityContext"], &mut filled);
    for list in LISTS {
        for (i, container) in after[list].as_array().into_iter().flatten().enumerate() {
            let path = format!("spec.{list}[{i}].securityContext");
            compare(&path, &before[list][i]["securityContext"], &container["securityContext"], &mut filled);
        }
    }
    filled
}

fn compare(path: &str, before: &Value, after: &Value, filled: &mut Vec<Filled>) {
    match after {
        _ if before == after => {}
        Value::Object(fields) => {
            for (key, value) in fields {
                compare(&format!("{path}.{key}"), &before[key], value, filled);
            }
        }
        Value::Null => {}
        _ => filled.push(Filled { field: path.to_owned(), value: after.clone() }),
    }
}
