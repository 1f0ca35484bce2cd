//! Whether a report is as it should be, without keeping it.

use ringfence_admission::report::NAME;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// What tells reports apart.
pub(crate) type Fingerprint = [u8; 16];

/// That of a report which somebody else looks after.
pub(crate) const NOT_OURS: Fingerprint = [0; 16];

/// Of what is written into a report; `None` if it is not ours.
pub(crate) fn fingerprint(report: &Value) -> Option<Fingerprint> {
    let metadata = &report["metadata"];
    if metadata["labels"]["app.kubernetes.io/managed-by"] != NAME {
        return None;
    }
    let mut hash = Sha256::new();
    for part in [&report["summary"], &report["results"], &metadata["annotations"]["ringfence.dev/results-left-out"]] {
        add(&mut hash, part);
    }
    hash.finalize().get(..16)?.try_into().ok()
}

/// Whether everything that would be written is there already.
pub fn is_same(old: &Value, new: &Value) -> bool {
    fingerprint(old).is_some_and(|old| Some(old) == fingerprint(new))
}

/// In whatever order the fields of an object come. Each value begins with what it is and how long.
fn add(hash: &mut Sha256, value: &Value) {
    match value {
        Value::Object(fields) => {
            hash.update(format!("o{}:", fields.len()));
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(name, _)| *name);
            for (name, value) in fields {
                hash.update(format!("{}:{name}", name.len()));
                add(hash, value);
            }
        }
        Value::Array(items) => {
            hash.update(format!("a{}:", items.len()));
            for item in items {
                add(hash, item);
            }
        }
        Value::String(text) => hash.update(format!("s{}:{text}", text.len())),
        plain => hash.update(format!("p{plain};")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_counts_and_nothing_else() {
        let of = |summary: Value, results: Value, labels: Value| json!({"metadata": {"resourceVersion": "1", "labels": labels}, "summary": summary, "results": results});
        let ours = || json!({"app.kubernetes.io/managed-by": NAME});
        let one = of(json!({"pass": 1}), json!([{"a": "b", "c": "d"}]), ours());
        let mut other = of(json!({"pass": 1}), json!([{"c": "d", "a": "b"}]), ours());
        other["metadata"]["resourceVersion"] = "2".into();
        assert!(is_same(&one, &other));
        for different in [
            of(json!({"pass": 2}), json!([{"a": "b", "c": "d"}]), ours()),
            of(json!({"pass": 1}), json!([{"a": "b"}, {"c": "d"}]), ours()),
            of(json!({"pass": 1}), json!([{"a": "bc", "": "d"}]), ours()),
            of(json!({"pass": 1}), json!([{"a": "b", "c": "d"}]), json!({})),
        ] {
            assert!(!is_same(&one, &different) && !is_same(&different, &one), "{different}");
        }
    }
}
