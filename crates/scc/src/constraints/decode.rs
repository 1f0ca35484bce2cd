//! Decoding with the field that was wrong: `runAsUser.uid`, not "line 12".

use serde::{Deserialize, Deserializer};

use super::SecurityContextConstraints;

/// A value that does not fit its field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct DecodeError {
    /// The path of the field, such as `fsGroup.ranges[0].min`; `.` is the object itself.
    pub field: String,
    /// What was found and what is wanted.
    pub message: String,
}

/// Reads one object, in any format that serde has. `null` stands for a field's zero value, as it does for the API
/// server; unknown fields are ignored, because a dump has those of other versions.
pub fn decode<'de, D: Deserializer<'de>>(input: D) -> Result<SecurityContextConstraints, DecodeError> {
    serde_path_to_error::deserialize(input)
        .map_err(|e| DecodeError { field: e.path().to_string(), message: e.inner().to_string() })
}

/// Go's decoder leaves a field at its zero value when it meets `null`.
pub(super) fn null_as_default<'de, D, T>(input: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::<T>::deserialize(input).map(Option::unwrap_or_default)
}
