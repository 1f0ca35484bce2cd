//! `PodSecurityConfiguration` of `pod-security.admission.config.k8s.io`: what counts where a namespace says nothing,
//! and who is left alone.

use super::{
    LevelVersion, Policy,
    name::{label_errors, subdomain_errors},
};
use crate::{
    decode::{DecodeError, decode_derived},
    field_error::{FieldError, aggregate},
    quote::Quoted,
};
use ringfence_pss::{Level, Version};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashSet;

const GROUP: &str = "pod-security.admission.config.k8s.io";
const KIND: &str = "PodSecurityConfiguration";

/// The configuration file of the plug-in. Its versions v1, v1beta1 and v1alpha1 have the same fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct PodSecurityConfiguration {
    /// What counts where a namespace has no label.
    pub defaults: Defaults,
    /// Who is left alone.
    pub exemptions: Exemptions,
}

/// `defaults`; an empty level is privileged, an empty version latest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, rename_all = "kebab-case", rename = "PodSecurityDefaults")]
pub struct Defaults {
    /// The level that is enforced.
    pub enforce: String,
    /// In which version.
    pub enforce_version: String,
    /// The level that the audit log notes breaches of.
    pub audit: String,
    /// In which version.
    pub audit_version: String,
    /// The level that users are warned of breaches of.
    pub warn: String,
    /// In which version.
    pub warn_version: String,
}

/// `exemptions`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase", rename = "PodSecurityExemptions")]
pub struct Exemptions {
    /// Users whose requests are let through.
    pub usernames: Vec<String>,
    /// Namespaces in which everything is let through.
    pub namespaces: Vec<String>,
    /// Runtime classes whose pods are let through.
    pub runtime_classes: Vec<String>,
}

/// Why a configuration is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It is not to be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// It is of another kind or version.
    #[error("no kind {} is registered for version {}", Quoted(.kind), Quoted(.api_version))]
    Kind {
        /// Its kind.
        kind: String,
        /// Its version.
        api_version: String,
    },
    /// It says neither kind nor version.
    #[error("'{field}' is missing in the Pod Security configuration")]
    Untyped {
        /// What is missing.
        field: &'static str,
    },
    /// It has fields that there are not.
    #[error("strict decoding error: {}", .fields.iter().map(|f| format!("unknown field {}", Quoted(f))).collect::<Vec<_>>().join(", "))]
    UnknownFields {
        /// Their paths.
        fields: Vec<String>,
    },
    /// It has values that are not allowed.
    #[error("{}", aggregate(.0))]
    Invalid(Vec<FieldError>),
}

impl PodSecurityConfiguration {
    /// Reads the configuration, alone or as a plug-in's within an `AdmissionConfiguration`. Its values are not checked
    /// yet, as they are by [`Self::policy`].
    pub fn read(value: &Value) -> Result<Self, ConfigError> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        if kind == "AdmissionConfiguration" && api_version.starts_with("apiserver.config.k8s.io/") {
            let mut plugins = value.get("plugins").and_then(Value::as_array).into_iter().flatten();
            let own = plugins.find(|plugin| plugin.get("name").and_then(Value::as_str) == Some("PodSecurity"));
            let configuration = own.and_then(|plugin| plugin.get("configuration"));
            return configuration.map_or_else(|| Ok(Self::default()), Self::read);
        }
        if kind.is_empty() || api_version.is_empty() {
            return Err(ConfigError::Untyped { field: if kind.is_empty() { "kind" } else { "apiVersion" } });
        }
        let version = api_version.strip_prefix(GROUP).and_then(|rest| rest.strip_prefix('/'));
        if kind != KIND || !matches!(version, Some("v1" | "v1beta1" | "v1alpha1")) {
            return Err(ConfigError::Kind { kind: kind.to_owned(), api_version: api_version.to_owned() });
        }
        let read = decode_derived(value)?;
        let fields = unknown_fields(value);
        if fields.is_empty() { Ok(read) } else { Err(ConfigError::UnknownFields { fields }) }
    }

    /// Checks every value, and makes the policy that counts where a namespace says nothing.
    pub fn policy(&self) -> Result<Policy, ConfigError> {
        let mut errors = Vec::new();
        let defaults = &self.defaults;
        // The order is that of the API server's messages.
        let enforce = level_version("enforce", &defaults.enforce, &defaults.enforce_version, &mut errors);
        let warn = level_version("warn", &defaults.warn, &defaults.warn_version, &mut errors);
        let audit = level_version("audit", &defaults.audit, &defaults.audit_version, &mut errors);
        let exemptions = &self.exemptions;
        check_names("namespaces", &exemptions.namespaces, label_errors, &mut errors);
        check_names("runtimeClasses", &exemptions.runtime_classes, subdomain_errors, &mut errors);
        let empty =
            |name: &str| if name.is_empty() { vec!["username must not be empty".to_owned()] } else { Vec::new() };
        check_names("usernames", &exemptions.usernames, empty, &mut errors);
        if errors.is_empty() { Ok(Policy { enforce, audit, warn }) } else { Err(ConfigError::Invalid(errors)) }
    }
}

fn level_version(field: &str, level: &str, version: &str, errors: &mut Vec<FieldError>) -> LevelVersion {
    let level = match level {
        "" => Level::Privileged,
        text => text.parse().unwrap_or_else(|error: ringfence_pss::ParseLevelError| {
            errors.push(FieldError::invalid(format!("defaults.{field}"), text, error.to_string()));
            Level::Restricted
        }),
    };
    let version = match version {
        "" => Version::LATEST,
        text => text.parse().unwrap_or_else(|error: ringfence_pss::ParseVersionError| {
            errors.push(FieldError::invalid(format!("defaults.{field}-version"), text, error.to_string()));
            Version::LATEST
        }),
    };
    LevelVersion { level, version }
}

