//! How the API server prints: Go's quoting, JSON and error lists.

use std::fmt::{self, Write as _};

/// A value as Go's field errors print it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`: a pointer or list that is not set.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A decimal number.
    Int(i64),
    /// Printed with Go's `%q`.
    String(String),
    /// Printed as JSON: `[1,2]`.
    Ints(Vec<i64>),
    /// Printed as JSON: `["a","b"]`.
    Strings(Vec<String>),
    /// Already JSON.
    Json(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(b) => write!(f, "{b}"),
            Value::Int(n) => write!(f, "{n}"),
            Value::String(s) => f.write_str(&quote(s)),
            Value::Json(s) => f.write_str(s),
            Value::Ints(list) => write_list(f, list, |f, n| write!(f, "{n}")),
            Value::Strings(list) => write_list(f, list, |f, s| f.write_str(&json_string(s))),
        }
    }
}

fn write_list<T>(
    f: &mut fmt::Formatter<'_>,
    list: &[T],
    mut item: impl FnMut(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    f.write_char('[')?;
    for (i, x) in list.iter().enumerate() {
        if i > 0 {
            f.write_char(',')?;
        }
        item(f, x)?;
    }
    f.write_char(']')
}

/// Go's `%q`.
pub(crate) fn quote(s: &str) -> String {
    let mut out = String::with_capacity(s.len() + 2);
    out.push('"');
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if (c as u32) < 0x20 || c == '\u{7f}' => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            c if is_print(c) => out.push(c),
            c if (c as u32) < 0x1_0000 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => {
                let _ = write!(out, "\\U{:08x}", c as u32);
            }
        }
    }
    out.push('"');
    out
}

/// Near enough to Go's `strconv.IsPrint` for the names that reach these messages: controls, other spaces than the
/// ASCII one, private use and format characters are escaped.
fn is_print(c: char) -> bool {
    !(c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(u32::from(c), 0xad | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f | 0xe000..=0xf8ff | 0xfeff | 0xf_0000..))
}

/// Go's `encoding/json` for a string, which also escapes what HTML minds.
pub(crate) fn json_string(s: &str) -> String {
    let mut out = String::with_capacity(s.len() + 2);
    out.push('"');
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if (c as u32) < 0x20 || matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}') => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Go's `%v` for a list of strings.
pub(crate) fn list(items: &[&str]) -> String {
    format!("[{}]", items.join(" "))
}

/// An error list as `utilerrors.Aggregate` prints it: once each, bracketed when there are several, `<nil>` for none.
pub(crate) fn aggregate<I: IntoIterator<Item = String>>(errors: I) -> String {
    let mut unique: Vec<String> = Vec::new();
    for e in errors {
        if !unique.contains(&e) {
            unique.push(e);
        }
    }
    match unique.as_slice() {
        [] => "<nil>".into(),
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_as_go_does() {
        assert_eq!(quote("s0:c1"), "\"s0:c1\"");
        assert_eq!(quote("a\"b\\\n\u{1}\u{feff}é"), "\"a\\\"b\\\\\\n\\x01\\ufeffé\"");
    }

    #[test]
    fn json_escapes_what_html_minds() {
        assert_eq!(Value::Strings(vec!["a<b".into()]).to_string(), "[\"a\\u003cb\"]");
    }

    #[test]
    fn equal_errors_are_named_once_and_a_single_one_has_no_brackets() {
        assert_eq!(aggregate(["a".into(), "a".into()]), "a");
        assert_eq!(aggregate(["a".into(), "b".into(), "a".into()]), "[a, b]");
        assert_eq!(aggregate([]), "<nil>");
    }
}
