//! Admission as a cluster does it: what becomes of a pod and why, who may use which security context constraint, what
//! Pod Security says of a request in its namespace, which pod-security labels OpenShift's synchroniser gives a
//! namespace, and what a change of labels or configuration would break.
//!
//! ```text
//!  objects ─ cluster::Builder ─▶ Snapshot ─┬─ admit::Admitter ─────────▶ Admission   (pods, workloads, updates)
//!  (JSON, in any order,          │         ├─ pod_security::PodSecurity ▶ Review      (AdmissionReview in and out)
//!   lists or one by one)         │         ├─ sync::plan ──────────────▶ Plan         (labels, and because of whom)
//!                                │         └─ simulate::Simulation ────▶ Report       (before and after)
//!                                └─ rbac::Index: binding ─▶ role ─▶ rule
//! ```
//!
//! [`pod_security`] needs no more of a cluster than the traits [`cluster::Namespaces`] and [`cluster::Pods`], so that a
//! webhook can answer from what it watches; the other parts take a [`cluster::Snapshot`].
//!
//! What a cluster's objects do not say is never guessed in silence: [`cluster::Snapshot::problems`] and
//! [`cluster::Snapshot::missing`] tell what could not be read and which kinds were not there, and
//! [`admit::Admission::assumptions`] what an answer rests on.
//!
//! Everything here is a function of a request and of a cluster's objects. This crate must not know HTTP, a Kubernetes
//! client, files or the time.

#![forbid(unsafe_code)]

pub mod admit;
pub mod cluster;
pub mod decode;
pub mod explain;
pub mod field_error;
pub mod pod_security;
mod quote;
pub mod rbac;
pub mod report;
pub mod review;
pub mod simulate;
pub mod sync;
pub mod user;
pub mod waiver;
