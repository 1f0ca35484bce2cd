//! An invalid field, as the API machinery reports it.

use crate::quote::Quoted;
use std::fmt;

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The path, such as `metadata.labels[pod-security.kubernetes.io/enforce]`.
    pub field: String,
    /// The offending value.
    pub value: String,
    /// What is wrong with the value.
    pub kind: FieldErrorKind,
}

/// The ways of being wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldErrorKind {
    /// The value is not allowed, for the reason given.
    Invalid(String),
    /// The value is there already.
    Duplicate,
}

impl FieldError {
    /// A value that is not allowed.
    pub fn invalid(field: impl Into<String>, value: &str, detail: impl Into<String>) -> Self {
        Self { field: field.into(), value: value.to_owned(), kind: FieldErrorKind::Invalid(detail.into()) }
    }

    /// A value that repeats an earlier one.
    pub fn duplicate(field: impl Into<String>, value: &str) -> Self {
        Self { field: field.into(), value: value.to_owned(), kind: FieldErrorKind::Duplicate }
    }

    /// What is wrong, without the path.
    pub fn body(&self) -> String {
        match &self.kind {
            FieldErrorKind::Invalid(detail) => format!("Invalid value: {}: {detail}", Quoted(&self.value)),
            FieldErrorKind::Duplicate => format!("Duplicate value: {}", Quoted(&self.value)),
        }
    }

    /// The reason for programs.
    pub fn reason(&self) -> &'static str {
        match self.kind {
            FieldErrorKind::Invalid(_) => "FieldValueInvalid",
            FieldErrorKind::Duplicate => "FieldValueDuplicate",
        }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

impl std::error::Error for FieldError {}

/// Several errors in one text: `a`, or `[a, b]`, with each of the same words once.
pub fn aggregate<E: fmt::Display>(errors: &[E]) -> String {
    let mut texts: Vec<String> = Vec::with_capacity(errors.len());
    for error in errors {
        let text = error.to_string();
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    match texts.as_slice() {
        [one] => one.clone(),
        _ => format!("[{}]", texts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_error_stands_alone_and_several_in_brackets() {
        let error = FieldError::invalid("a.b", "x", "must be y");
        assert_eq!(aggregate(std::slice::from_ref(&error)), r#"a.b: Invalid value: "x": must be y"#);
        let other = FieldError::duplicate("a.c", "x");
        assert_eq!(
            aggregate(&[error.clone(), other, error]),
            r#"[a.b: Invalid value: "x": must be y, a.c: Duplicate value: "x"]"#
        );
    }
}
