//! As much of Helm's template language as the chart uses, and no more: what is not known is an error, not nothing.
//!
//! Known are `if`, `else` and `end`; `.Values`, `.Release.Namespace`, `.Release.Service`; `not`, `or`, `eq`, `ne`
//! and `required`; `quote`, `toJson` and `sha256sum` behind a pipe; and `-` at either end, which takes away white space.
//! See <https://helm.sh/docs/chart_template_guide/control_structures/>.

use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Why a template gives no text.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TemplateError {
    /// `{{` without `}}`, or an `if` without its `end`.
    #[error("an action has no end")]
    Unclosed,
    /// `end` or `else` without `if`.
    #[error("{0:?} has no if")]
    Stray(String),
    /// Something that the chart has no need of.
    #[error("{0:?} is not known")]
    Unknown(String),
    /// A value that has to be given; the chart's own words.
    #[error("{0}")]
    Required(String),
}

/// What a template is rendered with: `Values` and `Release`.
pub(crate) fn render(template: &str, root: &Value) -> Result<String, TemplateError> {
    let mut tokens = tokens(template)?.into_iter().peekable();
    let mut out = String::new();
    let end = block(&mut tokens, root, true, &mut out)?;
    match end {
        None => Ok(out),
        Some(stray) => Err(TemplateError::Stray(stray.to_owned())),
    }
}

#[derive(Debug, Clone, Copy)]
enum Token<'t> {
    Text(&'t str),
    Action(&'t str),
}

type Tokens<'t> = std::iter::Peekable<std::vec::IntoIter<Token<'t>>>;

fn tokens(template: &str) -> Result<Vec<Token<'_>>, TemplateError> {
    let (mut tokens, mut rest, mut trim) = (Vec::new(), template, false);
    loop {
        let (text, after) = rest.split_once("{{").map_or((rest, None), |(text, after)| (text, Some(after)));
        let text = if trim { text.trim_start() } else { text };
        let Some(after) = after else {
            tokens.push(Token::Text(text));
            return Ok(tokens);
        };
        let (action, after) = after.split_once("}}").ok_or(TemplateError::Unclosed)?;
        let left = action.strip_prefix('-');
        tokens.push(Token::Text(if left.is_some() { text.trim_end() } else { text }));
        let action = left.unwrap_or(action);
        let right = action.strip_suffix('-');
        trim = right.is_some();
        tokens.push(Token::Action(right.unwrap_or(action).trim()));
        rest = after;
    }
}

/// Renders up to an `else` or `end`, which is returned, or the end of the template. What is not `live` is only skipped.
fn block<'t>(
    tokens: &mut Tokens<'t>,
    root: &Value,
    live: bool,
    out: &mut String,
) -> Result<Option<&'t str>, TemplateError> {
    while let Some(token) = tokens.next() {
        match token {
            Token::Text(text) if live => out.push_str(text),
            Token::Text(_) => {}
            Token::Action(action @ ("else" | "end")) => return Ok(Some(action)),
            Token::Action(action) => match action.strip_prefix("if ") {
                Some(condition) => {
                    let holds = live && truth(&evaluate(condition, root)?);
                    let mut end = block(tokens, root, holds, out)?;
                    if end == Some("else") {
                        end = block(tokens, root, live && !holds, out)?;
                    }
                    match end {
                        Some("end") => {}
                        Some(stray) => return Err(TemplateError::Stray(stray.to_owned())),
                        None => return Err(TemplateError::Unclosed),
                    }
                }
                None if live => out.push_str(&text(&evaluate(action, root)?)),
                None => {}
            },
        }
    }
    Ok(None)
}

