//! OpenShift's Security Context Constraints, decided as its API server decides them.
//!
//! ```text
//! SCCs ─ Engine::new ─▶ defaulted, in order ─ in_namespace ─▶ Candidates ─ admit(pod, user, access) ─▶ Decision
//! ```
//!
//! An [`Engine`] holds the SCCs of a cluster; [`Engine::in_namespace`] fills in what a namespace gives; the resulting
//! [`Candidates`] judge one pod after another. Each trial works on a copy of the few fields that an SCC may fill in,
//! so no trial can colour the next. RBAC stays outside, behind [`Access`].
//!
//! This crate must not know Pod Security Standards, RBAC's objects, files, clocks or a cluster's client.

#![forbid(unsafe_code)]

mod access;
mod admit;
mod audit;
mod constraints;
mod decision;
mod diff;
mod engine;
mod go;
mod namespace;
mod near;
mod order;
pub mod platform;
mod pod;
mod provider;
mod skip;
mod strategy;
mod violation;

pub use access::{Access, Grant, Rule, Subject, SubjectType};
pub use admit::{Candidates, Operation, REQUIRED_SCC, VALIDATED_SCC, VALIDATED_SCC_SUBJECT_TYPE};
pub use constraints::{
    ALL, AllowedFlexVolume, DecodeError, GroupStrategyOptions, IDRange, RunAsUserStrategyOptions,
    SELinuxContextStrategyOptions, SecurityContextConstraints, decode, validate, validate_update,
};
pub use decision::{Decision, Outcome, Skipped, Trial};
pub use diff::{FieldDiff, Looser, diff};
pub use engine::Engine;
pub use go::Value;
pub use namespace::{BlockError, MCS, Namespace, NamespaceError, ProviderError, SUPPLEMENTAL_GROUPS, UID_RANGE};
pub use near::{Edit, MissingGrant, NearMiss, apply, minimal_for};
pub use order::{Why, compare, score, why_before};
pub use pod::{ContainerAt, ContainerKind, api_defaults};
pub use skip::IGNORED_SUBRESOURCES;
pub use strategy::StrategyError;
pub use strategy::sysctls::SAFE as SAFE_SYSCTLS;
pub use strategy::volumes::{FS_TYPES, fs_type, is_service_account_token};
pub use violation::{Control, Fault, FieldError, Violation};

pub(crate) use engine::MODERN_KERNEL;
