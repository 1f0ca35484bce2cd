//! The scanner's part for scalars: plain, quoted and block.

use super::chars::{at, is_blank, is_blankz, is_breakz, line_break, ordinary};
use super::scanner::Scanner;
use super::token::{Result, SyntaxError, Token, TokenKind};
use crate::tree::Text;

/// A scalar's text as it grows: a range of the source as long as it can be, a copy from the first difference on.
struct Piece {
    /// Where the copy begins in the side buffer, once there is one.
    copy: Option<usize>,
    /// The start of what is not copied yet.
    start: usize,
}

impl Piece {
    /// Copies what came before `end`, so that something else than the source can follow.
    fn flush(&mut self, s: &mut Scanner<'_>, end: usize) {
        self.copy.get_or_insert(s.side.len());
        s.side.push_str(s.text.get(self.start..end).unwrap_or_default());
        self.start = end;
    }

    /// Folds a first line break and those in the scanner's buffer, and goes on from here.
    fn fold(&mut self, s: &mut Scanner<'_>, first: &str, end: usize) {
        self.flush(s, end);
        if first == "\n" {
            if s.breaks.is_empty() {
                s.side.push(' ');
            }
        } else {
            s.side.push_str(first);
        }
        s.side.push_str(&s.breaks);
        s.breaks.clear();
        self.start = s.mark.pos;
    }

    fn finish(mut self, s: &mut Scanner<'_>, end: usize) -> Text {
        if self.copy.is_none() {
            return Text::source(self.start, end);
        }
        self.flush(s, end);
        Text::side(self.copy.unwrap_or_default(), s.side.len())
    }
}