/// What Go's templates take for true.
fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn evaluate(expression: &str, root: &Value) -> Result<Value, TemplateError> {
    let unknown = || TemplateError::Unknown(expression.to_owned());
    let words = words(expression).ok_or_else(unknown)?;
    let mut stages = words.split(|word| word == "|");
    let first: Vec<&str> = stages.next().unwrap_or_default().iter().map(String::as_str).collect();
    let mut value = match *first.as_slice() {
        [one] => operand(one, root).ok_or_else(unknown)?,
        ["not", one] => (!truth(&operand(one, root).ok_or_else(unknown)?)).into(),
        ["or", one, other] => {
            let one = operand(one, root).ok_or_else(unknown)?;
            if truth(&one) { one } else { operand(other, root).ok_or_else(unknown)? }
        }
        ["eq", one, other] => {
            (operand(one, root).ok_or_else(unknown)? == operand(other, root).ok_or_else(unknown)?).into()
        }
        ["ne", one, other] => {
            (operand(one, root).ok_or_else(unknown)? != operand(other, root).ok_or_else(unknown)?).into()
        }
        ["required", message, one] => {
            let value = operand(one, root).ok_or_else(unknown)?;
            if value.is_null() || value == "" {
                return Err(TemplateError::Required(text(&operand(message, root).ok_or_else(unknown)?)));
            }
            value
        }
        _ => return Err(unknown()),
    };
    for stage in stages {
        value = match stage {
            [function] if function == "toJson" => value.to_string().into(),
            // A string of JSON is one of YAML, too.
            [function] if function == "quote" => Value::from(text(&value)).to_string().into(),
            [function] if function == "sha256sum" => {
                let mut hex = String::new();
                for byte in Sha256::digest(text(&value)) {
                    let _ = write!(hex, "{byte:02x}");
                }
                hex.into()
            }
            _ => return Err(unknown()),
        };
    }
    Ok(value)
}

/// A literal, or a field that is there.
fn operand(word: &str, root: &Value) -> Option<Value> {
    if let Some(literal) = word.strip_prefix('"') {
        return literal.strip_suffix('"').map(Value::from);
    }
    let path = word.strip_prefix('.')?;
    path.split('.').try_fold(root, |at, field| at.get(field)).cloned()
}

/// Words, and strings in quotation marks, which have no escapes.
fn words(expression: &str) -> Option<Vec<String>> {
    let (mut words, mut rest) = (Vec::new(), expression.trim());
    while !rest.is_empty() {
        let length = match rest.strip_prefix('"') {
            Some(literal) => literal.find('"')? + 2,
            None => rest.find(char::is_whitespace).unwrap_or(rest.len()),
        };
        let (word, after) = rest.split_at_checked(length)?;
        if word.contains('\\') {
            return None;
        }
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rendered(template: &str) -> Result<String, TemplateError> {
        let root = json!({"Values": {"on": true, "off": false, "none": "", "empty": {}, "list": [{"b": 1, "a": "<x>"}],
            "text": "a \"b\"\n", "number": 2}, "Release": {"Namespace": "ns"}});
        render(template, &root)
    }

    #[test]
    fn values_and_conditions_give_what_helm_gives() {
        for (template, expected) in [
            ("a: {{ .Release.Namespace }}-{{.Values.number}}", "a: ns-2"),
            ("a\n{{- if .Values.on }}\nb\n{{- end }}\nc", "a\nb\nc"),
            ("a\n{{- if .Values.off }}\nb\n{{- else }}\nd\n{{- end }}\nc", "a\nd\nc"),
            ("{{ if not .Values.empty }}{{ if .Values.none }}x{{ end }}y{{ end }}", "y"),
            ("{{ if .Values.off }}{{ if .Values.on }}x{{ else }}y{{ end }}{{ .Values.absent }}{{ end }}", ""),
            ("{{ if or .Values.none .Values.list }}x{{ end }}", "x"),
            (r#"{{ if eq .Values.number "2" }}x{{ end }}{{ if eq .Release.Namespace "ns" }}y{{ end }}"#, "y"),
            ("{{ .Values.list | toJson }}", r#"[{"a":"<x>","b":1}]"#),
            ("{{ .Values.text | quote }}", r#""a \"b\"\n""#),
            (
                "{{ .Values.empty | toJson | sha256sum }}",
                "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            ),
            ("x  {{- .Values.number -}}  y", "x2y"),
        ] {
            assert_eq!(rendered(template).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn what_is_not_known_is_an_error() {
        for template in [
            "{{ .Values.absent }}",
            "{{ range .Values.list }}",
            "{{ include \"x\" . }}",
            "{{ .Values.on | upper }}",
            "{{ now }}",
        ] {
            assert!(matches!(rendered(template), Err(TemplateError::Unknown(_))), "{template}");
        }
        assert_eq!(rendered("{{ end }}"), Err(TemplateError::Stray("end".into())));
        assert_eq!(rendered("{{ if .Values.on }}"), Err(TemplateError::Unclosed));
        assert_eq!(
            rendered("{{ if .Values.on }}{{ else }}{{ else }}{{ end }}"),
            Err(TemplateError::Stray("else".into()))
        );
        assert_eq!(rendered("{{ .Values.on"), Err(TemplateError::Unclosed));
        let required = r#"{{ required "say which" .Values.none }}"#;
        assert_eq!(rendered(required), Err(TemplateError::Required("say which".into())));
    }
}
