//! What is there, held against what its namespace says now: for each namespace, which workloads have pods that violate
//! its levels, and what of that is waived.
//!
//! [`reports`] judges; [`policy_report`] and [`cluster_policy_report`] put it into the objects of
//! `wgpolicyk8s.io/v1alpha2`, <https://github.com/kubernetes-sigs/wg-policy-prototypes>, without times, so that the same
//! cluster gives the same objects.

mod judge;
mod object;

pub use judge::{Finding, NamespaceReport, Outcome, Overview, Summary, report, reports};
pub use object::{API_VERSION, NAME, cluster_policy_report, policy_report};

#[cfg(test)]
mod tests;