impl Scanner<'_> {
    pub(super) fn scan_plain(&mut self) -> Result<Token> {
        let begin = self.mark.pos;
        let b = self.bytes;
        let indent = (self.indent + 1) as usize;
        let flow = self.flow_level > 0;
        let mut piece = Piece { copy: None, start: begin };
        let mut end = begin;
        let mut folding: Option<&'static str> = None;
        loop {
            if (self.mark.column == 0 && self.document_indicator()) || at(b, self.mark.pos) == b'#' {
                break;
            }
            while !is_blankz(b, self.mark.pos) {
                let ends = match at(b, self.mark.pos) {
                    b':' => is_blankz(b, self.mark.pos + 1),
                    b',' | b'?' | b'[' | b']' | b'{' | b'}' => flow,
                    _ => false,
                };
                if ends {
                    break;
                }
                if let Some(first) = folding.take() {
                    piece.fold(self, first, end);
                }
                self.skip();
                self.advance(ordinary(b, self.mark.pos));
                end = self.mark.pos;
            }
            if !is_blank(b, self.mark.pos) && line_break(b, self.mark.pos) == 0 {
                break;
            }
            loop {
                if is_blank(b, self.mark.pos) {
                    if folding.is_some() && self.mark.column < indent && at(b, self.mark.pos) == b'\t' {
                        self.breaks.clear();
                        return self.error("found a tab character that violates indentation");
                    }
                    self.advance(1);
                } else if line_break(b, self.mark.pos) > 0 {
                    let brk = self.skip_line();
                    if folding.is_none() {
                        folding = Some(brk);
                    } else {
                        self.breaks.push_str(brk);
                    }
                } else {
                    break;
                }
            }
            if !flow && self.mark.column < indent {
                break;
            }
        }
        self.breaks.clear();
        if folding.is_some() {
            self.simple_key_allowed = true;
        }
        let text = piece.finish(self, end);
        Ok(Token { kind: TokenKind::Scalar { text, plain: true }, start: begin, end })
    }

    pub(super) fn scan_quoted(&mut self, single: bool) -> Result<Token> {
        let begin = self.mark.pos;
        let b = self.bytes;
        let quote = if single { b'\'' } else { b'"' };
        self.advance(1);
        let mut piece = Piece { copy: None, start: self.mark.pos };
        loop {
            if self.mark.column == 0 && self.document_indicator() {
                return self.error("found unexpected document indicator");
            }
            if self.mark.pos >= b.len() {
                return self.error("found unexpected end of stream");
            }
            // `Some("")` is an escaped line break: the blanks after it go, and nothing stands in its place.
            let mut folding: Option<&'static str> = None;
            while !is_blankz(b, self.mark.pos) {
                let c = at(b, self.mark.pos);
                if c == quote {
                    if !(single && at(b, self.mark.pos + 1) == b'\'') {
                        break;
                    }
                    self.advance(1);
                    piece.flush(self, self.mark.pos);
                    self.advance(1);
                    piece.start = self.mark.pos;
                } else if c == b'\\' && !single {
                    piece.flush(self, self.mark.pos);
                    if line_break(b, self.mark.pos + 1) > 0 {
                        self.advance(1);
                        self.skip_line();
                        piece.start = self.mark.pos;
                        folding = Some("");
                        break;
                    }
                    self.scan_escape(begin)?;
                    piece.start = self.mark.pos;
                } else {
                    self.skip();
                    self.advance(ordinary(b, self.mark.pos));
                }
            }
            let end = self.mark.pos;
            if at(b, end) == quote {
                self.advance(1);
                let text = piece.finish(self, end);
                return Ok(Token { kind: TokenKind::Scalar { text, plain: false }, start: begin, end: self.mark.pos });
            }
            loop {
                if is_blank(b, self.mark.pos) {
                    self.advance(1);
                } else if line_break(b, self.mark.pos) > 0 {
                    let brk = self.skip_line();
                    if folding.is_none() {
                        folding = Some(brk);
                    } else {
                        self.breaks.push_str(brk);
                    }
                } else {
                    break;
                }
            }
            if let Some(first) = folding {
                piece.fold(self, first, end);
            }
        }
    }

    /// The escape sequence at the backslash here, unescaped into the side buffer.
    fn scan_escape(&mut self, begin: usize) -> Result<()> {
        let c = at(self.bytes, self.mark.pos + 1);
        let fail = |message: &str, pos: usize| Err(SyntaxError { message: message.into(), pos });
        let (plain, digits) = match c {
            b'0' => ('\0', 0),
            b'a' => ('\u{7}', 0),
            b'b' => ('\u{8}', 0),
            b't' | b'\t' => ('\t', 0),
            b'n' => ('\n', 0),
            b'v' => ('\u{B}', 0),
            b'f' => ('\u{C}', 0),
            b'r' => ('\r', 0),
            b'e' => ('\u{1B}', 0),
            b' ' | b'"' | b'\'' | b'\\' => (char::from(c), 0),
            b'N' => ('\u{85}', 0),
            b'_' => ('\u{A0}', 0),
            b'L' => ('\u{2028}', 0),
            b'P' => ('\u{2029}', 0),
            b'x' => ('\0', 2),
            b'u' => ('\0', 4),
            b'U' => ('\0', 8),
            _ => return fail("found unknown escape character", self.mark.pos.max(begin)),
        };
        self.advance(2);
        if digits == 0 {
            self.side.push(plain);
            return Ok(());
        }
        let hex = self.text.get(self.mark.pos..self.mark.pos + digits).unwrap_or_default();
        if hex.len() != digits || !hex.bytes().all(|c| c.is_ascii_hexdigit()) {
            return fail("did not find expected hexdecimal number", self.mark.pos);
        }
        match u32::from_str_radix(hex, 16).ok().and_then(char::from_u32) {
            Some(c) => self.side.push(c),
            None => return fail("found invalid Unicode character escape code", self.mark.pos),
        }
        self.advance(digits);
        Ok(())
    }

    pub(super) fn scan_block_scalar(&mut self, literal: bool) -> Result<Token> {
        let begin = self.mark.pos;
        let b = self.bytes;
        self.advance(1);
        let (keep, strip, increment) = self.scan_block_header()?;
        self.skip_blanks();
        if at(b, self.mark.pos) == b'#' {
            self.skip_comment();
        }
        if !is_breakz(b, self.mark.pos) {
            return self.error("did not find expected comment or line break");
        }
        if line_break(b, self.mark.pos) > 0 {
            self.skip_line();
        }
        let mut indent = if increment > 0 { self.indent.max(0) as usize + increment } else { 0 };
        let from = self.side.len();
        // Line breaks that wait for a further line: the first, and those of empty lines.
        let mut first = "";
        let mut after_blank = false;
        self.breaks.clear();
        let mut end = self.mark.pos;
        self.scan_block_breaks(&mut indent, &mut end)?;
        while self.mark.column == indent && self.mark.pos < b.len() {
            let blank = is_blank(b, self.mark.pos);
            if !literal && first == "\n" && !after_blank && !blank {
                if self.breaks.is_empty() {
                    self.side.push(' ');
                }
            } else {
                self.side.push_str(first);
            }
            self.side.push_str(&self.breaks);
            self.breaks.clear();
            after_blank = blank;
            let line = self.mark.pos;
            self.skip_comment();
            self.side.push_str(self.text.get(line..self.mark.pos).unwrap_or_default());
            first = "";
            end = self.mark.pos;
            if line_break(b, self.mark.pos) > 0 {
                first = self.skip_line();
            }
            self.scan_block_breaks(&mut indent, &mut end)?;
        }
        if !strip {
            self.side.push_str(first);
        }
        if keep {
            self.side.push_str(&self.breaks);
        }
        self.breaks.clear();
        let text = Text::side(from, self.side.len());
        Ok(Token { kind: TokenKind::Scalar { text, plain: false }, start: begin, end })
    }

    /// `+`, `-` and the indentation indicator, in either order.
    fn scan_block_header(&mut self) -> Result<(bool, bool, usize)> {
        let (mut keep, mut strip, mut increment) = (false, false, 0);
        for _ in 0..2 {
            match at(self.bytes, self.mark.pos) {
                b'+' if !keep && !strip => keep = true,
                b'-' if !keep && !strip => strip = true,
                b'0' if increment == 0 => return self.error("found an indentation indicator equal to 0"),
                c @ b'1'..=b'9' if increment == 0 => increment = usize::from(c - b'0'),
                _ => break,
            }
            self.advance(1);
        }
        Ok((keep, strip, increment))
    }

    /// Eats indentation and empty lines, and finds the indentation if it is not known yet.
    fn scan_block_breaks(&mut self, indent: &mut usize, end: &mut usize) -> Result<()> {
        let b = self.bytes;
        let mut deepest = 0;
        loop {
            while (*indent == 0 || self.mark.column < *indent) && at(b, self.mark.pos) == b' ' {
                self.advance(1);
            }
            deepest = deepest.max(self.mark.column);
            if (*indent == 0 || self.mark.column < *indent) && at(b, self.mark.pos) == b'\t' {
                return self.error("found a tab character where an indentation space is expected");
            }
            if line_break(b, self.mark.pos) == 0 {
                break;
            }
            let brk = self.skip_line();
            self.breaks.push_str(brk);
            *end = self.mark.pos;
        }
        if *indent == 0 {
            *indent = deepest.max((self.indent + 1) as usize).max(1);
        }
        Ok(())
    }
}
