//! What the pod's `resources` come to in the kernel's own units: the limits of a control group.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::origin::Value;

/// The limits of the cgroup of a container, or of the one around all containers of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// The weight against other cgroups when there is not enough CPU: 2 to 262144, 1024 for a whole CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_shares: Option<Value<u64>>,
    /// The CPU time in each period, of all CPUs together, in microseconds; none is as much as there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_quota: Option<Value<u64>>,
    /// The most memory, in bytes. There is no swap beside it, as on a node whose kubelet was not told otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Value<u64>>,
    /// The most memory in huge pages, in bytes, by their size: `2MB`, `1GB`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub huge_pages: BTreeMap<String, Value<u64>>,
}

/// The kubelet's `--cpu-cfs-quota-period`, in microseconds, where nothing else was said.
pub const CPU_PERIOD: u64 = 100_000;

/// `status.qosClass`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum QosClass {
    /// Every container has limits of CPU and memory, and asks for all of them.
    Guaranteed,
    /// Something is asked for.
    Burstable,
    /// Nothing is asked for.
    BestEffort,
}

impl QosClass {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Guaranteed => "Guaranteed",
            Self::Burstable => "Burstable",
            Self::BestEffort => "BestEffort",
        }
    }
}

/// What holds for all containers of a pod together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodResources {
    /// Which pods give way first when a node runs out of memory.
    pub qos_class: QosClass,
    /// The limits of the cgroup around the containers.
    #[serde(flatten)]
    pub limits: Resources,
}
