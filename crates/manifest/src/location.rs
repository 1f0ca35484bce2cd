//! Lines and columns, worked out from byte offsets when somebody asks.

/// A place in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// From 1. CR, LF and CR LF each end a line.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
    /// In bytes of the input's text, from 0.
    pub offset: usize,
}

impl Location {
    pub(crate) const START: Location = Location { line: 1, column: 1, offset: 0 };

    /// The place `pos` bytes further in a text that begins here.
    pub(crate) fn advanced(self, text: &str, pos: usize) -> Self {
        let mut to = pos.min(text.len());
        while !text.is_char_boundary(to) {
            to -= 1;
        }
        let before = text.get(..to).unwrap_or_default();
        let mut lines = 0;
        let mut line_start = None;
        let bytes = before.as_bytes();
        for (i, c) in bytes.iter().enumerate() {
            if *c == b'\n' || (*c == b'\r' && text.as_bytes().get(i + 1) != Some(&b'\n')) {
                lines += 1;
                line_start = Some(i + 1);
            }
        }
        let in_line = before.get(line_start.unwrap_or(0)..).unwrap_or_default().chars().count() as u32;
        let column = if line_start.is_some() { 1 } else { self.column } + in_line;
        Location { line: self.line + lines, column, offset: self.offset + pos }
    }

    /// This place, which was found in a text that begins at `base` instead of at the start.
    pub(crate) fn rebased(self, base: Location) -> Self {
        let column = if self.line == 1 { self.column + base.column - 1 } else { self.column };
        Location { line: self.line + base.line - 1, column, offset: self.offset + base.offset }
    }
}
