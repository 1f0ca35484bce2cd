//! `downwardAPI`: fields of the pod as files (kubelet `pkg/volume/downwardapi`, `pkg/fieldpath`).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{DownwardAPIVolumeFile, Pod};

use super::payload::{FileProjection, Missing, Payload, bits};
use super::{VolumeError, invalid};

pub(super) fn payload(
    volume: &str,
    items: &[DownwardAPIVolumeFile],
    mode: i32,
    pod: &Pod,
    missing: &mut Missing,
) -> Result<Payload, VolumeError> {
    let mut payload = Payload::new();
    for item in items {
        let data = match &item.field_ref {
            Some(field) => match value(pod, &field.field_path) {
                Some(data) => data,
                None if field.field_path == "metadata.uid" => missing.empty("the pod's UID"),
                None => {
                    let why = format!("the field {:?} of the pod is not known here", field.field_path);
                    return Err(invalid(volume, why));
                }
            },
            // What is not set is the node's to say.
            None => missing.empty("a container's resources"),
        };
        let mode = bits(volume, item.mode.unwrap_or(mode))?;
        payload.insert(item.path.clone(), FileProjection { data: data.into_bytes(), mode });
    }
    Ok(payload)
}

/// The value of a field; `None` for what only a cluster knows.
pub(crate) fn value(pod: &Pod, path: &str) -> Option<String> {
    let metadata = &pod.metadata;
    if let Some((map, key)) = path.strip_suffix("']").and_then(|path| path.split_once("['")) {
        let map = match map {
            "metadata.labels" => &metadata.labels,
            "metadata.annotations" => &metadata.annotations,
            _ => return None,
        };
        return Some(map.as_ref().and_then(|map| map.get(key)).cloned().unwrap_or_default());
    }
    match path {
        "metadata.name" => metadata.name.clone(),
        "metadata.namespace" => Some(metadata.namespace.clone().unwrap_or_else(|| "default".to_owned())),
        "metadata.labels" => Some(lines(metadata.labels.as_ref())),
        "metadata.annotations" => Some(lines(metadata.annotations.as_ref())),
        "spec.serviceAccountName" => {
            let name = pod.spec.as_ref().and_then(|spec| spec.service_account_name.clone());
            Some(name.unwrap_or_else(|| "default".to_owned()))
        }
        "metadata.uid" => metadata.uid.clone(),
        "spec.nodeName" => pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        _ => None,
    }
}

/// `key="value"` by key, the value quoted as Go's `%q` does for plain text.
fn lines(map: Option<&BTreeMap<String, String>>) -> String {
    let lines: Vec<String> = map
        .into_iter()
        .flatten()
        .map(|(key, value)| {
            let mut quoted = String::with_capacity(value.len() + 2);
            for c in value.chars() {
                match c {
                    '"' => quoted.push_str("\\\""),
                    '\\' => quoted.push_str("\\\\"),
                    '\n' => quoted.push_str("\\n"),
                    '\r' => quoted.push_str("\\r"),
                    '\t' => quoted.push_str("\\t"),
                    c => quoted.push(c),
                }
            }
            format!("{key}=\"{quoted}\"")
        })
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_come_by_key_and_as_a_whole() {
        let mut pod = Pod::default();
        pod.metadata.name = Some("web".to_owned());
        pod.metadata.labels = Some([("b".to_owned(), "say \"x\"".to_owned()), ("a".to_owned(), "1".to_owned())].into());
        assert_eq!(value(&pod, "metadata.labels").as_deref(), Some("a=\"1\"\nb=\"say \\\"x\\\"\""));
        assert_eq!(value(&pod, "metadata.labels['a']").as_deref(), Some("1"));
        assert_eq!(value(&pod, "metadata.labels['none']").as_deref(), Some(""));
        assert_eq!(value(&pod, "metadata.name").as_deref(), Some("web"));
        assert_eq!(value(&pod, "status.podIP"), None);
    }
}
