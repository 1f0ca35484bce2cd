//! An object as the API machinery decodes it, with the error that it would give.

mod gvk;
mod json;
mod registered;
pub(crate) mod sieve;
mod typed;

pub(crate) use gvk::unregistered;
pub use gvk::{GroupVersionKind, identify};
use json::Json;
use k8s_openapi::api::core::v1::Pod;
pub(crate) use registered::is_registered;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Why an object cannot be decoded, in the words of the API machinery.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(pub(crate) String);

impl DecodeError {
    /// An error in the given words.
    pub fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }
}

/// Decodes JSON into a typed object. What Go's decoder accepts and a strict one would not, such as `null` for a list,
/// is accepted.
pub fn decode<T: DeserializeOwned>(json: &str) -> Result<T, DecodeError> {
    // Nearly every object is well formed; only for the others is it worth finding out what Go would say.
    if let Ok(object) = serde_json::from_str(json) {
        return Ok(object);
    }
    let json: Json = serde_json::from_str(json).map_err(|error| DecodeError(error.to_string()))?;
    typed::decode(&json)
}

/// A pod with what Pod Security reads of it. The rest is left out, unless that makes a difference to whether the pod can
/// be decoded at all.
pub fn decode_pod(json: &str) -> Result<Pod, DecodeError> {
    sieve::pod(json).map_or_else(|| decode(json), Ok)
}

/// The same for types whose serde implementation takes a list for their fields in order, which Go never does.
pub(crate) fn decode_derived<T: DeserializeOwned>(value: &Value) -> Result<T, DecodeError> {
    typed::decode(&Json::from(value))
}

/// The same as [`decode`], from a parsed value.
pub fn decode_value<T: DeserializeOwned>(value: &Value) -> Result<T, DecodeError> {
    T::deserialize(value).or_else(|_| typed::decode(&Json::from(value)))
}
