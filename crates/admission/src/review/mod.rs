//! `AdmissionReview` of `admission.k8s.io/v1`: what an API server asks, and what it is told.

mod constraints;
mod forbidden;
mod patch;
mod read;
mod recorded;
mod unjudged;

pub use constraints::{Phase, constrain, needs_stored_pod};
pub use forbidden::{bad_request, forbidden};
pub use patch::{Change, Patch, diff};
pub use read::{ReadError, answer, read};
pub use recorded::{Controls, Evaluation, Recorded};
pub use unjudged::{advised, unjudged};

use crate::decode::GroupVersionKind;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{borrow::Cow, collections::BTreeMap};

/// A request for admission. Objects stay text until they are needed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AdmissionRequest {
    /// Identifies the request; the response repeats it.
    pub uid: String,
    /// The type of the object.
    pub kind: GroupVersionKind,
    /// What is being asked for.
    pub resource: GroupVersionResource,
    /// The part of the resource, such as `exec`, as the caller named it.
    pub request_sub_resource: String,
    /// The name of the object; empty if the API server is to generate one.
    pub name: String,
    /// The namespace of the object. A namespace is in itself.
    pub namespace: String,
    /// What is to be done.
    pub operation: Operation,
    /// Who asks.
    pub user_info: UserInfo,
    /// Whether nothing of it will be kept.
    pub dry_run: Option<bool>,
    /// The new object; absent when one is deleted.
    #[serde(deserialize_with = "raw")]
    pub object: Option<Box<RawValue>>,
    /// The present object; absent when one is created.
    #[serde(deserialize_with = "raw")]
    pub old_object: Option<Box<RawValue>>,
}

/// `null` is no object.
fn raw<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    let raw: Option<Box<RawValue>> = Option::deserialize(deserializer)?;
    Ok(raw.filter(|raw| raw.get() != "null"))
}

/// A resource of the API.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct GroupVersionResource {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version.
    pub version: String,
    /// The plural name in lower case.
    pub resource: String,
}

/// What a request does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    /// A new object.
    Create,
    /// A changed object.
    Update,
    /// The end of an object.
    Delete,
    /// A connection, such as `exec`.
    Connect,
    /// Something that did not exist when this was written.
    #[default]
    #[serde(other)]
    Other,
}

/// Who makes a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct UserInfo {
    /// The user name.
    pub username: String,
    /// The groups.
    pub groups: Vec<String>,
}

/// The answer to a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AdmissionResponse {
    /// The request's.
    pub uid: String,
    /// Whether it is let through.
    pub allowed: bool,
    /// Why not, and only then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// For the audit log.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub audit_annotations: BTreeMap<Cow<'static, str>, String>,
    /// For whoever made the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What to change in the object.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub patch: Option<Patch>,
    /// For whoever counts what was judged; it is not part of the answer.
    #[serde(skip)]
    pub recorded: Recorded,
}

/// `Status` of the API machinery, as far as a refusal needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Always empty.
    pub metadata: Empty,
    /// Always `Failure`.
    pub status: &'static str,
    /// For people.
    pub message: String,
    /// For programs.
    pub reason: Reason,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
    /// The HTTP status.
    pub code: u16,
}

/// An object without fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Empty {}

/// Why a request is refused, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Reason {
    /// 400
    BadRequest,
    /// 403
    Forbidden,
    /// 422
    Invalid,
    /// 500
    InternalError,
}

/// What a refusal is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Details {
    /// The object's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The API group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The resource of what is forbidden, the kind of what is invalid.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The invalid fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
}

/// One reason of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// Such as `FieldValueInvalid`.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// The field's path.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_leaves_out_what_it_has_not() {
        let request: AdmissionRequest =
            serde_json::from_str(r#"{"uid":"1","operation":"DELETE","object":null,"oldObject":{"a": 1}}"#).unwrap();
        assert_eq!(request.operation, Operation::Delete);
        assert!(request.object.is_none());
        assert_eq!(request.old_object.unwrap().get(), r#"{"a": 1}"#);
    }

    #[test]
    fn an_operation_of_the_future_is_no_error() {
        let request: AdmissionRequest = serde_json::from_str(r#"{"operation":"TELEPORT"}"#).unwrap();
        assert_eq!(request.operation, Operation::Other);
    }
}
