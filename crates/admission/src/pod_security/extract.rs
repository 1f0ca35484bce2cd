//! The pod template of a workload.

use crate::decode::{DecodeError, GroupVersionKind, decode, is_registered, unregistered};
use k8s_openapi::{
    api::{
        apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
        batch::v1::{CronJob, Job},
        core::v1::{Pod, PodSpec, PodTemplate, PodTemplateSpec, ReplicationController},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

/// The resources, by group and name, whose objects are judged, beside namespaces.
pub const RESOURCES: [(&str, &str); 9] = [
    ("", "pods"),
    ("", "replicationcontrollers"),
    ("", "podtemplates"),
    ("apps", "replicasets"),
    ("apps", "deployments"),
    ("apps", "statefulsets"),
    ("apps", "daemonsets"),
    ("batch", "jobs"),
    ("batch", "cronjobs"),
];

/// What of an object becomes a pod.
#[derive(Debug, Clone, Copy)]
pub struct Template<'o> {
    /// Labels and annotations that the pods will have.
    pub metadata: &'o ObjectMeta,
    /// The pods' spec.
    pub spec: &'o PodSpec,
}

/// A template of its own.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Owned {
    pub(super) metadata: ObjectMeta,
    pub(super) spec: PodSpec,
}

impl Owned {
    pub(super) fn as_template(&self) -> Template<'_> {
        Template { metadata: &self.metadata, spec: &self.spec }
    }

    fn of(template: PodTemplateSpec) -> Self {
        Self { metadata: template.metadata.unwrap_or_default(), spec: template.spec.unwrap_or_default() }
    }
}

/// What came of looking for a template.
#[derive(Debug)]
pub(super) enum Extracted {
    /// A pod, or a workload's template.
    Found(Box<Owned>),
    /// A workload of a kind that may go without.
    Without,
    /// An object that has no template.
    Foreign(GroupVersionKind),
}

/// Reads an object and takes its template out.
pub(super) fn read(gvk: GroupVersionKind, json: &str) -> Result<Extracted, DecodeError> {
    let template = match (gvk.group.as_str(), gvk.version.as_str(), gvk.kind.as_str()) {
        ("", "v1", "Pod") => {
            let pod: Pod = decode(json)?;
            let owned = Owned { metadata: pod.metadata, spec: pod.spec.unwrap_or_default() };
            return Ok(Extracted::Found(Box::new(owned)));
        }
        ("", "v1", "PodTemplate") => decode::<PodTemplate>(json)?.template,
        ("", "v1", "ReplicationController") => {
            match decode::<ReplicationController>(json)?.spec.and_then(|spec| spec.template) {
                Some(template) => Some(template),
                None => return Ok(Extracted::Without),
            }
        }
        ("apps", "v1", "ReplicaSet") => decode::<ReplicaSet>(json)?.spec.template,
        ("apps", "v1", "Deployment") => Some(decode::<Deployment>(json)?.spec.template),
        ("apps", "v1", "StatefulSet") => Some(decode::<StatefulSet>(json)?.spec.template),
        ("apps", "v1", "DaemonSet") => Some(decode::<DaemonSet>(json)?.spec.template),
        ("batch", "v1", "Job") => decode::<Job>(json)?.spec.map(|spec| spec.template),
        ("batch", "v1", "CronJob") => decode::<CronJob>(json)?.spec.job_template.spec.map(|spec| spec.template),
        _ if is_registered(&gvk) => return Ok(Extracted::Foreign(gvk)),
        _ => return Err(unregistered(&gvk)),
    };
    Ok(Extracted::Found(Box::new(Owned::of(template.unwrap_or_default()))))
}
