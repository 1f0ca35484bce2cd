//! Volumes: preparing those that a run can provide, and giving them to the pod's fsGroup.

mod own;

pub use own::{ChangePolicy, OwnError, Owned, Ownership, own};
