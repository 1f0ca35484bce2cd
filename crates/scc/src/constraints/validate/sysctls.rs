//! `allowedUnsafeSysctls` and `forbiddenSysctls`: well-formed patterns that do not overlap.

use super::Errors;
use crate::Value;
use crate::constraints::SecurityContextConstraints;
use crate::violation::Fault;

const MAX_LENGTH: usize = 253;
const FORMAT: &str = r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?\.)*([a-z0-9][-_a-z0-9]*)?[a-z0-9*]";

pub(super) fn validate(scc: &SecurityContextConstraints, out: &mut Errors) {
    validate_list("allowedUnsafeSysctls", &scc.allowed_unsafe_sysctls, out);
    validate_list("forbiddenSysctls", &scc.forbidden_sysctls, out);
    for (i, allowed) in scc.allowed_unsafe_sysctls.iter().enumerate() {
        for (j, forbidden) in scc.forbidden_sysctls.iter().enumerate() {
            validate_pair((i, allowed), (j, forbidden), out);
        }
    }
}

fn validate_list(field: &str, patterns: &[String], out: &mut Errors) {
    for (i, pattern) in patterns.iter().enumerate() {
        let detail = if pattern.is_empty() {
            "empty sysctl not allowed".to_string()
        } else if !is_pattern(pattern) {
            format!("must have at most {MAX_LENGTH} characters and match regex {FORMAT}")
        } else {
            continue;
        };
        out.invalid(format!("{field}[{i}]"), Value::String(pattern.clone()), detail);
    }
    // Only "*" itself is both well-formed and begins with the star.
    if patterns.len() > 1 && patterns.iter().any(|p| p == "*") {
        out.push(format!("{field}.items"), Fault::Forbidden, "if '*' is present, must not specify other sysctls");
    }
}

/// The narrower of two overlapping patterns is at fault.
fn validate_pair((i, allowed): (usize, &str), (j, forbidden): (usize, &str), out: &mut Errors) {
    let covers = |pattern: &str, name: &str| {
        pattern
            .strip_suffix('*')
            .map_or(pattern == name, |prefix| name.strip_suffix('*').unwrap_or(name).starts_with(prefix))
    };
    if covers(forbidden, allowed) && (forbidden.ends_with('*') || !allowed.ends_with('*')) {
        let field = format!("allowedUnsafeSysctls[{i}]");
        out.invalid(field, Value::String(allowed.into()), format!("sysctl overlaps with {forbidden}"));
    } else if allowed.ends_with('*') && covers(allowed, forbidden) {
        let field = format!("forbiddenSysctls[{j}]");
        out.invalid(field, Value::String(forbidden.into()), format!("sysctl overlaps with {allowed}"));
    }
}

fn is_pattern(pattern: &str) -> bool {
    let is_end = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let is_middle = |b: u8| is_end(b) || b == b'-' || b == b'_';
    let (segments, last) = pattern.rsplit_once('.').map_or((None, pattern), |(s, l)| (Some(s), l));
    let segments_ok = segments.into_iter().flat_map(|s| s.split('.')).all(|segment| {
        let b = segment.as_bytes();
        b.first().copied().is_some_and(is_end)
            && b.last().copied().is_some_and(is_end)
            && b.iter().copied().all(is_middle)
    });
    let last_ok = match last.as_bytes() {
        [] => false,
        [only] => is_end(*only) || *only == b'*',
        [first, middle @ .., end] => {
            is_end(*first) && middle.iter().copied().all(is_middle) && (is_end(*end) || *end == b'*')
        }
    };
    pattern.len() <= MAX_LENGTH && segments_ok && last_ok
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(allowed: &[&str], forbidden: &[&str]) -> Vec<String> {
        let list = |l: &[&str]| l.iter().map(ToString::to_string).collect();
        let scc = SecurityContextConstraints {
            allowed_unsafe_sysctls: list(allowed),
            forbidden_sysctls: list(forbidden),
            ..Default::default()
        };
        let mut out = Errors::default();
        validate(&scc, &mut out);
        out.0.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn patterns_are_names_prefixes_or_the_star() {
        for good in ["*", "net.*", "net.ipv4.ip_forward", "kernel.msg*", "a", "net.core.a-b_c"] {
            assert!(is_pattern(good), "{good}");
        }
        for bad in ["", "net/*", "Net.*", ".a", "a..b", "a_.b", "net.", "**", "a.-b", "_a"] {
            assert!(!is_pattern(bad), "{bad}");
        }
        assert!(!is_pattern(&"a".repeat(254)));
    }

    #[test]
    fn says_what_a_pattern_must_be() {
        assert_eq!(
            errors(&["", "a/b"], &[]),
            [
                "allowedUnsafeSysctls[0]: Invalid value: \"\": empty sysctl not allowed".to_string(),
                format!(
                    "allowedUnsafeSysctls[1]: Invalid value: \"a/b\": must have at most 253 characters and match regex {FORMAT}"
                ),
            ]
        );
    }

    #[test]
    fn the_star_stands_alone() {
        assert_eq!(
            errors(&[], &["*", "net.*"]),
            ["forbiddenSysctls.items: Forbidden: if '*' is present, must not specify other sysctls"]
        );
    }

    #[test]
    fn the_narrower_of_two_overlapping_patterns_is_at_fault() {
        let at = |field: &str, value: &str, other: &str| {
            vec![format!("{field}[0]: Invalid value: \"{value}\": sysctl overlaps with {other}")]
        };
        assert_eq!(errors(&["net.a"], &["net.*"]), at("allowedUnsafeSysctls", "net.a", "net.*"));
        assert_eq!(errors(&["net.*"], &["net.a"]), at("forbiddenSysctls", "net.a", "net.*"));
        assert_eq!(errors(&["net.a.*"], &["net.*"]), at("allowedUnsafeSysctls", "net.a.*", "net.*"));
        assert_eq!(errors(&["net.*"], &["net.a.*"]), at("forbiddenSysctls", "net.a.*", "net.*"));
        assert_eq!(errors(&["net.a"], &["net.a"]), at("allowedUnsafeSysctls", "net.a", "net.a"));
        assert!(errors(&["net.a"], &["net.b", "kernel.*"]).is_empty());
    }
}
