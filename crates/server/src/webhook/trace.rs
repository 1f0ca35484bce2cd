//! `traceparent`: which trace a request belongs to, <https://www.w3.org/TR/trace-context/>.

use hyper::HeaderMap;

/// The trace that the caller is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trace {
    text: String,
}

impl Trace {
    /// The trace's identifier, 32 hexadecimal digits.
    pub(crate) fn id(&self) -> &str {
        self.text.get(3..35).unwrap_or_default()
    }

    /// The same as a number.
    pub(crate) fn trace_id(&self) -> [u8; 16] {
        // It is of 32 digits, which was looked at.
        u128::from_str_radix(self.id(), 16).unwrap_or_default().to_be_bytes()
    }

    /// The caller's own span.
    pub(crate) fn span_id(&self) -> [u8; 8] {
        u64::from_str_radix(self.text.get(36..52).unwrap_or_default(), 16).unwrap_or_default().to_be_bytes()
    }

    /// Whether the caller tells of the trace.
    pub(crate) fn is_sampled(&self) -> bool {
        let flags = u8::from_str_radix(self.text.get(53..55).unwrap_or_default(), 16).unwrap_or_default();
        flags & 1 == 1
    }
}

/// The trace that a request's header names, if it is well formed.
pub(crate) fn trace_of(headers: &HeaderMap) -> Option<Trace> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let mut parts = text.split('-');
    let mut hex = |digits: usize| {
        let part = parts.next()?;
        let lower = part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        (part.len() == digits && lower).then_some(part)
    };
    let (version, trace, parent, _flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
    let is_zero = |part: &str| part.bytes().all(|b| b == b'0');
    if version == "ff" || is_zero(trace) || is_zero(parent) {
        return None;
    }
    Some(Trace { text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Option<String> {
        let headers =
            HeaderMap::from_iter([(hyper::header::HeaderName::from_static("traceparent"), text.parse().unwrap())]);
        trace_of(&headers).map(|trace| trace.id().to_owned())
    }

    #[test]
    fn reads_well_formed_traces_alone() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(id(good).as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
        for bad in [
            "",
            "00",
            "00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(id(bad), None, "{bad}");
        }
    }
}
