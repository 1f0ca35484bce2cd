//! JSON lines that are lines for every reader.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};

/// Writes `value` as one line of JSON. The characters at which Unicode ends a line are escaped: some readers, Python's
/// `splitlines` among them, end a line there too.
pub(crate) fn write(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(&mut *out, Lines(CompactFormatter));
    value.serialize(&mut serializer)?;
    out.write_all(b"\n")
}

struct Lines(CompactFormatter);

const LINE_ENDS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];

impl Formatter for Lines {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        for piece in fragment.split_inclusive(LINE_ENDS) {
            match piece.char_indices().next_back() {
                Some((at, end)) if LINE_ENDS.contains(&end) => {
                    self.0.write_string_fragment(out, &piece[..at])?;
                    write!(out, "\\u{:04x}", u32::from(end))?;
                }
                _ => self.0.write_string_fragment(out, piece)?,
            }
        }
        Ok(())
    }

    /// JSON made elsewhere: outside of a string such a character cannot stand, so that it may be escaped all the same.
    fn write_raw_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        self.write_string_fragment(out, fragment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_ends_a_line_within_it() {
        let text = "a\u{85}b\u{2028}\u{2029}\n\u{b}c";
        let mut out = Vec::new();
        write(&mut out, &text).unwrap();
        let line = String::from_utf8(out).unwrap();
        assert_eq!(line, "\"a\\u0085b\\u2028\\u2029\\n\\u000bc\"\n");
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
    }
}
