//! Text in quotes as Go's `%q` writes it, which is how the API server quotes.

use std::fmt::{self, Write as _};
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory as _};

/// Displays a string in double quotes, with everything escaped that is not printable.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}"),
                '\x07' => f.write_str("\\a"),
                '\x08' => f.write_str("\\b"),
                '\x0c' => f.write_str("\\f"),
                '\n' => f.write_str("\\n"),
                '\r' => f.write_str("\\r"),
                '\t' => f.write_str("\\t"),
                '\x0b' => f.write_str("\\v"),
                c if is_printable(c) => f.write_char(c),
                c if c < ' ' || c == '\x7f' => write!(f, "\\x{:02x}", u32::from(c)),
                c if u32::from(c) < 0x1_0000 => write!(f, "\\u{:04x}", u32::from(c)),
                c => write!(f, "\\U{:08x}", u32::from(c)),
            }?;
        }
        f.write_char('"')
    }
}

/// Letters, marks, numbers, punctuation, symbols, and of all spaces the one of ASCII.
fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return (' '..='~').contains(&c);
    }
    !matches!(c.general_category_group(), GeneralCategoryGroup::Separator | GeneralCategoryGroup::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(text: &str) -> String {
        Quoted(text).to_string()
    }

    #[test]
    fn leaves_printable_text_alone() {
        for text in ["", "runtime/default", "grüße", "日本語", "e\u{301}", "🦀", "\u{fffd}", "~ !"] {
            assert_eq!(quoted(text), format!("\"{text}\""));
        }
    }

    #[test]
    fn escapes_quotes_and_backslashes() {
        assert_eq!(quoted(r#"a"b\c'd"#), r#""a\"b\\c'd""#);
    }

    #[test]
    fn escapes_control_characters_by_name_or_two_hex_digits() {
        assert_eq!(quoted("\x07\x08\x0c\n\r\t\x0b"), r#""\a\b\f\n\r\t\v""#);
        assert_eq!(quoted("\0\x1b\x7f"), r#""\x00\x1b\x7f""#);
    }

    #[test]
    fn knows_as_many_printable_characters_as_go_does() {
        // strconv.IsPrint of Go 1.27, over all characters.
        assert_eq!(('\0'..=char::MAX).filter(|c| is_printable(*c)).count(), 159_613);
    }

    #[test]
    fn escapes_what_cannot_be_seen_by_its_code_point() {
        // A C1 control, a no-break space, a soft hyphen, a line separator, a byte order mark, a private character.
        assert_eq!(quoted("\u{85}\u{a0}\u{ad}\u{2028}\u{feff}\u{e000}"), r#""\u0085\u00a0\u00ad\u2028\ufeff\ue000""#);
        assert_eq!(quoted("\u{e0001}\u{10ffff}"), r#""\U000e0001\U0010ffff""#);
    }
}
