//! OpenShift's label synchroniser: the pod-security labels that a namespace gets for what its service accounts may do.
//!
//! [`plan`] tells, for every namespace, what the two controllers of `openshift/cluster-policy-controller` come to once
//! they have nothing more to do: the one that keeps the privileged namespaces privileged, and the one that follows the
//! security context constraints. Installing an operator in a namespace called `openshift-…` starts the latter there.

mod control;
mod convert;
mod describe;
mod level;
mod owner;
mod plan;
mod write;

pub use control::{Uncontrolled, is_payload_namespace};
pub use convert::{ConvertError, convert};
pub use plan::{Because, Outcome, Plan, Settings, Skip, is_always_privileged, plan, plan_namespace};
pub use write::Apply;

use crate::cluster::Kind;

/// The kinds of object that a plan follows from. Operators may be missing; then none is installed.
pub const NEEDS: [Kind; 7] = [
    Kind::Namespace,
    Kind::ServiceAccount,
    Kind::SecurityContextConstraints,
    Kind::Role,
    Kind::ClusterRole,
    Kind::RoleBinding,
    Kind::ClusterRoleBinding,
];

/// The label by which a namespace asks for synchronisation (`true`), or asks to be left alone (`false`).
pub const CONTROL_LABEL: &str = "security.openshift.io/scc.podSecurityLabelSync";
/// The annotation that says what the namespace's service accounts need at least.
pub const MINIMALLY_SUFFICIENT: &str = "security.openshift.io/MinimallySufficientPodSecurityStandard";
/// The synchroniser's name as a field manager.
pub const MANAGER: &str = "pod-security-admission-label-synchronization-controller";
/// The name as a field manager of the controller that keeps the privileged namespaces privileged.
pub const PRIVILEGED_MANAGER: &str = "privileged-namespaces-psa-label-syncer";
/// The field manager under which the synchroniser used to write, and under which ranges are allocated still.
pub const FORMER_MANAGER: &str = "cluster-policy-controller";
