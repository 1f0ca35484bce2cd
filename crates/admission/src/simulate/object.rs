//! As much of an object as a simulation needs.

use super::Item;
use crate::{
    cluster::Kind,
    decode::{DecodeError, decode},
};
use k8s_openapi::{api::core::v1::PodSpec, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use serde::Deserialize;

/// A pod, or a workload with its template; reading it skips everything else, such as the status.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    kind: Kind,
    metadata: ObjectMeta,
    /// The template's metadata; a pod has but its own.
    of_pods: Option<ObjectMeta>,
    spec: PodSpec,
}

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "apiVersion")]
    api_version: Option<String>,
    kind: Option<String>,
}

/// A template, a pod, or anything else with metadata and a spec.
#[derive(Deserialize)]
#[serde(default, bound = "S: Default + Deserialize<'de>")]
#[derive(Default)]
struct Shape<S> {
    metadata: ObjectMeta,
    spec: S,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Templated {
    template: Shape<PodSpec>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Scheduled {
    #[serde(rename = "jobTemplate")]
    job_template: Shape<Templated>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Kept {
    metadata: ObjectMeta,
    template: Shape<PodSpec>,
}

impl Object {
    /// Reads an object; `None` if objects of its kind have no pods. The type is that of the list that the object is
    /// an item of, where the object does not say its own.
    pub fn read(json: &str, list_type: Option<(&str, &str)>) -> Result<Option<Self>, DecodeError> {
        let head: Head = decode(json)?;
        let (api_version, kind) = list_type.unwrap_or_default();
        let api_version = head.api_version.as_deref().unwrap_or(api_version);
        let Some(kind) = Kind::of(api_version, head.kind.as_deref().unwrap_or(kind)) else { return Ok(None) };
        let workload = |metadata, template: Shape<PodSpec>| Self {
            kind,
            metadata,
            of_pods: Some(template.metadata),
            spec: template.spec,
        };
        Ok(Some(match kind {
            Kind::Pod => {
                let Shape { metadata, spec } = decode(json)?;
                Self { kind, metadata, of_pods: None, spec }
            }
            Kind::PodTemplate => {
                let Kept { metadata, template } = decode(json)?;
                workload(metadata, template)
            }
            Kind::CronJob => {
                let Shape { metadata, spec } = decode::<Shape<Scheduled>>(json)?;
                workload(metadata, spec.job_template.spec.template)
            }
            kind if kind.is_workload() => {
                let Shape { metadata, spec } = decode::<Shape<Templated>>(json)?;
                workload(metadata, spec.template)
            }
            _ => return Ok(None),
        }))
    }

    /// The object, for [`Simulation::add`](super::Simulation::add).
    pub fn as_item(&self) -> Item<'_> {
        let Self { kind, metadata, of_pods, spec } = self;
        Item { kind: *kind, object: metadata, metadata: of_pods.as_ref().unwrap_or(metadata), spec }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(object: &Value) -> Option<Object> {
        Object::read(&object.to_string(), None).unwrap()
    }

    #[test]
    fn finds_the_template_of_every_kind() {
        let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"hostPID": true}});
        let spec = json!({ "template": template });
        for (api_version, kind, body) in [
            ("v1", "Pod", json!({"spec": {"hostPID": true}})),
            ("v1", "PodTemplate", json!({ "template": template })),
            ("v1", "ReplicationController", json!({ "spec": spec })),
            ("apps/v1", "Deployment", json!({ "spec": spec })),
            ("apps/v1", "ReplicaSet", json!({ "spec": spec })),
            ("apps/v1", "StatefulSet", json!({ "spec": spec })),
            ("apps/v1", "DaemonSet", json!({ "spec": spec })),
            ("batch/v1", "Job", json!({ "spec": spec })),
            ("batch/v1", "CronJob", json!({"spec": {"jobTemplate": {"spec": spec}}})),
        ] {
            let mut object =
                json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, "status": {"anything": []}});
            object.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
            let found = read(&object).expect(kind);
            let item = found.as_item();
            assert_eq!(
                (item.kind.as_str(), item.spec.host_pid, item.object.name.as_deref()),
                (kind, Some(true), Some("x"))
            );
            assert_eq!(item.metadata.labels.is_some(), kind != "Pod", "{kind}");
        }
    }

    #[test]
    fn objects_without_pods_are_passed_over() {
        assert_eq!(read(&json!({"apiVersion": "v1", "kind": "Secret"})), None);
        assert_eq!(read(&json!({"apiVersion": "v1", "kind": "Namespace"})), None);
        assert_eq!(read(&json!({})), None);
    }

    #[test]
    fn an_item_may_have_its_type_by_its_list() {
        let found = Object::read(r#"{"spec": {"hostPID": true}}"#, Some(("v1", "Pod"))).unwrap();
        assert_eq!(found.unwrap().as_item().spec.host_pid, Some(true));
    }

    #[test]
    fn an_odd_object_is_an_error_in_gos_words() {
        let error = Object::read(r#"{"apiVersion":"v1","kind":"Pod","spec":{"hostPID":1}}"#, None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "json: cannot unmarshal number into Go struct field PodSpec.spec.hostPID of type bool"
        );
    }
}
