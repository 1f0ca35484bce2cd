//! One thing to tell the user about one place of one file, whatever the output format.

use std::ops::Range;

/// Something to tell the user.
#[derive(Clone, Debug)]
pub(crate) struct Diagnostic {
    /// What kind of finding: a control's ID, a kind of reading problem, a warning's code.
    pub(crate) code: String,
    /// What is wrong, in one sentence.
    pub(crate) message: String,
    /// The object: `Deployment shop/web`.
    pub(crate) object: String,
    /// The field's path from the object's root.
    pub(crate) field: String,
    /// Where it is written.
    pub(crate) place: Place,
    /// What to say at the place itself.
    pub(crate) label: String,
    /// What to write instead.
    pub(crate) help: Vec<String>,
}

/// A place in a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    /// The file's name as found, `-` for standard input.
    pub(crate) source: String,
    /// From 1; 0 where the file has no such place.
    pub(crate) line: usize,
    /// In characters, from 1.
    pub(crate) column: usize,
    /// Where it ends: the line, from 1, and the column after the last character.
    pub(crate) end: (usize, usize),
    /// The text of the line around it.
    pub(crate) excerpt: Excerpt,
}

/// The lines around a place, so that no report has to hold or search the whole file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Excerpt {
    /// A few lines of the file.
    pub(crate) text: String,
    /// The number of the first of them, from 1.
    pub(crate) first_line: usize,
    /// What to underline, in bytes of `text`.
    pub(crate) span: Range<usize>,
    /// Whether the first line lacks its beginning.
    pub(crate) cut: bool,
}

/// Lines longer than this are cut around the place: JSON comes in lines of megabytes.
const LONGEST_LINE: usize = 400;

impl Place {
    /// The place of `span` in `text`, whose first line is number 1.
    pub(crate) fn new(source: &str, text: &str, span: Range<usize>, line: usize, column: usize) -> Self {
        let start = floor(text, span.start.min(text.len()));
        let end = floor(text, span.end.clamp(start, text.len()));
        let spanned = &text[start..end];
        let end_place = match spanned.rfind('\n') {
            None => (line, column + spanned.chars().count()),
            Some(newline) => (line + spanned.matches('\n').count(), spanned[newline + 1..].chars().count() + 1),
        };
        Self { source: source.to_owned(), line, column, end: end_place, excerpt: Excerpt::new(text, start, end, line) }
    }

    /// A place of which only the file is known.
    pub(crate) fn file(source: &str) -> Self {
        Self { source: source.to_owned(), ..Self::default() }
    }
}

impl Excerpt {
    /// The line of `start`, and the one before it for its sake; a span of many lines is shown by its first.
    fn new(text: &str, start: usize, end: usize, line: usize) -> Self {
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        let (mut from, mut to, mut first_line) = (line_start, line_end, line);
        if line_end - line_start > LONGEST_LINE {
            from = floor(text, start.saturating_sub(LONGEST_LINE / 4).max(line_start));
            to = floor(text, (start + LONGEST_LINE / 2).min(line_end));
        } else if line_start > 0 && line > 1 {
            let before = text[..line_start - 1].rfind('\n').map_or(0, |newline| newline + 1);
            if line_start - before <= LONGEST_LINE {
                from = before;
                first_line -= 1;
            }
        }
        let end = end.clamp(start, to).max(start);
        // Carriage returns would be shown; only those before the place shift it.
        let before = text[from..start].matches('\r').count();
        let within = text[start..end].matches('\r').count();
        let span = start - from - before..end - from - before - within;
        Self { text: text[from..to].replace('\r', ""), first_line, span, cut: from > line_start }
    }
}

/// The nearest character boundary at or before `at`.
fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_knows_where_it_ends_and_shows_the_line_before() {
        let text = "a: 1\nbb: 22\nc: 3\n";
        let place = Place::new("f", text, 9..11, 2, 5);
        assert_eq!((place.line, place.column, place.end), (2, 5, (2, 7)));
        assert_eq!(place.excerpt.text, "a: 1\nbb: 22");
        assert_eq!(place.excerpt.first_line, 1);
        assert_eq!(&place.excerpt.text[place.excerpt.span.clone()], "22");
    }

    #[test]
    fn a_line_of_a_megabyte_is_cut_around_the_place() {
        let text = format!("{}é[x]{}", "é".repeat(500_000), "y".repeat(500_000));
        let at = text.find("[x]").unwrap();
        let place = Place::new("f", &text, at..at + 3, 1, 500_002);
        assert!(place.excerpt.text.len() <= LONGEST_LINE);
        assert_eq!(&place.excerpt.text[place.excerpt.span.clone()], "[x]");
    }

    #[test]
    fn carriage_returns_are_not_shown() {
        let place = Place::new("f", "a: 1\r\nbb: 22\r\n", 10..12, 2, 5);
        assert_eq!(place.excerpt.text, "a: 1\nbb: 22");
        assert_eq!(&place.excerpt.text[place.excerpt.span.clone()], "22");
    }

    #[test]
    fn a_span_outside_of_the_text_does_no_harm() {
        let place = Place::new("f", "é", 1..99, 1, 1);
        assert_eq!(place.excerpt.text, "é");
    }
}
