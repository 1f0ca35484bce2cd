//! Text in quotes as Go's `%q` writes it, which is how the API server quotes.

use std::fmt::{self, Write as _};
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory as _};

/// Displays a string in double quotes, with everything escaped that is not printable.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            let code = u32::from(c);
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '\x07' => f.write_str("\\a")?,
                '\x08' => f.write_str("\\b")?,
                '\x0c' => f.write_str("\\f")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                '\x0b' => f.write_str("\\v")?,
                ' '..='~' => f.write_char(c)?,
                '\0'..='\x7f' => write!(f, "\\x{code:02x}")?,
                _ if is_visible(c) => f.write_char(c)?,
                _ if code < 0x1_0000 => write!(f, "\\u{code:04x}")?,
                _ => write!(f, "\\U{code:08x}")?,
            }
        }
        f.write_char('"')
    }
}

fn is_visible(c: char) -> bool {
    !matches!(c.general_category_group(), GeneralCategoryGroup::Separator | GeneralCategoryGroup::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_cannot_be_seen_and_nothing_else() {
        assert_eq!(Quoted("grüße \"a\\b\"\n\0\u{a0}").to_string(), r#""grüße \"a\\b\"\n\x00\u00a0""#);
    }
}
