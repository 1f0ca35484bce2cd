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
        for (i, c) in before.bytes().enumerate() {
            if c == b'\n' || (c == b'\r' && text.as_bytes().get(i + 1) != Some(&b'\n')) {
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

/// Known places in a text, some way apart, so that each further one is found in little time.
#[derive(Clone, Debug)]
pub(crate) struct Waymarks(Vec<Location>);

/// How far apart waymarks are, in bytes. Shorter texts need none.
const STRIDE: usize = 4096;

impl Waymarks {
    /// Waymarks in a text that begins at `base`.
    pub(crate) fn new(text: &str, base: Location) -> Self {
        let mut marks = vec![base];
        let mut from = 0;
        while let Some(mut to) = Some(from + STRIDE).filter(|to| *to < text.len()) {
            // Neither within a character nor within CR LF.
            while !text.is_char_boundary(to) || text.as_bytes().get(to) == Some(&b'\n') {
                to += 1;
            }
            let last = marks.last().copied().unwrap_or(base);
            marks.push(last.advanced(text.get(from..to).unwrap_or_default(), to - from));
            from = to;
        }
        Waymarks(marks)
    }

    /// The place of a byte of the same text.
    pub(crate) fn location(&self, text: &str, pos: usize) -> Location {
        let base = self.0.first().copied().unwrap_or(Location::START);
        let after = self.0.partition_point(|mark| mark.offset - base.offset <= pos);
        let mark = after.checked_sub(1).and_then(|i| self.0.get(i)).copied().unwrap_or(base);
        let from = mark.offset - base.offset;
        mark.advanced(text.get(from..).unwrap_or_default(), pos.saturating_sub(from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waymarks_lead_to_the_same_places() {
        let base = Location { line: 7, column: 3, offset: 11 };
        for line in ["é: x\r\n", "a", "abc\n", "\r", "😀"] {
            let text = line.repeat(3000);
            let marks = Waymarks::new(&text, base);
            for (pos, _) in text.char_indices().step_by(97) {
                assert_eq!(marks.location(&text, pos), base.advanced(&text, pos), "{line:?} at {pos}");
            }
        }
    }
}
