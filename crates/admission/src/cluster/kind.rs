//! The kinds of object that admission reads.

use std::fmt;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $api_version:literal $resource:literal,)*) => {
        /// A kind of object that admission reads.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($(#[$doc])* $name,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// The plural name by which the API and kubectl know it.
            pub const fn resource(self) -> &'static str {
                match self {
                    $(Self::$name => $resource,)*
                }
            }

            /// The API version that it is read in.
            pub const fn api_version(self) -> &'static str {
                match self {
                    $(Self::$name => $api_version,)*
                }
            }
        }
    };
}

kinds! {
    /// Labels and annotations of namespaces.
    Namespace "v1" "namespaces",
    /// Who pods run as towards the API.
    ServiceAccount "v1" "serviceaccounts",
    /// What runs.
    Pod "v1" "pods",
    /// Security context constraints.
    SecurityContextConstraints "security.openshift.io/v1" "securitycontextconstraints",
    /// Rules within a namespace.
    Role "rbac.authorization.k8s.io/v1" "roles",
    /// Rules for the cluster.
    ClusterRole "rbac.authorization.k8s.io/v1" "clusterroles",
    /// Who has a role within a namespace.
    RoleBinding "rbac.authorization.k8s.io/v1" "rolebindings",
    /// Who has a role in the cluster.
    ClusterRoleBinding "rbac.authorization.k8s.io/v1" "clusterrolebindings",
    /// Installed operators.
    ClusterServiceVersion "operators.coreos.com/v1alpha1" "clusterserviceversions",
    /// What somebody answers for.
    Waiver "ringfence.dev/v1alpha1" "waivers",
    /// A workload.
    PodTemplate "v1" "podtemplates",
    /// A workload.
    ReplicationController "v1" "replicationcontrollers",
    /// A workload.
    ReplicaSet "apps/v1" "replicasets",
    /// A workload.
    Deployment "apps/v1" "deployments",
    /// A workload.
    StatefulSet "apps/v1" "statefulsets",
    /// A workload.
    DaemonSet "apps/v1" "daemonsets",
    /// A workload.
    Job "batch/v1" "jobs",
    /// A workload.
    CronJob "batch/v1" "cronjobs",
}

impl Kind {
    /// The kind of that name, if the API group is its own; the version may be any.
    pub fn of(api_version: &str, kind: &str) -> Option<Self> {
        let group = |text: &str| text.rsplit_once('/').map_or(String::new(), |(group, _)| group.to_owned());
        let same = |known: &&Self| known.as_str() == kind && group(known.api_version()) == group(api_version);
        Self::ALL.iter().find(same).copied()
    }

    /// Whether its objects are not in a namespace.
    pub const fn is_cluster_scoped(self) -> bool {
        matches!(
            self,
            Self::Namespace | Self::SecurityContextConstraints | Self::ClusterRole | Self::ClusterRoleBinding
        )
    }

    /// Whether it makes pods.
    pub fn is_workload(self) -> bool {
        self >= Self::PodTemplate
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_known_by_its_group_whatever_the_version() {
        assert_eq!(Kind::of("v1", "Pod"), Some(Kind::Pod));
        assert_eq!(Kind::of("batch/v1beta1", "CronJob"), Some(Kind::CronJob));
        assert_eq!(Kind::of("example.com/v1", "Pod"), None);
        assert_eq!(Kind::of("v1", "Secret"), None);
    }
}
