//! The name, labels and annotations of an SCC, which has no namespace.
//!
//! Upstream: `apimachinery`, `pkg/api/validation/objectmeta.go` and `pkg/util/validation/validation.go`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Errors;
use crate::Value;
use crate::violation::Fault;

const ANNOTATIONS_MAX: usize = 256 * 1024;
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
    and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const QUALIFIED: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
    alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', \
    and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for \
    validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

pub(super) fn validate(meta: &ObjectMeta, out: &mut Errors) {
    let text = |s: &Option<String>| s.clone().unwrap_or_default();
    let generate_name = text(&meta.generate_name);
    if !generate_name.is_empty() {
        let masked = masked(&generate_name);
        each(&subdomain(&masked), "metadata.generateName", &generate_name, out);
    }
    let name = text(&meta.name);
    if name.is_empty() {
        out.push("metadata.name", Fault::Required, "name or generateName is required");
    } else {
        each(&subdomain(&name), "metadata.name", &name, out);
    }
    if meta.namespace.as_deref().is_some_and(|n| !n.is_empty()) {
        out.push("metadata.namespace", Fault::Forbidden, "not allowed on this type");
    }
    if let Some(generation) = meta.generation.filter(|g| *g < 0) {
        let detail = "must be greater than or equal to 0";
        out.invalid("metadata.generation", Value::Int(generation), detail);
    }
    for (key, value) in meta.labels.iter().flatten() {
        each(&qualified(key), "metadata.labels", key, out);
        each(&label_value(value), "metadata.labels", value, out);
    }
    for key in meta.annotations.iter().flatten().map(|(key, _)| key) {
        each(&qualified(&key.to_lowercase()), "metadata.annotations", key, out);
    }
    let size: usize = meta.annotations.iter().flatten().map(|(k, v)| k.len() + v.len()).sum();
    if size > ANNOTATIONS_MAX {
        out.push("metadata.annotations", Fault::TooLong, format!("may not be more than {ANNOTATIONS_MAX} bytes"));
    }
    for finalizer in meta.finalizers.iter().flatten() {
        each(&qualified(finalizer), "metadata.finalizers", finalizer, out);
    }
}

pub(super) fn validate_update(new: &ObjectMeta, old: &ObjectMeta, out: &mut Errors) {
    if new.resource_version.as_deref().unwrap_or_default().is_empty() {
        let detail = "must be specified for an update";
        out.invalid("metadata.resourceVersion", Value::String(String::new()), detail);
    }
    let generation = new.generation.unwrap_or(0);
    if generation < old.generation.unwrap_or(0) {
        out.invalid("metadata.generation", Value::Int(generation), "must not be decremented");
    }
    for (field, new, old) in [("metadata.name", &new.name, &old.name), ("metadata.uid", &new.uid, &old.uid)] {
        if new.as_deref().unwrap_or_default() != old.as_deref().unwrap_or_default() {
            let value = new.clone().unwrap_or_default();
            // A name is a plain string and printed with %q, a UID has a type of its own and is printed as JSON; for
            // what either may hold that is the same.
            out.invalid(field, Value::String(value), "field is immutable");
        }
    }
}

fn each(messages: &[String], field: &str, value: &str, out: &mut Errors) {
    for message in messages {
        out.invalid(field, Value::String(value.into()), message.clone());
    }
}

/// What `generateName` is checked as: its trailing dash will be followed by something.
fn masked(name: &str) -> String {
    match name.strip_suffix('-') {
        // Upstream cuts off one character more than the dash.
        Some(stem) if !stem.is_empty() => {
            let mut chars: Vec<char> = stem.chars().collect();
            chars.pop();
            chars.into_iter().chain(['a']).collect()
        }
        _ => name.into(),
    }
}

fn subdomain(value: &str) -> Vec<String> {
    let is_end = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let is_label = |label: &str| {
        let b = label.as_bytes();
        b.first().copied().is_some_and(is_end)
            && b.last().copied().is_some_and(is_end)
            && b.iter().all(|&b| is_end(b) || b == b'-')
    };
    let mut errors = Vec::new();
    if value.len() > 253 {
        errors.push("must be no more than 253 characters".into());
    }
    if !value.split('.').all(is_label) {
        errors.push(SUBDOMAIN.into());
    }
    errors
}

fn is_name(name: &str) -> bool {
    let b = name.as_bytes();
    b.first().is_some_and(u8::is_ascii_alphanumeric)
        && b.last().is_some_and(u8::is_ascii_alphanumeric)
        && b.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
}

fn qualified(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    let name = match value.split('/').collect::<Vec<_>>().as_slice() {
        [name] => *name,
        [prefix, name] => {
            if prefix.is_empty() {
                errors.push("prefix part must be non-empty".into());
            } else {
                errors.extend(subdomain(prefix).into_iter().map(|e| format!("prefix part {e}")));
            }
            *name
        }
        _ => {
            let optional = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
            return vec![format!("a valid label key {QUALIFIED} {optional}")];
        }
    };
    if name.is_empty() {
        errors.push("name part must be non-empty".into());
    } else if name.len() > 63 {
        errors.push("name part must be no more than 63 characters".into());
    }
    if !is_name(name) {
        errors.push(format!("name part {QUALIFIED}"));
    }
    errors
}

fn label_value(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > 63 {
        errors.push("must be no more than 63 characters".into());
    }
    if !value.is_empty() && !is_name(value) {
        errors.push(LABEL_VALUE.into());
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(meta: &ObjectMeta) -> Vec<String> {
        let mut out = Errors::default();
        validate(meta, &mut out);
        out.0.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_name_is_a_subdomain() {
        let named = |name: &str| ObjectMeta { name: Some(name.into()), ..Default::default() };
        assert!(errors(&named("restricted-v2.example")).is_empty());
        assert_eq!(errors(&named("Bad_Name")), [format!("metadata.name: Invalid value: \"Bad_Name\": {SUBDOMAIN}")]);
        assert_eq!(errors(&ObjectMeta::default()), ["metadata.name: Required value: name or generateName is required"]);
    }

    #[test]
    fn labels_and_annotations_have_qualified_names() {
        let map = |k: &str, v: &str| Some([(k.to_string(), v.to_string())].into());
        let meta = ObjectMeta {
            name: Some("x".into()),
            namespace: Some("n".into()),
            labels: map("example.com/a", "b c"),
            annotations: map("a/b/c", ""),
            ..Default::default()
        };
        assert_eq!(
            errors(&meta),
            [
                "metadata.namespace: Forbidden: not allowed on this type".to_string(),
                format!("metadata.labels: Invalid value: \"b c\": {LABEL_VALUE}"),
                format!(
                    "metadata.annotations: Invalid value: \"a/b/c\": a valid label key {QUALIFIED} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
                ),
            ]
        );
    }

    #[test]
    fn an_update_keeps_the_name() {
        let old = ObjectMeta { name: Some("a".into()), generation: Some(2), ..Default::default() };
        let new = ObjectMeta { name: Some("b".into()), ..Default::default() };
        let mut out = Errors::default();
        validate_update(&new, &old, &mut out);
        assert_eq!(
            out.0.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                "metadata.resourceVersion: Invalid value: \"\": must be specified for an update",
                "metadata.generation: Invalid value: 0: must not be decremented",
                "metadata.name: Invalid value: \"b\": field is immutable",
            ]
        );
    }
}
