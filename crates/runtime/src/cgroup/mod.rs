//! Control groups: where limits of resources are kept, in cgroup v1, v2, and both beside each other (cgroups(7),
//! `Documentation/admin-guide/cgroup-v2.rst` of the kernel).
//!
//! ```text
//! LinuxResources ─ settings (pure) ─▶ file, value, what the kernel must answer
//! mountinfo, cgroup ─ hierarchies ─▶ which controller is where ─ group ─▶ made, written, read back
//! ```
//!
//! A run has one group in each hierarchy that it needs, `ringfence-ID`, with what holds for all of its containers, and
//! each container one below it. In cgroup v1 it lies below the caller's own group, so that what limits the caller limits
//! the run, too. In cgroup v2, where a group with processes cannot have limited groups below it, it lies below the
//! nearest group above the caller that hands out the controllers.

mod group;
mod hierarchy;
mod pod;
mod settings;
mod text;

pub(crate) use group::{Failure, Group, make, remove_tree};
pub(crate) use hierarchy::{Hierarchies, Place};
pub use pod::NotApplied;
pub(crate) use pod::{FILE, Prepared, prepare, without};
pub(crate) use settings::{Controller, controllers, refused, settings};

/// Which interface a hierarchy has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// A hierarchy for some controllers each.
    V1,
    /// One hierarchy for all.
    V2,
}
