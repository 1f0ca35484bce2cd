//! A client of the Container Runtime Interface, by which the kubelet speaks to containerd and CRI-O: gRPC over a Unix
//! socket (`k8s.io/cri-api/pkg/apis/runtime/v1/api.proto`).
//!
//! A crate of its own because only it needs HTTP/2 and protocol buffers. It is one connection, one call at a time, with a
//! deadline; the functions block. Messages are declared here with the fields that are read, and others are passed over,
//! as protocol buffers have it. Further calls are a message and [`Runtime::call`].

mod container;
mod error;
mod message;
mod runtime;

pub use container::{
    Container, ContainerMetadata, ContainerState, ContainerStatus, ContainerStatusResponse, ImageSpec, PodSandbox,
    PodSandboxMetadata,
};
pub use error::CriError;
pub use message::{Condition, Handler, HandlerFeatures, Status, StatusResponse, VersionResponse};
pub use runtime::{Runtime, SOCKETS};
