//! JSON values as YAML that every reader of YAML 1.1 and 1.2 takes for the same.

use std::fmt::Write as _;

use serde_json::Value;

/// One document, in block style, with a line end at its end.
pub(crate) fn document(value: &Value) -> String {
    let mut out = String::new();
    block(&mut out, value, 0);
    out
}

/// What objects begin with.
const FIRST: [&str; 4] = ["apiVersion", "kind", "metadata", "name"];

/// The value after a key or at the root; `indent` is that of its own lines.
fn block(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            // As people write objects: what it is before what it says.
            let first = |key: &str| FIRST.iter().position(|first| *first == key).unwrap_or(FIRST.len());
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| first(key));
            for (i, (key, value)) in fields.into_iter().enumerate() {
                // The first key of a list's item stands on the line of the dash.
                if i > 0 || out.is_empty() || out.ends_with('\n') {
                    pad(out, indent);
                }
                out.push_str(&scalar(key));
                out.push(':');
                nested(out, value, indent);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                pad(out, indent);
                out.push('-');
                out.push(' ');
                match item {
                    Value::Object(fields) if !fields.is_empty() => block(out, item, indent + 2),
                    Value::Array(items) if !items.is_empty() => {
                        // A list in a list is rare, and JSON is YAML.
                        let _ = writeln!(out, "{item}");
                    }
                    _ => leaf(out, item),
                }
            }
        }
        _ => leaf(out, value),
    }
}

fn nested(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            out.push('\n');
            block(out, value, indent + 2);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            block(out, value, indent);
        }
        _ => {
            out.push(' ');
            leaf(out, value);
        }
    }
}

fn leaf(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => out.push_str(&scalar(text)),
        other => out.push_str(&other.to_string()),
    }
    out.push('\n');
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

/// Words that are no strings, in any version of YAML.
const WORDS: [&str; 11] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf"];

/// A string, quoted as JSON quotes it unless it is plainly one.
fn scalar(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
        && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    if plain {
        return text.to_owned();
    }
    let mut quoted = String::new();
    for c in Value::from(text).to_string().chars() {
        // What YAML takes for a line end, and what it does not allow at all.
        if c != ' ' && (c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')) {
            let _ = write!(quoted, "\\u{:04x}", u32::from(c));
        } else {
            quoted.push(c);
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_reads_as_the_same() {
        let value = json!({"a": [{"b": 1, "c": ["x", "0644", "yes", "1e3"]}, [1, [2]], "x: y", {}, []],
            "1": null, "<<": "~", "t": "tab\tline\nend\u{85}\u{2028}\u{7f}é", "deep": {"e": {"f": true}, "g": -1.5},
            "2001-01-01": "2001-01-01", "empty": "", "colon": "a:b", "hash": "a #b", "=": "="});
        let text = document(&value);
        let documents = ringfence_manifest::read(text.as_bytes());
        assert!(documents[0].error().is_none(), "{:?}\n{text}", documents[0].error());
        assert_eq!(serde_json::to_value(documents[0].root().unwrap()).unwrap(), value, "{text}");
    }

    #[test]
    fn is_laid_out_as_people_write_manifests() {
        let value = json!({"metadata": {"name": "a"}, "rules": [{"verbs": ["use"]}]});
        assert_eq!(document(&value), "metadata:\n  name: a\nrules:\n- verbs:\n  - use\n");
    }
}
