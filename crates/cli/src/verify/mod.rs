//! Running processes held against what their pods declare.

mod against;
mod container;
mod mounts;
mod narrower;
mod pod;
mod report;

pub(crate) use against::{Compared, manifest, specification};
pub(crate) use container::{Container, Running};
pub(crate) use pod::{Fit, fit, index};
pub(crate) use report::{Entry, Output, Report};
