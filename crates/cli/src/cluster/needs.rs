//! Which kinds of object a command needs of a cluster.

use ringfence_admission::cluster::{Kind, Platform, Snapshot};

/// What a command needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// What decides about a new pod.
    Admission,
    /// What decides about a new pod, and about a namespace that is relabelled, with its pods.
    Namespaces,
    /// What decides about a namespace's labels.
    Labels,
    /// Security context constraints alone.
    Constraints,
    /// The pods that are there, and what their namespaces say.
    Reports,
    /// What decides about whatever a webhook is asked, relabelled namespaces with their pods among it.
    Webhook,
}

impl Needs {
    /// Whether objects of the kind are worth keeping: pods and workloads are most of a dump, and decide nothing here.
    pub(super) fn wants(self, kind: Kind) -> bool {
        match self {
            _ if kind == Kind::Waiver => {
                matches!(self, Self::Admission | Self::Namespaces | Self::Reports | Self::Webhook)
            }
            Self::Admission => !kind.is_workload() && !matches!(kind, Kind::Pod | Kind::ClusterServiceVersion),
            Self::Labels => !kind.is_workload() && kind != Kind::Pod,
            Self::Reports => matches!(kind, Kind::Namespace | Kind::Pod),
            Self::Constraints => kind == Kind::SecurityContextConstraints,
            Self::Webhook | Self::Namespaces => !kind.is_workload() && kind != Kind::ClusterServiceVersion,
        }
    }

    /// Whether the kind says who may do what, and nothing follows from it on a plain Kubernetes.
    pub(super) fn skips_rights(self, kind: Kind) -> bool {
        let rights = [Kind::Role, Kind::ClusterRole, Kind::RoleBinding, Kind::ClusterRoleBinding];
        matches!(self, Self::Admission | Self::Namespaces | Self::Webhook) && rights.contains(&kind)
    }

    /// The kinds without which answers may be wrong, and how.
    pub(super) fn missed(self, snapshot: &Snapshot) -> Vec<(Kind, &'static str)> {
        if self == Self::Constraints {
            return Vec::new();
        }
        if self == Self::Reports {
            let kinds = [(Kind::Namespace, "nothing is reported"), (Kind::Pod, "nothing is found to run")];
            return kinds.into_iter().filter(|(kind, _)| !snapshot.has_seen(*kind)).collect();
        }
        let labels = self == Self::Labels;
        let openshift = snapshot.platform() == Platform::OpenShift;
        let namespaces = if labels { "there is nothing to label" } else { "they are taken to exist, without labels" };
        let accounts = if labels { "no labels follow from them" } else { "they are taken to exist" };
        let mut kinds = vec![(Kind::Namespace, namespaces)];
        if self != Self::Webhook || openshift {
            kinds.push((Kind::ServiceAccount, accounts));
        }
        if labels || openshift {
            kinds.push((Kind::ClusterRole, "bindings to one give nothing"));
            kinds.push((Kind::ClusterRoleBinding, "nobody may use a constraint through one"));
            kinds.push((Kind::RoleBinding, "nobody may use a constraint through one"));
        }
        if self == Self::Namespaces {
            kinds.push((Kind::Pod, "none is found that a namespace's new level would refuse"));
        }
        if labels {
            kinds.push((Kind::SecurityContextConstraints, "no labels follow from them"));
        }
        kinds.retain(|(kind, _)| !snapshot.has_seen(*kind));
        kinds
    }
}