fn check_names(list: &str, names: &[String], check: impl Fn(&str) -> Vec<String>, errors: &mut Vec<FieldError>) {
    let mut seen = HashSet::new();
    for (i, name) in names.iter().enumerate() {
        let path = format!("exemptions.{list}[{i}]");
        let wrong = check(name);
        if !wrong.is_empty() {
            errors.push(FieldError::invalid(path, name, wrong.join(", ")));
        } else if !seen.insert(name) {
            errors.push(FieldError::duplicate(path, name));
        }
    }
}

fn unknown_fields(value: &Value) -> Vec<String> {
    let known: [(&str, &[&str]); 3] = [
        ("", &["apiVersion", "kind", "defaults", "exemptions"]),
        ("defaults", &["enforce", "enforce-version", "audit", "audit-version", "warn", "warn-version"]),
        ("exemptions", &["usernames", "namespaces", "runtimeClasses"]),
    ];
    let mut unknown = Vec::new();
    for (at, fields) in known {
        let (object, dot) = if at.is_empty() { (Some(value), "") } else { (value.get(at), ".") };
        let names = object.and_then(Value::as_object).into_iter().flat_map(|object| object.keys());
        unknown.extend(names.filter(|name| !fields.contains(&name.as_str())).map(|name| format!("{at}{dot}{name}")));
    }
    unknown
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "JSON written in place reads best without a reference before it")]
mod tests {
    use super::*;
    use serde_json::json;

    fn configuration(mut fields: Value) -> Value {
        fields["apiVersion"] = json!("pod-security.admission.config.k8s.io/v1");
        fields["kind"] = json!("PodSecurityConfiguration");
        fields
    }

    fn error(value: &Value) -> String {
        PodSecurityConfiguration::read(value).and_then(|read| read.policy()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_left_out_is_privileged_and_latest() {
        for defaults in [json!({}), json!({"enforce": ""}), json!(null)] {
            let read = PodSecurityConfiguration::read(&configuration(json!({"defaults": defaults}))).unwrap();
            assert_eq!(read.policy(), Ok(Policy::PRIVILEGED));
        }
    }

    #[test]
    fn every_version_of_the_file_has_the_same_fields() {
        for version in ["v1", "v1beta1", "v1alpha1"] {
            let mut value = configuration(json!({"defaults": {"warn": "baseline", "warn-version": "v1.22"}}));
            value["apiVersion"] = json!(format!("pod-security.admission.config.k8s.io/{version}"));
            let policy = PodSecurityConfiguration::read(&value).unwrap().policy().unwrap();
            assert_eq!(policy.warn.to_string(), "baseline:v1.22");
        }
    }

    #[test]
    fn is_found_within_an_admission_configuration() {
        let own = configuration(json!({"exemptions": {"namespaces": ["a"]}}));
        let whole = json!({"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration",
            "plugins": [{"name": "Other"}, {"name": "PodSecurity", "configuration": own}]});
        assert_eq!(PodSecurityConfiguration::read(&whole).unwrap().exemptions.namespaces, ["a"]);
    }

    #[test]
    fn wrong_values_are_told_in_the_words_of_the_api_server() {
        assert_eq!(
            error(&configuration(json!({"defaults": {"enforce": "x", "audit-version": "1"},
                "exemptions": {"namespaces": ["a", "a", "B"], "runtimeClasses": ["k_"], "usernames": ["", "u", "u"]}}))),
            concat!(
                r#"[defaults.enforce: Invalid value: "x": must be one of privileged, baseline, restricted, "#,
                r#"defaults.audit-version: Invalid value: "1": must be "latest" or "v1.x", "#,
                r#"exemptions.namespaces[1]: Duplicate value: "a", "#,
                r#"exemptions.namespaces[2]: Invalid value: "B": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?'), "#,
                r#"exemptions.runtimeClasses[0]: Invalid value: "k_": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'), "#,
                r#"exemptions.usernames[0]: Invalid value: "": username must not be empty, "#,
                r#"exemptions.usernames[2]: Duplicate value: "u"]"#,
            )
        );
    }

    #[test]
    fn unknown_fields_kinds_and_types_are_errors() {
        assert_eq!(
            error(&configuration(json!({"defaults": []}))),
            "json: cannot unmarshal array into Go struct field PodSecurityConfiguration.defaults of type v1.PodSecurityDefaults"
        );
        assert_eq!(
            error(&configuration(json!({"default": {}, "defaults": {"enforced": "baseline"}}))),
            r#"strict decoding error: unknown field "default", unknown field "defaults.enforced""#
        );
        assert_eq!(
            error(&configuration(json!({"defaults": {"enforce": 1}}))),
            "json: cannot unmarshal number into Go struct field PodSecurityDefaults.defaults.enforce of type string"
        );
        assert_eq!(
            error(
                &json!({"apiVersion": "pod-security.admission.config.k8s.io/v2", "kind": "PodSecurityConfiguration"})
            ),
            r#"no kind "PodSecurityConfiguration" is registered for version "pod-security.admission.config.k8s.io/v2""#
        );
        assert_eq!(
            error(&json!({"kind": "PodSecurityConfiguration"})),
            "'apiVersion' is missing in the Pod Security configuration"
        );
    }
}
