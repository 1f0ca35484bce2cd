//! PolicyReports and events that follow what runs.
//!
//! ```text
//!  namespaces, pods, waivers ─▶ known ─▶ queue, a second later ─▶ judged ─▶ report written, if it is another ─▶ events
//!  our reports ───────────────▶   "                                   └─▶ overview ─▶ report of the cluster
//! ```
//!
//! What is said is decided by [`ringfence_admission::report`]; here is when to look again, and that only one replica writes.

mod event;
mod fingerprint;
mod known;
mod run;
#[cfg(test)]
mod tests;
mod write;

pub use event::{event, events};
pub use fingerprint::is_same;
pub use run::{ReportOptions, run_reports};

use ringfence_admission::report::API_VERSION;
use ringfence_live::Resource;

/// Who applies the reports.
pub(crate) const FIELD_MANAGER: &str = "ringfence-report";
pub(crate) const OF_NAMESPACE: Resource<'static> =
    Resource { api_version: API_VERSION, plural: "policyreports", kind: "PolicyReport" };
pub(crate) const OF_CLUSTER: Resource<'static> =
    Resource { api_version: API_VERSION, plural: "clusterpolicyreports", kind: "ClusterPolicyReport" };
/// The key under which the report of the cluster is asked for: no namespace is called so.
pub(crate) const CLUSTER: &str = "/cluster";

/// What is said where reports cannot be.
pub const NO_KINDS: &str = "the cluster does not know PolicyReports: install the definitions of \
    kubernetes-sigs/wg-policy-prototypes, or what brings them, such as Kyverno";
