//! What an object says it is.

use super::{DecodeError, json::Json};
use crate::quote::Quoted;
use serde::Deserialize;
use std::{borrow::Cow, fmt};

/// The type of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, serde::Serialize)]
pub struct GroupVersionKind {
    /// The API group; empty for the core group.
    #[serde(default)]
    pub group: String,
    /// The version.
    #[serde(default)]
    pub version: String,
    /// The kind.
    #[serde(default)]
    pub kind: String,
}

impl GroupVersionKind {
    /// Whether it is that type.
    pub(crate) fn is(&self, group: &str, version: &str, kind: &str) -> bool {
        self.group == group && self.version == version && self.kind == kind
    }
}

impl fmt::Display for GroupVersionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}, Kind={}", self.group, self.version, self.kind)
    }
}

#[derive(Deserialize)]
struct TypeMeta<'a> {
    #[serde(borrow, rename = "apiVersion")]
    api_version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    kind: Option<Cow<'a, str>>,
}

/// Reads the type of an object, with what it leaves out taken from the default.
pub fn identify(json: &str, default: &GroupVersionKind) -> Result<GroupVersionKind, DecodeError> {
    let meta: TypeMeta<'_> = serde_json::from_str(json).map_err(|_| bad_type_meta(json))?;
    let (api_version, kind) = (meta.api_version.unwrap_or_default(), meta.kind.unwrap_or_default());
    let (group, version) = match api_version.matches('/').count() {
        0 => ("", api_version.as_ref()),
        1 => api_version.split_once('/').unwrap_or_default(),
        _ => return Err(DecodeError(format!("unexpected GroupVersion string: {api_version}"))),
    };
    let mut found = GroupVersionKind { group: group.to_owned(), version: version.to_owned(), kind: kind.into_owned() };
    if found.kind.is_empty() {
        found.kind.clone_from(&default.kind);
    }
    if found.version.is_empty() && found.group.is_empty() {
        found.group.clone_from(&default.group);
        found.version.clone_from(&default.version);
    }
    if found.version.is_empty() && found.group == default.group {
        found.version.clone_from(&default.version);
    }
    if found.kind.is_empty() {
        return Err(DecodeError(format!("Object 'Kind' is missing in '{json}'")));
    }
    if found.version.is_empty() {
        return Err(DecodeError(format!("Object 'apiVersion' is missing in '{json}'")));
    }
    Ok(found)
}

/// The error of an object whose type is not to be read at all.
fn bad_type_meta(json: &str) -> DecodeError {
    const TARGET: &str =
        r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;
    let what = match serde_json::from_str(json) {
        Err(error) => error.to_string(),
        Ok(serde_json::Value::Object(fields)) => {
            let wrong = ["apiVersion", "kind"]
                .iter()
                .find_map(|name| Some((name, fields.get(*name)?)).filter(|(_, v)| !v.is_string()));
            let (name, value) =
                wrong.map_or(("apiVersion", "value"), |(name, value)| (*name, Json::from(value).go_kind()));
            format!("json: cannot unmarshal {value} into Go struct field .{name} of type string")
        }
        Ok(other) => format!("json: cannot unmarshal {} into Go value of type {TARGET}", Json::from(&other).go_kind()),
    };
    DecodeError(format!("couldn't get version/kind; json parse error: {what}"))
}

/// The error for an object of a type that the decoder has never heard of.
pub(crate) fn unregistered(gvk: &GroupVersionKind) -> DecodeError {
    let version = if gvk.group.is_empty() { gvk.version.clone() } else { format!("{}/{}", gvk.group, gvk.version) };
    DecodeError(format!("no kind {} is registered for version {}", Quoted(&gvk.kind), Quoted(&version)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod() -> GroupVersionKind {
        GroupVersionKind { group: String::new(), version: "v1".to_owned(), kind: "Pod".to_owned() }
    }

    #[test]
    fn takes_what_is_left_out_from_the_default() {
        assert_eq!(identify("{}", &pod()), Ok(pod()));
        let gvk = identify(r#"{"apiVersion":"apps/v1","kind":"Deployment"}"#, &pod()).unwrap();
        assert_eq!(gvk.to_string(), "apps/v1, Kind=Deployment");
        assert_eq!(identify(r#"{"kind":"Secret"}"#, &pod()).unwrap().to_string(), "/v1, Kind=Secret");
    }

    #[test]
    fn says_what_is_wrong_with_something_that_has_no_type() {
        let error = |json| identify(json, &pod()).unwrap_err().to_string();
        assert_eq!(error(r#"{"apiVersion":"a/b/c"}"#), "unexpected GroupVersion string: a/b/c");
        assert!(error("[]").starts_with(
            "couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value of type struct"
        ));
        assert!(
            error(r#"{"kind":1}"#).ends_with("json: cannot unmarshal number into Go struct field .kind of type string")
        );
    }
}
