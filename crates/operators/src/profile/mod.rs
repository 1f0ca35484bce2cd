//! Operators as data: what a profile file may say, and a profile that is ready for use.

pub(crate) mod compiled;
mod read;
mod types;

pub(crate) use compiled::{Compiled, Literal, Resource as CompiledResource, Step as CompiledStep};
pub use read::{Profile, ProfileError};
pub use types::*;

/// The JSON schema of a profile file.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(OperatorProfile).to_value()
}
