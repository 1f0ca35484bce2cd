//! The Secret's data: base64 in JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The texts of a Secret; what is no text is left out.
pub(super) fn data(secret: &Value) -> BTreeMap<String, String> {
    let fields = secret["data"].as_object().into_iter().flatten();
    let text = |value: &Value| String::from_utf8(STANDARD.decode(value.as_str()?).ok()?).ok();
    fields.filter_map(|(key, value)| Some((key.clone(), text(value)?))).collect()
}

/// As a Secret's `data`.
pub(super) fn encoded(data: &BTreeMap<String, String>) -> Value {
    data.iter().map(|(key, text)| (key.clone(), Value::from(base64(text)))).collect::<Map<_, _>>().into()
}

/// As `caBundle` and `data` are written.
pub(super) fn base64(text: &str) -> String {
    STANDARD.encode(text)
}
