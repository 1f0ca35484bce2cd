//! Which kinds of object a command needs of a cluster.

use ringfence_admission::cluster::{Kind, Platform, Snapshot};

/// What a command needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// What decides about a new pod.
    Admission,
    /// What decides about a namespace's labels.
    Labels,
    /// Namespaces alone.
    Namespaces,
}

impl Needs {
    /// Whether objects of the kind are worth keeping: pods and workloads are most of a dump, and decide nothing here.
    pub(super) fn wants(self, kind: Kind) -> bool {
        match self {
            Self::Admission => !kind.is_workload() && !matches!(kind, Kind::Pod | Kind::ClusterServiceVersion),
            Self::Labels => !kind.is_workload() && kind != Kind::Pod,
            Self::Namespaces => kind == Kind::Namespace,
        }
    }

    /// The kinds without which answers may be wrong, and how.
    pub(super) fn missed(self, snapshot: &Snapshot) -> Vec<(Kind, &'static str)> {
        let mut kinds = vec![(Kind::Namespace, "namespaces are taken to exist, without labels")];
        if self == Self::Labels {
            kinds = vec![(Kind::Namespace, "there is nothing to label")];
        }
        if self != Self::Namespaces {
            let without = if self == Self::Labels { "no labels follow from them" } else { "they are taken to exist" };
            kinds.push((Kind::ServiceAccount, without));
        }
        if self != Self::Namespaces && snapshot.platform() == Platform::OpenShift {
            kinds.push((Kind::ClusterRole, "bindings to one give nothing"));
            kinds.push((Kind::ClusterRoleBinding, "nobody may use a constraint through one"));
            kinds.push((Kind::RoleBinding, "nobody may use a constraint through one"));
        }
        kinds.retain(|(kind, _)| !snapshot.has_seen(*kind));
        kinds
    }
}
