//! What admission asks of a cluster, and a cluster that was written down.

mod body;
mod kind;
mod lookup;
mod problem;
mod snapshot;
mod stream;

pub use body::Body;
pub use kind::Kind;
pub use lookup::LookupError;
pub use problem::Problem;
pub use snapshot::{Builder, Snapshot};
pub use stream::{Item, each_item};

use crate::rbac::Index;
use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use ringfence_scc::SecurityContextConstraints;
use std::{ops::ControlFlow, sync::Arc};

/// Where namespaces are looked up.
pub trait Namespaces {
    /// The namespace of that name.
    fn namespace(&self, name: &str) -> Result<Arc<Namespace>, LookupError>;
}

/// Where the pods of a namespace are listed.
pub trait Pods {
    /// Hands every pod of the namespace to the visitor, in the order of their names, until it breaks off.
    fn pods(&self, namespace: &str, visit: &mut dyn FnMut(&Pod) -> ControlFlow<()>) -> Result<(), LookupError>;

    /// The same for those who judge pods: whoever keeps alike pods once hands them over as alike.
    fn alike(&self, namespace: &str, visit: &mut dyn FnMut(Alike<'_>) -> ControlFlow<()>) -> Result<(), LookupError> {
        self.pods(namespace, &mut |pod| {
            let owner = crate::pod_security::Owner::of(pod);
            let name = pod.metadata.name.as_deref().unwrap_or_default();
            visit(Alike { name, owner: owner.as_ref(), template: None, pod: &Body::whole(pod) })
        })
    }

    /// A number that is another one whenever the pods of the namespace are others; `None` where nobody keeps count.
    fn pods_revision(&self, namespace: &str) -> Option<u64> {
        let _ = namespace;
        None
    }
}

/// A pod, as far as it is judged.
#[derive(Debug, Clone, Copy)]
pub struct Alike<'p> {
    /// The name.
    pub name: &'p str,
    /// What made it.
    pub owner: Option<&'p crate::pod_security::Owner>,
    /// Pods with the same number get the same verdict under every policy.
    pub template: Option<usize>,
    /// The pod, or one that gets the same verdict.
    pub pod: &'p Body<'p>,
}

/// Everything that admission and synchronisation ask of a cluster. A [`Snapshot`] is one; what a server watches may be
/// another.
pub trait Cluster: Namespaces + Pods {
    /// What kind of cluster it is.
    fn platform(&self) -> Platform;

    /// Whether objects of the kind are known here, be there any or not.
    fn has_seen(&self, kind: Kind) -> bool;

    /// Hands over every namespace, by name.
    fn each_namespace(&self, visit: &mut dyn FnMut(&Namespace));

    /// The service account of that name.
    fn service_account(&self, namespace: &str, name: &str) -> Option<Arc<ServiceAccount>>;

    /// Hands over the service accounts of a namespace, by name.
    fn each_service_account(&self, namespace: &str, visit: &mut dyn FnMut(&ServiceAccount));

    /// Hands over every security context constraint, by name.
    fn each_constraint(&self, visit: &mut dyn FnMut(&SecurityContextConstraints));

    /// A number that is another one whenever constraints, or who may use which, are others; `None` where nobody keeps
    /// count. What namespaces give to constraints is not in it.
    fn constraints_revision(&self) -> Option<u64> {
        None
    }

    /// Who may use which security context constraint.
    fn rbac(&self) -> Arc<Index>;

    /// Whether an operator was installed in the namespace, and not only copied there.
    fn has_operator(&self, namespace: &str) -> bool;
}

macro_rules! by_reference {
    ($($pointer:ty),*) => {$(
        impl<C: Namespaces + ?Sized> Namespaces for $pointer {
            fn namespace(&self, name: &str) -> Result<Arc<Namespace>, LookupError> {
                (**self).namespace(name)
            }
        }

        impl<C: Pods + ?Sized> Pods for $pointer {
            fn pods(&self, namespace: &str, visit: &mut dyn FnMut(&Pod) -> ControlFlow<()>) -> Result<(), LookupError> {
                (**self).pods(namespace, visit)
            }

            fn alike(
                &self,
                namespace: &str,
                visit: &mut dyn FnMut(Alike<'_>) -> ControlFlow<()>,
            ) -> Result<(), LookupError> {
                (**self).alike(namespace, visit)
            }

            fn pods_revision(&self, namespace: &str) -> Option<u64> {
                (**self).pods_revision(namespace)
            }
        }

        impl<C: Cluster + ?Sized> Cluster for $pointer {
            fn platform(&self) -> Platform {
                (**self).platform()
            }

            fn has_seen(&self, kind: Kind) -> bool {
                (**self).has_seen(kind)
            }

            fn each_namespace(&self, visit: &mut dyn FnMut(&Namespace)) {
                (**self).each_namespace(visit);
            }

            fn service_account(&self, namespace: &str, name: &str) -> Option<Arc<ServiceAccount>> {
                (**self).service_account(namespace, name)
            }

            fn each_service_account(&self, namespace: &str, visit: &mut dyn FnMut(&ServiceAccount)) {
                (**self).each_service_account(namespace, visit);
            }

            fn each_constraint(&self, visit: &mut dyn FnMut(&SecurityContextConstraints)) {
                (**self).each_constraint(visit);
            }

            fn constraints_revision(&self) -> Option<u64> {
                (**self).constraints_revision()
            }

            fn rbac(&self) -> Arc<Index> {
                (**self).rbac()
            }

            fn has_operator(&self, namespace: &str) -> bool {
                (**self).has_operator(namespace)
            }
        }
    )*};
}

by_reference!(&C, Arc<C>);

/// What kind of cluster it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// Pod Security alone.
    Kubernetes,
    /// Security context constraints, then Pod Security.
    OpenShift,
}
