//! A `Waiver`, from its object.

use super::selector::{Selector, SelectorError};
use crate::decode::{DecodeError, decode_value};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::ObjectMeta, jiff::Timestamp};
use serde::Deserialize;
use serde_json::Value;

/// The kind, in `ringfence.dev/v1alpha1`.
pub const KIND: &str = "Waiver";

/// More than that nobody reads; an object of the API is no longer either.
const LONGEST: usize = 1024;

/// What somebody answers for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    /// The namespace that the waiver itself is in.
    pub namespace: String,
    /// The waiver's name there.
    pub name: String,
    /// When it was made, if that is known.
    pub created: Option<Timestamp>,
    /// The namespaces that it is about, by their names.
    pub namespaces: Vec<String>,
    /// The workloads that it is about.
    pub workload: Workload,
    /// The containers, of whatever kind, whose fields it covers; `*` is every one.
    pub containers: Vec<String>,
    /// Whether it covers the fields of the pod itself.
    pub pod_fields: bool,
    /// The IDs of the controls that it covers.
    pub controls: Vec<&'static str>,
    /// The first moment at which it does not count any more.
    pub expires: Timestamp,
    /// Who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
}

/// Which workloads a waiver is about: those for which everything that is set here is true.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Workload {
    /// Kind and name of what makes the pods, or of the pod.
    pub maker: Option<(String, String)>,
    /// The labels of the pods.
    pub selector: Option<Selector>,
}

