//! What the kubelet or the runtime will refuse, and what has no effect.

use serde::Serialize;

use crate::origin::Origin;

/// The container or pod will not start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// What the pod's status or event will say.
    pub reason: RefusalReason,
    /// The message in the words of the kubelet or runtime.
    pub message: String,
    /// What causes it.
    pub origin: Option<Origin>,
}

/// The reason in a pod's status or events (kubelet `pkg/kubelet/container/sync_result.go`, `pkg/kubelet/kuberuntime`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum RefusalReason {
    /// The kubelet does not admit the pod: an operating system that the node does not run.
    PodOSNotSupported,
    /// The kubelet does not admit the pod: a sysctl that it does not allow.
    SysctlForbidden,
    /// The kubelet does not admit the pod: AppArmor is asked for and cannot be enforced.
    AppArmor,
    /// A volume cannot be set up; the pod stays in ContainerCreating.
    FailedMount,
    /// The kubelet refuses the configuration, before it asks the runtime.
    CreateContainerConfigError,
    /// The runtime refuses to create the container.
    CreateContainerError,
    /// The container was created and its process could not be started.
    StartError,
    /// The pod's sandbox could not be made.
    FailedCreatePodSandBox,
}

impl RefusalReason {
    /// As a pod's status or event spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PodOSNotSupported => "PodOSNotSupported",
            Self::SysctlForbidden => "SysctlForbidden",
            Self::AppArmor => "AppArmor",
            Self::FailedMount => "FailedMount",
            Self::CreateContainerConfigError => "CreateContainerConfigError",
            Self::CreateContainerError => "CreateContainerError",
            Self::StartError => "StartError",
            Self::FailedCreatePodSandBox => "FailedCreatePodSandBox",
        }
    }
}

/// A declaration that does not do what it seems to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// A stable name, in kebab case, such as `capabilities-without-effect`.
    pub code: &'static str,
    /// The path of the field, from the pod.
    pub field: String,
    /// What happens, for the person who must change the manifest.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}
