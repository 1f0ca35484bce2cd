//! `WWW-Authenticate` (RFC 9110, section 11.6.1): how a registry wants to be told who asks.

use std::collections::BTreeMap;

/// A longer header is nobody's.
const MAX_HEADER: usize = 8 << 10;

/// One way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// `bearer`, `basic`, in lower case.
    pub(crate) scheme: String,
    /// By lower-case names.
    pub(crate) parameters: BTreeMap<String, String>,
}

/// The ways that a header offers. What is malformed ends the list.
pub(crate) fn parse(header: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    if header.len() > MAX_HEADER {
        return challenges;
    }
    let mut rest = header.trim_start();
    while !rest.is_empty() {
        rest = rest.trim_start_matches([',', ' ', '\t']);
        let (word, after) = token(rest);
        if word.is_empty() {
            break;
        }
        let trimmed = after.trim_start();
        if let Some(value) = trimmed.strip_prefix('=') {
            let Some(challenge) = challenges.last_mut() else { break };
            let Some((value, after)) = value_of(value.trim_start()) else { break };
            challenge.parameters.insert(word.to_ascii_lowercase(), value);
            rest = after;
        } else {
            challenges.push(Challenge { scheme: word.to_ascii_lowercase(), parameters: BTreeMap::new() });
            rest = trimmed;
        }
    }
    challenges
}

fn token(text: &str) -> (&str, &str) {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    text.split_at(text.find(|c| !is_token(c)).unwrap_or(text.len()))
}

/// A token, or a quoted text with its escapes.
fn value_of(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (word, rest) = token(text);
        return (!word.is_empty()).then(|| (word.to_owned(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, quoted.get(at + 1..)?)),
            '\\' => value.push(chars.next()?.1),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_values_may_hold_commas() {
        let header = r#"Bearer realm="https://auth.example.com/token",service="r",scope="repository:a/b:pull,push""#;
        let all = parse(header);
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].scheme, "bearer");
        assert_eq!(all[0].parameters["scope"], "repository:a/b:pull,push");
    }

    #[test]
    fn several_ways_are_told_apart() {
        let all = parse(r#"Negotiate, Basic realm="x \"y\"", Bearer realm=z"#);
        let schemes: Vec<_> = all.iter().map(|challenge| &*challenge.scheme).collect();
        assert_eq!(schemes, ["negotiate", "basic", "bearer"]);
        assert_eq!(all[1].parameters["realm"], "x \"y\"");
        assert_eq!(all[2].parameters["realm"], "z");
    }

    #[test]
    fn what_is_malformed_is_passed_over() {
        for header in ["", "=", "\"", "Bearer realm=\"x", "Bearer ,,,=", "realm=x", "\u{1F600}", "Basic \\"] {
            assert!(parse(header).len() <= 1, "{header:?}");
        }
        assert!(parse(&"a ".repeat(10_000)).is_empty());
    }
}
