//! A span, and spans as OTLP in JSON.

use serde_json::{Value, json};

/// `SPAN_KIND_INTERNAL` and `SPAN_KIND_SERVER`.
const INTERNAL: u8 = 1;
const SERVER: u8 = 2;
/// `STATUS_CODE_ERROR`.
const ERROR: u8 = 2;
/// Longer values are cut.
const LONGEST: usize = 256;

/// Something that took time.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) trace: [u8; 16],
    pub(crate) id: [u8; 8],
    pub(crate) parent: Option<[u8; 8]>,
    pub(crate) name: &'static str,
    /// Whether somebody else asked for it.
    pub(crate) is_root: bool,
    /// Nanoseconds since 1970.
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) attributes: Vec<(&'static str, Attribute)>,
    pub(crate) failed: bool,
}

/// What is said of a span.
#[derive(Debug, Clone)]
pub(crate) enum Attribute {
    Text(String),
    Int(i64),
    Bool(bool),
}

impl Span {
    fn json(&self) -> Value {
        let mut span = json!({"traceId": hex(&self.trace), "spanId": hex(&self.id), "name": self.name,
            "kind": if self.is_root { SERVER } else { INTERNAL },
            // The JSON of protobuf has 64 bits as text.
            "startTimeUnixNano": self.from.to_string(), "endTimeUnixNano": self.to.to_string(),
            "attributes": self.attributes.iter().map(|(key, value)| attribute(key, value)).collect::<Vec<_>>()});
        if let Some(parent) = &self.parent {
            span["parentSpanId"] = hex(parent).into();
        }
        if self.failed {
            span["status"] = json!({"code": ERROR});
        }
        span
    }
}

/// `ExportTraceServiceRequest`.
pub(crate) fn request(resource: &[(String, String)], spans: &[Span]) -> Value {
    let text = |(key, value): &(String, String)| json!({"key": key, "value": {"stringValue": value}});
    json!({"resourceSpans": [{
        "resource": {"attributes": resource.iter().map(text).collect::<Vec<_>>()},
        "scopeSpans": [{"scope": {"name": "ringfence", "version": env!("CARGO_PKG_VERSION")},
            "spans": spans.iter().map(Span::json).collect::<Vec<_>>()}]}]})
}

fn attribute(key: &str, value: &Attribute) -> Value {
    let value = match value {
        Attribute::Text(text) => json!({"stringValue": text.chars().take(LONGEST).collect::<String>()}),
        Attribute::Int(int) => json!({"intValue": int.to_string()}),
        Attribute::Bool(bool) => json!({"boolValue": bool}),
    };
    json!({"key": key, "value": value})
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
