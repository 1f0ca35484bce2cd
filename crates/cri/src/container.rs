//! Messages about containers and the sandboxes of their pods.

use std::collections::HashMap;

/// `ListContainersRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ListContainersRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) filter: Option<ContainerFilter>,
}

/// `ContainerFilter`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ContainerFilter {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) state: Option<ContainerStateValue>,
}

/// `ContainerStateValue`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct ContainerStateValue {
    #[prost(enumeration = "ContainerState", tag = "1")]
    pub(crate) state: i32,
}

/// What a container is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum ContainerState {
    /// It was made and has not been started.
    Created = 0,
    /// It runs.
    Running = 1,
    /// It has ended.
    Exited = 2,
    /// The runtime does not know.
    Unknown = 3,
}

/// `ListContainersResponse`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ListContainersResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) containers: Vec<Container>,
}

/// A container in a list.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Container {
    /// Its ID.
    #[prost(string, tag = "1")]
    pub id: String,
    /// The ID of its pod's sandbox.
    #[prost(string, tag = "2")]
    pub pod_sandbox_id: String,
    /// Its name in the pod.
    #[prost(message, optional, tag = "3")]
    pub metadata: Option<ContainerMetadata>,
    /// What it is at, a [`ContainerState`].
    #[prost(enumeration = "ContainerState", tag = "6")]
    pub state: i32,
    /// Its labels; a kubelet's name the pod (`io.kubernetes.pod.name` and others).
    #[prost(map = "string, string", tag = "8")]
    pub labels: HashMap<String, String>,
}

/// `ContainerMetadata`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ContainerMetadata {
    /// The container's name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// How often it was made before.
    #[prost(uint32, tag = "2")]
    pub attempt: u32,
}

/// `ImageSpec`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ImageSpec {
    /// The image's name or ID.
    #[prost(string, tag = "1")]
    pub image: String,
}

/// `ContainerStatusRequest`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct ContainerStatusRequest {
    #[prost(string, tag = "1")]
    pub(crate) container_id: String,
    #[prost(bool, tag = "2")]
    pub(crate) verbose: bool,
}

/// What the runtime says of a container.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ContainerStatusResponse {
    /// Its status.
    #[prost(message, optional, tag = "1")]
    pub status: Option<ContainerStatus>,
    /// What it says when asked to be verbose: JSON by key. `info` has the first process's `pid`, and `runtimeSpec`, which
    /// is what the OCI runtime was given.
    #[prost(map = "string, string", tag = "2")]
    pub info: HashMap<String, String>,
}

/// `ContainerStatus`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ContainerStatus {
    /// Its ID.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Its name in the pod.
    #[prost(message, optional, tag = "2")]
    pub metadata: Option<ContainerMetadata>,
    /// What it is at, a [`ContainerState`].
    #[prost(enumeration = "ContainerState", tag = "3")]
    pub state: i32,
    /// When it was started, in nanoseconds since 1970.
    #[prost(int64, tag = "5")]
    pub started_at: i64,
    /// The image that it was made from.
    #[prost(message, optional, tag = "8")]
    pub image: Option<ImageSpec>,
    /// Its labels.
    #[prost(map = "string, string", tag = "12")]
    pub labels: HashMap<String, String>,
}

/// `ListPodSandboxRequest`, which asks for all.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct ListPodSandboxRequest {}

/// `ListPodSandboxResponse`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ListPodSandboxResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) items: Vec<PodSandbox>,
}

/// A pod's sandbox, which holds its namespaces.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PodSandbox {
    /// Its ID.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Whose it is.
    #[prost(message, optional, tag = "2")]
    pub metadata: Option<PodSandboxMetadata>,
}

/// `PodSandboxMetadata`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PodSandboxMetadata {
    /// The pod's name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The pod's UID.
    #[prost(string, tag = "2")]
    pub uid: String,
    /// The pod's namespace.
    #[prost(string, tag = "3")]
    pub namespace: String,
}
