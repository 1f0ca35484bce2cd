//! The SCCs of a cluster, in order, and the step from a cluster to a namespace.

use k8s_openapi::api::core::v1::Pod;

use crate::access::{Access, Subject};
use crate::admit::{Candidates, Operation};
use crate::constraints::SecurityContextConstraints;
use crate::decision::Decision;
use crate::namespace::Namespace;
use crate::order;

/// A kernel that has every sysctl of the safe list.
pub(crate) const MODERN_KERNEL: (u32, u32) = (u32::MAX, 0);

/// The SCCs of a cluster in the order of trial.
#[derive(Debug, Clone)]
pub struct Engine {
    ordered: Vec<SecurityContextConstraints>,
    kernel: (u32, u32),
}

impl Engine {
    /// Takes the SCCs in any order, as they were read; the API's defaults are applied here.
    pub fn new(constraints: impl IntoIterator<Item = SecurityContextConstraints>) -> Self {
        let mut ordered: Vec<_> = constraints.into_iter().collect();
        ordered.iter_mut().for_each(SecurityContextConstraints::set_defaults);
        ordered.sort_by(order::compare);
        Self { ordered, kernel: MODERN_KERNEL }
    }

    /// The kernel (major, minor) of the machine that the API server runs on, which decides whether a few newer
    /// sysctls count as safe; see [`crate::SAFE_SYSCTLS`]. Any release of this decade has them all, and is the
    /// default.
    #[must_use]
    pub fn on_kernel(mut self, major: u32, minor: u32) -> Self {
        self.kernel = (major, minor);
        self
    }

    /// The SCCs in the order of trial, with defaults.
    pub fn constraints(&self) -> &[SecurityContextConstraints] {
        &self.ordered
    }

    /// The SCC of that name.
    pub fn get(&self, name: &str) -> Option<&SecurityContextConstraints> {
        self.ordered.iter().find(|scc| scc.name() == name)
    }

    /// Fills the namespace's ranges and level into every SCC that wants them.
    pub fn in_namespace(&self, namespace: &Namespace<'_>) -> Candidates {
        Candidates::new(&self.ordered, namespace, self.kernel)
    }

    /// [`Engine::in_namespace`] and [`Candidates::admit`] in one, for a single pod.
    pub fn admit(
        &self,
        pod: &Pod,
        namespace: &Namespace<'_>,
        user: &Subject,
        operation: Operation<'_>,
        access: &(impl Access + ?Sized),
    ) -> Decision {
        self.in_namespace(namespace).admit(pod, user, operation, access)
    }
}
