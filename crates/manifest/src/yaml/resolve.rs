//! The type of a scalar: go-yaml's version of YAML 1.1's rules.
//!
//! `yes`, `no`, `on`, `off`, `y` and `n` are booleans; `0644` is octal, and so are `0o644` and `+0o7`; `_` may stand
//! anywhere in a number; `08` is a float, since it is no octal number; base 60 is not supported; what looks like a
//! timestamp stays a string.

use super::timestamp;

/// A tag, as far as go-yaml cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Str,
    Bool,
    Int,
    Float,
    Null,
    Timestamp,
    Binary,
    Merge,
    /// The tag `!`, which leaves a plain scalar plain where it matters for merges, yet makes it a string.
    Bang,
    /// Any other. A scalar with it is a string.
    Other,
}

impl Tag {
    /// What the handle `!!` stands for.
    pub(super) const PREFIX: &str = "tag:yaml.org,2002:";

    const KNOWN: [(&str, Tag); 8] = [
        ("str", Tag::Str),
        ("bool", Tag::Bool),
        ("int", Tag::Int),
        ("float", Tag::Float),
        ("null", Tag::Null),
        ("timestamp", Tag::Timestamp),
        ("binary", Tag::Binary),
        ("merge", Tag::Merge),
    ];

    /// The tag made of a prefix and a suffix.
    pub(super) fn new(prefix: &str, suffix: &str) -> Self {
        if prefix == Self::PREFIX {
            return Self::from_short(suffix);
        }
        // Longer ones are none of the known.
        if prefix.len() + suffix.len() > 2 * Self::PREFIX.len() {
            return Tag::Other;
        }
        match [prefix, suffix].concat().as_str() {
            "!" => Tag::Bang,
            full => full.strip_prefix(Self::PREFIX).map_or(Tag::Other, Self::from_short),
        }
    }

    fn from_short(short: &str) -> Self {
        Self::KNOWN.iter().find(|(name, _)| *name == short).map_or(Tag::Other, |(_, tag)| *tag)
    }

    fn short(self) -> &'static str {
        Self::KNOWN.iter().find(|(_, tag)| *tag == self).map_or("?", |(name, _)| name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    /// The text as it is.
    Str,
    /// The text, which is base64.
    Binary,
}

/// The type of an untagged plain scalar.
pub(super) fn plain(text: &str) -> Scalar {
    let Some(first) = text.bytes().next() else { return Scalar::Null };
    match first {
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => word(text),
        b'.' => match infinity(text) {
            Scalar::Str => go_float(text).map_or(Scalar::Str, Scalar::Float),
            known => known,
        },
        b'+' | b'-' | b'0'..=b'9' => match infinity(text) {
            Scalar::Str => number(text),
            known => known,
        },
        _ => Scalar::Str,
    }
}

/// The type of a scalar with a tag, or why the text is not of that type.
pub(super) fn tagged(tag: Tag, text: &str) -> Result<Scalar, String> {
    match tag {
        Tag::Binary => return Ok(Scalar::Binary),
        Tag::Str | Tag::Merge | Tag::Bang | Tag::Other => return Ok(Scalar::Str),
        Tag::Timestamp if timestamp::is_timestamp(text) => return Ok(Scalar::Str),
        _ => {}
    }
    let found = plain(text);
    match (tag, found) {
        (Tag::Bool, Scalar::Bool(_))
        | (Tag::Int, Scalar::Int(_) | Scalar::Uint(_))
        | (Tag::Float, Scalar::Float(_))
        | (Tag::Null, Scalar::Null) => Ok(found),
        // Integers above i64::MAX are not converted.
        #[expect(clippy::cast_precision_loss, reason = "what a float tag asks for")]
        (Tag::Float, Scalar::Int(i)) => Ok(Scalar::Float(i as f64)),
        _ => Err(format!("cannot decode !!{} `{text}` as a !!{}", name(found), tag.short())),
    }
}

fn name(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::Null => "null",
        Scalar::Bool(_) => "bool",
        Scalar::Int(_) | Scalar::Uint(_) => "int",
        Scalar::Float(_) => "float",
        Scalar::Str | Scalar::Binary => "str",
    }
}

fn word(text: &str) -> Scalar {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Scalar::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Scalar::Bool(false),
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        _ => Scalar::Str,
    }
}

fn infinity(text: &str) -> Scalar {
    match text {
        ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Scalar::Float(f64::NEG_INFINITY),
        _ => Scalar::Str,
    }
}

fn number(text: &str) -> Scalar {
    // The rule for most: decimal digits without a leading zero.
    if let [b'1'..=b'9', rest @ ..] = text.as_bytes()
        && rest.len() < 18
        && rest.iter().all(u8::is_ascii_digit)
    {
        return text.parse().map_or(Scalar::Str, Scalar::Int);
    }
    let without;
    let plain = if text.contains('_') {
        without = text.replace('_', "");
        &without
    } else {
        text
    };
    if let Some(found) = integer(plain) {
        return found;
    }
    if is_float(plain)
        && let Some(f) = finite(plain)
    {
        return Scalar::Float(f);
    }
    // A sign after the prefix, which no other notation allows.
    if let Some(signed) = plain.strip_prefix("0b") {
        return radix(signed, 2).unwrap_or(Scalar::Str);
    }
    Scalar::Str
}

/// An integer as Go writes them, its prefix telling the base. Every cut is after an ASCII character that was matched.
fn integer(text: &str) -> Option<Scalar> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let signed = digits.len() != text.len();
    let (base, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.starts_with(|c: char| c.is_digit(base)) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, base).ok()?;
    if negative {
        return 0i64.checked_sub_unsigned(magnitude).map(Scalar::Int);
    }
    match i64::try_from(magnitude) {
        Ok(i) => Some(Scalar::Int(i)),
        Err(_) if signed => None,
        Err(_) => Some(Scalar::Uint(magnitude)),
    }
}

/// Digits of a given base, a sign allowed.
fn radix(text: &str, base: u32) -> Option<Scalar> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_digit(base)) {
        return None;
    }
    i64::from_str_radix(text, base).ok().map(Scalar::Int)
}

/// Whether a text is a decimal floating-point number in YAML's style. Every cut is after digits that were counted.
fn is_float(text: &str) -> bool {
    let digits = |t: &str| t.bytes().take_while(u8::is_ascii_digit).count();
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    let whole = digits(rest);
    rest = &rest[whole..];
    if let Some(after) = rest.strip_prefix('.') {
        let fraction = digits(after);
        if whole == 0 && fraction == 0 {
            return false;
        }
        rest = &after[fraction..];
    } else if whole == 0 {
        return false;
    }
    if let Some(after) = rest.strip_prefix(['e', 'E']) {
        let after = after.strip_prefix(['+', '-']).unwrap_or(after);
        let exponent = digits(after);
        return exponent > 0 && exponent == after.len();
    }
    rest.is_empty()
}

/// A number that begins with a dot, as Go reads floats: `_` may stand between digits.
fn go_float(text: &str) -> Option<f64> {
    let mut previous = b'.';
    for c in text.bytes() {
        let between = c == b'_' || previous == b'_';
        let other = if c == b'_' { previous } else { c };
        if between && !other.is_ascii_digit() {
            return None;
        }
        previous = c;
    }
    if previous == b'_' {
        return None;
    }
    let plain = text.replace('_', "");
    if is_float(&plain) { finite(&plain) } else { None }
}

/// The nearest number. One that is too large for a float is not a number to Go.
fn finite(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|f| f.is_finite())
}
