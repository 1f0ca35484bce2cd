//! What operators make of their custom resources.
//!
//! This crate knows no cluster and does no I/O. It has no unsafe code and panics on no input.

#![forbid(unsafe_code)]

pub mod redis;
mod version;

pub use version::{Version, VersionError};