/// Why a waiver counts for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WaiverError {
    /// It is not of the shape of a waiver.
    #[error("{0}")]
    Decode(DecodeError),
    /// It has a field that is not known here, and that may have been meant to narrow it.
    #[error("spec.{field} is not known here")]
    Unknown {
        /// The field's path below `spec`.
        field: String,
    },
    /// A field has to be set.
    #[error("spec.{field} must be set")]
    Missing {
        /// The field's path below `spec`.
        field: &'static str,
    },
    /// A field says what it must not.
    #[error("spec.{field} is {value:?}: {must}")]
    Value {
        /// The field's path below `spec`.
        field: &'static str,
        /// What it says.
        value: String,
        /// What it must be.
        must: &'static str,
    },
    /// There is no such control.
    #[error("spec.controls names {0:?}, which is no control")]
    Control(String),
    /// The workload is not said, or only half.
    #[error("spec.workload must have kind and name, or a selector, or every: true, and nothing beside every")]
    Workload,
    /// The selector cannot be used.
    #[error("spec.workload.selector: {0}")]
    Selector(#[from] SelectorError),
    /// It covers nothing.
    #[error("spec.containers or spec.podFields must be set")]
    Nothing,
    /// It lasts for longer than it may.
    #[error("spec.expires is {expires}: it may last until {until} at most")]
    TooLong {
        /// What it says.
        expires: Timestamp,
        /// What it may say.
        until: Timestamp,
    },
    /// It has no name.
    #[error("metadata.name must be set")]
    Nameless,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    namespaces: Vec<String>,
    workload: Option<WorkloadSpec>,
    containers: Vec<String>,
    pod_fields: bool,
    controls: Vec<String>,
    expires: Option<String>,
    owner: String,
    reason: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WorkloadSpec {
    kind: Option<String>,
    name: Option<String>,
    selector: Option<Value>,
    every: bool,
}

const FIELDS: [&str; 8] =
    ["namespaces", "workload", "containers", "podFields", "controls", "expires", "owner", "reason"];
const WORKLOAD_FIELDS: [&str; 4] = ["kind", "name", "selector", "every"];

impl Waiver {
    /// Reads an object. Whatever is not wholly understood is an error: a field that is overlooked could have made the
    /// waiver narrower.
    pub fn read(object: &Value) -> Result<Self, WaiverError> {
        let metadata: ObjectMeta = object
            .get("metadata")
            .map_or_else(|| Ok(ObjectMeta::default()), decode_value)
            .map_err(WaiverError::Decode)?;
        let spec = object.get("spec").unwrap_or(&Value::Null);
        known(spec, &FIELDS, "")?;
        known(spec.get("workload").unwrap_or(&Value::Null), &WORKLOAD_FIELDS, "workload.")?;
        let spec: Spec = decode_value(spec).map_err(WaiverError::Decode)?;
        let name = metadata.name.filter(|name| !name.is_empty()).ok_or(WaiverError::Nameless)?;
        let expires = spec.expires.as_deref().ok_or(WaiverError::Missing { field: "expires" })?;
        let expires = expires.parse::<Timestamp>().map_err(|_| WaiverError::Value {
            field: "expires",
            value: expires.chars().take(80).collect(),
            must: "it must be a time such as 2030-01-31T00:00:00Z",
        })?;
        if spec.containers.is_empty() && !spec.pod_fields {
            return Err(WaiverError::Nothing);
        }
        Ok(Self {
            namespace: metadata.namespace.unwrap_or_else(|| "default".to_owned()),
            name,
            created: metadata.creation_timestamp.map(|time| time.0),
            namespaces: names("namespaces", spec.namespaces)?,
            workload: workload(spec.workload.ok_or(WaiverError::Missing { field: "workload" })?)?,
            containers: spec.containers,
            pod_fields: spec.pod_fields,
            controls: controls(&spec.controls)?,
            expires,
            owner: words("owner", spec.owner)?,
            reason: words("reason", spec.reason)?,
        })
    }

    /// `namespace/name`, as audit logs and warnings name it.
    pub fn title(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

fn known(value: &Value, fields: &[&str], below: &str) -> Result<(), WaiverError> {
    let keys = value.as_object().into_iter().flat_map(|fields| fields.keys());
    match keys.into_iter().find(|key| !fields.contains(&key.as_str())) {
        Some(key) => {
            Err(WaiverError::Unknown { field: format!("{below}{}", key.chars().take(80).collect::<String>()) })
        }
        None => Ok(()),
    }
}

/// A pattern that means nothing here would only look as if it did.
fn names(field: &'static str, names: Vec<String>) -> Result<Vec<String>, WaiverError> {
    if names.is_empty() {
        return Err(WaiverError::Missing { field });
    }
    let plain = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    match names.iter().find(|name| !plain(name)) {
        Some(name) => Err(WaiverError::Value {
            field,
            value: name.chars().take(80).collect(),
            must: "it must be the name of a namespace",
        }),
        None => Ok(names),
    }
}

fn workload(spec: WorkloadSpec) -> Result<Workload, WaiverError> {
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let maker = match (filled(spec.kind), filled(spec.name)) {
        (Some(kind), Some(name)) => Some((kind, name)),
        (None, None) => None,
        _ => return Err(WaiverError::Workload),
    };
    let selector = spec.selector.as_ref().map(Selector::read).transpose()?;
    if spec.every == (maker.is_some() || selector.is_some()) {
        return Err(WaiverError::Workload);
    }
    Ok(Workload { maker, selector })
}

fn controls(names: &[String]) -> Result<Vec<&'static str>, WaiverError> {
    if names.is_empty() {
        return Err(WaiverError::Missing { field: "controls" });
    }
    let known = |name: &String| {
        ringfence_pss::control(name)
            .map(|control| control.id)
            .ok_or_else(|| WaiverError::Control(name.chars().take(80).collect()))
    };
    names.iter().map(known).collect()
}

/// What people are shown, and logs keep.
fn words(field: &'static str, text: String) -> Result<String, WaiverError> {
    let bad = |must| WaiverError::Value { field, value: text.chars().take(80).collect(), must };
    if text.trim().is_empty() {
        return Err(WaiverError::Missing { field });
    }
    if text.chars().any(char::is_control) {
        return Err(bad("it must be one line, without control characters"));
    }
    if text.chars().count() > LONGEST {
        return Err(bad("it must be no longer than 1024 characters"));
    }
    Ok(text)
}
