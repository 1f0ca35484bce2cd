//! The effective context of a pod and of its containers.

mod container;
mod outcome;
mod predict;
mod resources;
mod volume;
pub mod warning_code;

pub use container::{
    AppArmor, Capabilities, ContainerKind, EffectiveContainer, Group, ProcMount, SeLinux, Seccomp, User,
};
pub use outcome::{Refusal, RefusalReason, Warning};
pub use resources::{CPU_PERIOD, PodResources, QosClass, Resources};
pub use volume::{EffectiveMount, Medium, Ownership, VolumeKind};

use serde::Serialize;

use crate::origin::Value;
use crate::process::Namespaces;

/// A pod whose every field of the security context is decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EffectivePod {
    /// Init containers, sidecars, main and ephemeral containers, in the order in which the pod lists them:
    /// `initContainers`, `containers`, `ephemeralContainers`.
    pub containers: Vec<EffectiveContainer>,
    /// The hostname inside the pod's UTS namespace.
    pub hostname: Value<String>,
    /// The sysctls set in the pod's namespaces.
    pub sysctls: Vec<Value<(String, String)>>,
    /// Whether the containers share one PID namespace (`shareProcessNamespace`).
    pub share_process_namespace: bool,
    /// Which of the node's namespaces the pod shares.
    pub namespaces: Namespaces,
    /// What all containers together may use; none where the pod's `resources` say nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<PodResources>,
    /// A refusal that keeps the whole pod from starting, such as a sandbox that cannot be made. Each container's
    /// `refusal` repeats it.
    pub refusal: Option<Refusal>,
    /// Declarations at the pod's level that do not do what they seem to.
    pub warnings: Vec<Warning>,
}
