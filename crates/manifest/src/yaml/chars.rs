//! The classes of characters that YAML 1.1 distinguishes, by their UTF-8 bytes.

/// The byte at `i`, or NUL at the end: no text that reaches the scanner holds a NUL.
pub(super) fn at(b: &[u8], i: usize) -> u8 {
    b.get(i).copied().unwrap_or(0)
}

/// How many bytes the line break at `i` takes: LF, CR, CR LF, NEL, LS or PS. 0 if there is none.
pub(super) fn line_break(b: &[u8], i: usize) -> usize {
    match at(b, i) {
        b'\n' => 1,
        b'\r' => 1 + usize::from(at(b, i + 1) == b'\n'),
        0xC2 if at(b, i + 1) == 0x85 => 2,
        0xE2 if at(b, i + 1) == 0x80 && matches!(at(b, i + 2), 0xA8 | 0xA9) => 3,
        _ => 0,
    }
}

/// Space or tab.
pub(super) fn is_blank(b: &[u8], i: usize) -> bool {
    matches!(at(b, i), b' ' | b'\t')
}

/// A line break or the end.
pub(super) fn is_breakz(b: &[u8], i: usize) -> bool {
    match at(b, i) {
        0 | b'\n' | b'\r' => true,
        0xC2 | 0xE2 => line_break(b, i) > 0,
        _ => false,
    }
}

/// Space, tab, a line break or the end.
pub(super) fn is_blankz(b: &[u8], i: usize) -> bool {
    is_blank(b, i) || is_breakz(b, i)
}

/// Letters, digits, `_` and `-`: what names are made of.
pub(super) fn is_word(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'_' || c == b'-'
}

/// How many of the bytes from `i` on are ordinary: ASCII that is neither white space nor an indicator inside a scalar.
/// They can be passed over together.
pub(super) fn ordinary(b: &[u8], i: usize) -> usize {
    let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'/' | b'_' | b'=' | b'@' | b'+' | b'$');
    b.get(i..).unwrap_or_default().iter().take_while(|c| plain(**c)).count()
}

/// The bytes of the character that starts with `c`.
pub(super) fn width(c: u8) -> usize {
    match c {
        0..0xC0 => 1,
        0xC0..0xE0 => 2,
        0xE0..0xF0 => 3,
        _ => 4,
    }
}

/// Where a text first holds a character that YAML does not allow: C0 and C1 controls other than tab, LF, CR and NEL,
/// DEL, U+FFFE and U+FFFF.
pub(super) fn first_forbidden(text: &str) -> Option<usize> {
    if text.bytes().all(|c| (0x20..0x7F).contains(&c) || matches!(c, b'\n' | b'\t' | b'\r')) {
        return None;
    }
    let allowed = |c: char| {
        matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{A0}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}'
            | '\u{10000}'..='\u{10FFFF}')
    };
    text.char_indices().find(|(_, c)| !allowed(*c)).map(|(i, _)| i)
}
