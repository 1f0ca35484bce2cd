//! A label selector, as `metav1.LabelSelector` means it.

use crate::decode::{DecodeError, decode_value};
use serde::Deserialize;
use serde_json::Value;
use std::{collections::BTreeMap, fmt};

/// Which labels pods have to have. It always asks for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// What is asked for, all of it.
    pub requirements: Vec<Requirement>,
}

/// What one label has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// How it is compared.
    pub operator: Operator,
    /// With what.
    pub values: Vec<String>,
}

/// How a label is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// It is one of the values.
    In,
    /// It is none of the values, or not there.
    NotIn,
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
}

/// Why a selector cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// It is not of the shape of one.
    #[error("{0}")]
    Decode(DecodeError),
    /// It has a field that is not known here.
    #[error("{0:?} is not known here")]
    Unknown(String),
    /// There is no such operator.
    #[error("{0:?} is none of In, NotIn, Exists and DoesNotExist")]
    Operator(String),
    /// It asks for nothing, which everything has.
    #[error("it selects everything: say every: true if that is meant")]
    Empty,
    /// An operator has too few values, or too many.
    #[error("{key:?} has values where its operator takes none, or none where it takes some")]
    Values {
        /// The label.
        key: String,
    },
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    match_labels: BTreeMap<String, String>,
    match_expressions: Vec<Expression>,
}

#[derive(Deserialize)]
struct Expression {
    key: String,
    operator: String,
    #[serde(default)]
    values: Vec<String>,
}

impl Selector {
    pub(super) fn read(value: &Value) -> Result<Self, SelectorError> {
        let unknown = |value: &Value, known: &[&str]| {
            let mut keys = value.as_object().into_iter().flat_map(|fields| fields.keys());
            keys.find(|key| !known.contains(&key.as_str())).cloned()
        };
        if let Some(key) = unknown(value, &["matchLabels", "matchExpressions"]) {
            return Err(SelectorError::Unknown(key));
        }
        for expression in value.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
            if let Some(key) = unknown(expression, &["key", "operator", "values"]) {
                return Err(SelectorError::Unknown(key));
            }
        }
        let spec: Spec = decode_value(value).map_err(SelectorError::Decode)?;
        let labels = spec.match_labels.into_iter();
        let mut requirements: Vec<Requirement> =
            labels.map(|(key, value)| Requirement { key, operator: Operator::In, values: vec![value] }).collect();
        for Expression { key, operator, values } in spec.match_expressions {
            let operator = match operator.as_str() {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                _ => return Err(SelectorError::Operator(operator)),
            };
            if values.is_empty() == matches!(operator, Operator::In | Operator::NotIn) {
                return Err(SelectorError::Values { key });
            }
            requirements.push(Requirement { key, operator, values });
        }
        if requirements.is_empty() { Err(SelectorError::Empty) } else { Ok(Self { requirements }) }
    }

    /// Whether the labels are as they have to be.
    pub fn matches(&self, labels: Option<&BTreeMap<String, String>>) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = labels.and_then(|labels| labels.get(&requirement.key));
            let listed = value.is_some_and(|value| requirement.values.contains(value));
            match requirement.operator {
                Operator::In => listed,
                Operator::NotIn => !listed,
                Operator::Exists => value.is_some(),
                Operator::DoesNotExist => value.is_none(),
            }
        })
    }
}

/// As kubectl prints a selector: `app=web,tier in (a,b),!old`.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Requirement { key, operator, values }) in self.requirements.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { "," })?;
            let list = values.join(",");
            match operator {
                Operator::In if values.len() == 1 => write!(f, "{key}={list}"),
                Operator::In => write!(f, "{key} in ({list})"),
                Operator::NotIn => write!(f, "{key} notin ({list})"),
                Operator::Exists => f.write_str(key),
                Operator::DoesNotExist => write!(f, "!{key}"),
            }?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn matches(selector: &Value, labels: &[(&str, &str)]) -> bool {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Selector::read(selector).unwrap().matches(Some(&labels))
    }

    #[test]
    fn every_operator_means_what_the_api_means() {
        assert!(matches(&json!({"matchLabels": {"a": "1"}}), &[("a", "1"), ("b", "2")]));
        assert!(!matches(&json!({"matchLabels": {"a": "1"}}), &[("a", "2")]));
        let one = |operator: &str, values: &Value| json!({"matchExpressions": [{"key": "a", "operator": operator, "values": values}]});
        assert!(matches(&one("In", &json!(["1", "2"])), &[("a", "2")]));
        assert!(!matches(&one("NotIn", &json!(["1"])), &[("a", "1")]));
        assert!(matches(&one("NotIn", &json!(["1"])), &[]));
        assert!(matches(&one("Exists", &json!([])), &[("a", "")]));
        assert!(matches(&one("DoesNotExist", &json!([])), &[("b", "")]));
    }

    #[test]
    fn it_is_printed_as_kubectl_does() {
        let selector = json!({"matchLabels": {"a": "1"}, "matchExpressions": [
            {"key": "b", "operator": "In", "values": ["2", "3"]}, {"key": "c", "operator": "NotIn", "values": ["4"]},
            {"key": "d", "operator": "Exists"}, {"key": "e", "operator": "DoesNotExist"}]});
        assert_eq!(Selector::read(&selector).unwrap().to_string(), "a=1,b in (2,3),c notin (4),d,!e");
    }

    #[test]
    fn what_selects_everything_or_is_not_understood_is_refused() {
        for (selector, words) in [
            (json!({}), "it selects everything"),
            (json!({"matchLabels": {}}), "it selects everything"),
            (json!({"matchLabel": {"a": "1"}}), "\"matchLabel\" is not known here"),
            (json!({"matchExpressions": [{"key": "a", "operator": "In"}]}), "has values where"),
            (json!({"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["x"]}]}), "has values where"),
            (json!({"matchExpressions": [{"key": "a", "operator": "Like", "values": ["x"]}]}), "is none of In, NotIn"),
            (json!([]), ""),
        ] {
            let error = Selector::read(&selector).unwrap_err().to_string();
            assert!(error.contains(words), "{selector}: {error}");
        }
    }
}
