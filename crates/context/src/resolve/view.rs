//! One view of a pod and of its containers of every kind, so that each rule is written once.

use k8s_openapi::api::core::v1::{
    Container, EnvFromSource, EnvVar, EphemeralContainer, PodSecurityContext, PodSpec, ResourceRequirements,
    SecurityContext, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::effective::ContainerKind;
use crate::facts::{Facts, ImageFacts, NodeFacts};
use crate::origin::Origin;

/// A pod with what is known beside it.
#[derive(Clone, Copy)]
pub(crate) struct PodView<'a> {
    pub(crate) metadata: &'a ObjectMeta,
    pub(crate) spec: &'a PodSpec,
    pub(crate) context: Option<&'a PodSecurityContext>,
    pub(crate) facts: &'a Facts,
    pub(crate) node: Option<&'a NodeFacts>,
}

impl<'a> PodView<'a> {
    pub(crate) fn new(metadata: &'a ObjectMeta, spec: &'a PodSpec, facts: &'a Facts) -> Self {
        Self { metadata, spec, context: spec.security_context.as_ref(), facts, node: facts.node.as_ref() }
    }

    /// A field of the pod's security context with its origin.
    pub(crate) fn get<T>(
        &self,
        field: &str,
        pick: impl FnOnce(&'a PodSecurityContext) -> Option<T>,
    ) -> Option<(T, Origin)> {
        pick(self.context?).map(|value| (value, Origin::pod(path(field))))
    }

    /// An annotation of the pod.
    pub(crate) fn annotation(&self, key: &str) -> Option<&'a str> {
        self.metadata.annotations.as_ref()?.get(key).map(String::as_str)
    }

    /// Every container of the pod, in the order in which it lists them.
    pub(crate) fn containers(&self) -> impl Iterator<Item = ContainerView<'a>> + use<'a> {
        let spec = self.spec;
        let init = spec.init_containers.iter().flatten().enumerate().map(|(index, container)| {
            let sidecar = container.restart_policy.as_deref() == Some("Always");
            let kind = if sidecar { ContainerKind::Sidecar } else { ContainerKind::Init };
            ContainerView::container(kind, format!("spec.initContainers[{index}]"), container)
        });
        let main = spec.containers.iter().enumerate().map(|(index, container)| {
            ContainerView::container(ContainerKind::Main, format!("spec.containers[{index}]"), container)
        });
        let ephemeral = spec.ephemeral_containers.iter().flatten().enumerate().map(|(index, container)| {
            ContainerView::ephemeral(format!("spec.ephemeralContainers[{index}]"), container)
        });
        init.chain(main).chain(ephemeral)
    }

    /// Whether the pod is one for Windows nodes.
    pub(crate) fn is_windows(&self) -> bool {
        self.spec.os.as_ref().is_some_and(|os| os.name == "windows")
    }

    /// Whether the pod has a user namespace of its own.
    pub(crate) fn has_user_namespace(&self) -> bool {
        self.spec.host_users == Some(false)
    }
}

/// A container of any kind.
pub(crate) struct ContainerView<'a> {
    pub(crate) kind: ContainerKind,
    /// Its path from the pod, such as `spec.containers[0]`.
    pub(crate) path: String,
    pub(crate) name: &'a str,
    pub(crate) image: Option<&'a str>,
    pub(crate) context: Option<&'a SecurityContext>,
    pub(crate) env: &'a [EnvVar],
    pub(crate) env_from: &'a [EnvFromSource],
    pub(crate) mounts: &'a [VolumeMount],
    pub(crate) resources: Option<&'a ResourceRequirements>,
}

impl<'a> ContainerView<'a> {
    fn container(kind: ContainerKind, path: String, container: &'a Container) -> Self {
        Self {
            kind,
            path,
            name: &container.name,
            image: container.image.as_deref(),
            context: container.security_context.as_ref(),
            env: container.env.as_deref().unwrap_or_default(),
            env_from: container.env_from.as_deref().unwrap_or_default(),
            mounts: container.volume_mounts.as_deref().unwrap_or_default(),
            resources: container.resources.as_ref(),
        }
    }

    fn ephemeral(path: String, container: &'a EphemeralContainer) -> Self {
        Self {
            kind: ContainerKind::Ephemeral,
            path,
            name: &container.name,
            image: container.image.as_deref(),
            context: container.security_context.as_ref(),
            env: container.env.as_deref().unwrap_or_default(),
            env_from: container.env_from.as_deref().unwrap_or_default(),
            mounts: container.volume_mounts.as_deref().unwrap_or_default(),
            // The API allows it none.
            resources: None,
        }
    }

    /// The path of a field of the container's security context.
    pub(crate) fn path(&self, field: &str) -> String {
        let mut path = String::with_capacity(self.path.len() + 17 + field.len());
        path.push_str(&self.path);
        path.push_str(".securityContext.");
        path.push_str(field);
        path
    }

    /// A field of the container's security context with its origin.
    pub(crate) fn get<T>(
        &self,
        field: &str,
        pick: impl FnOnce(&'a SecurityContext) -> Option<T>,
    ) -> Option<(T, Origin)> {
        pick(self.context?).map(|value| (value, Origin::container(self.path(field))))
    }

    /// What is known of the image.
    pub(crate) fn image_facts(&self, pod: &PodView<'a>) -> Option<&'a ImageFacts> {
        pod.facts.image(self.image?)
    }

    /// `securityContext.privileged`.
    pub(crate) fn privileged(&self) -> bool {
        self.context.and_then(|context| context.privileged).unwrap_or(false)
    }
}

/// The path of a field of the pod's security context.
pub(crate) fn path(field: &str) -> String {
    let mut path = String::with_capacity(21 + field.len());
    path.push_str("spec.securityContext.");
    path.push_str(field);
    path
}
