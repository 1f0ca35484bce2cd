//! Waivers: what somebody answers for, until a certain time.
//!
//! ```text
//! Waiver objects ─ Waivers::new(terms) ─▶ Waivers ─┐
//!                   │ invalid ones do not count    ├─ Waiving::cover ─▶ Cover: what is waived, by whom, and the rest
//!                   ▼                      the time ┘
//!                 problems
//! ```
//!
//! A waiver takes findings away from a refusal of Pod Security; it never makes anything else of an answer. It names
//! everything that it is about: namespaces, workload, containers and controls. What it does not name it does not cover,
//! and a waiver that cannot be read wholly counts for nothing. The time comes from the caller.

mod cover;
mod object;
mod selector;
mod set;
mod subject;
mod usage;

pub use cover::{Cover, Used, Waiving};
pub use object::{KIND, Waiver, WaiverError, Workload};
pub use selector::{Operator, Requirement, Selector};
pub use set::{State, Terms, Waivers};
pub use subject::Maker;
pub use usage::{Need, Reach, Usage, usages};

#[cfg(test)]
mod tests;
