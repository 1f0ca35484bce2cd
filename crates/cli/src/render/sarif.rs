//! SARIF 2.1.0 (OASIS "Static Analysis Results Interchange Format"), which code hosts show beside the code.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::diagnostic::Diagnostic;

/// One SARIF log of one run, with every rule that `diagnostics` name. `help` gives a rule's page, in Markdown.
pub(crate) fn log(diagnostics: &[Diagnostic], failures: &[String], help: impl Fn(&str) -> Option<String>) -> Value {
    let mut rules: BTreeMap<&str, Value> = BTreeMap::new();
    for diagnostic in diagnostics {
        rules.entry(&diagnostic.code).or_insert_with(|| rule(&diagnostic.code, help(&diagnostic.code)));
    }
    let index: BTreeMap<&str, usize> = rules.keys().enumerate().map(|(index, code)| (*code, index)).collect();
    let results: Vec<Value> =
        diagnostics.iter().map(|diagnostic| result(diagnostic, index[&*diagnostic.code])).collect();
    let notifications: Vec<Value> =
        failures.iter().map(|failure| json!({"level": "error", "message": {"text": failure}})).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "ringfence",
                "version": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": rules.into_values().collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{"executionSuccessful": failures.is_empty(), "toolExecutionNotifications": notifications}],
            "results": results,
        }],
    })
}

fn rule(code: &str, help: Option<String>) -> Value {
    let mut rule = json!({"id": code});
    if let Some(markdown) = help {
        rule["help"] = json!({"text": markdown, "markdown": markdown});
    }
    rule
}

fn result(diagnostic: &Diagnostic, rule: usize) -> Value {
    let place = &diagnostic.place;
    let mut physical = json!({"artifactLocation": {"uri": uri(&place.source)}});
    if place.line > 0 {
        physical["region"] = json!({
            "startLine": place.line, "startColumn": place.column,
            "endLine": place.end.0, "endColumn": place.end.1,
        });
    }
    let mut text = diagnostic.message.clone();
    for help in &diagnostic.help {
        text += "\n";
        text += help;
    }
    json!({
        "ruleId": diagnostic.code,
        "ruleIndex": rule,
        "level": "error",
        "message": {"text": text},
        "locations": [{
            "physicalLocation": physical,
            "logicalLocations": [{"fullyQualifiedName": format!("{}: {}", diagnostic.object, diagnostic.field)}],
        }],
    })
}

/// A path as a relative or absolute URI reference (RFC 3986).
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    if path.starts_with('/') {
        uri.push_str("file://");
    }
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_uri() {
        assert_eq!(uri("a b/ü.yaml"), "a%20b/%C3%BC.yaml");
        assert_eq!(uri("/a.yaml"), "file:///a.yaml");
    }
}
