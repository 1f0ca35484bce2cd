//! The Pod Security Standards, as the Kubernetes API server enforces them: every control, level and version.
//!
//! ```
//! use k8s_openapi::{api::core::v1::PodSpec, apimachinery::pkg::apis::meta::v1::ObjectMeta};
//! use ringfence_pss::{Level, Version, evaluate};
//!
//! let (metadata, spec) = (ObjectMeta::default(), PodSpec { host_pid: Some(true), ..PodSpec::default() });
//! let verdict = evaluate(Level::Baseline, Version::LATEST, &metadata, &spec);
//! assert!(!verdict.allowed());
//! assert_eq!(verdict.detail(), "host namespaces (hostPID=true)");
//! assert_eq!(verdict.findings()[0].path(), "spec.hostPID");
//! ```
//!
//! A [`Control`] restricts [`Field`]s, and its [`Revision`]s say what it decided from which version on. [`evaluate`]
//! runs the revisions that count at a level and version, which is settled when the crate is compiled ([`CONTROLS`]).
//! Each puts a [`Finding`] per offending field; the [`Verdict`] turns them into the reason and the detail that the API
//! server would give, to the letter, but only when asked. [`evaluate_all`] does it for every version at once.
//!
//! The messages are those of the pod security admission plug-in (`k8s.io/pod-security-admission/policy`), which is also
//! what the meaning of each control is held against.
//!
//! This crate must not know Security Context Constraints, files, clocks, or where a pod came from.

#![forbid(unsafe_code)]

mod control;
pub mod controls;
mod defaults;
mod evaluate;
mod field;
mod finding;
mod level;
mod page;
mod pod;
mod quote;
mod registry;
#[cfg(test)]
mod testing;
mod version;
mod violation;
mod words;

pub use control::{Control, Revision};
pub use defaults::{Holder, with_defaults};
pub use evaluate::{Range, Verdict, evaluate, evaluate_all};
pub use field::{Field, Remedy};
pub use finding::{Edit, Finding, Hint, Value};
pub use level::{Level, ParseLevelError};
pub use pod::{Container, ContainerKind};
pub use registry::{CONTROLS, NEWEST, control, controls_at};
pub use version::{ParseVersionError, Version};
pub use violation::Violation;
