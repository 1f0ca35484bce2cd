//! From text to tokens.
//!
//! The rules are libyaml's, with go-yaml's deviations: a required simple key is missed only when the next one comes,
//! `:` needs a blank after it in flow context too, `?` ends a plain scalar in flow context.

use std::collections::VecDeque;

use super::chars::{at, is_blank, is_blankz, is_breakz, line_break, width};
use super::token::{Mark, Result, SyntaxError, Token, TokenKind};

/// A simple key must fit in as many characters.
const MAX_SIMPLE_KEY: usize = 1024;

/// Flow collections and block collections may each be nested as deep.
pub(super) const MAX_DEPTH: usize = 10_000;

#[derive(Clone, Copy, Default)]
struct SimpleKey {
    possible: bool,
    required: bool,
    /// Whether tokens are held back for it. go-yaml forgets to for an empty flow collection, and so never sees that
    /// `{}: a` has a key: the document is `{}`.
    awaited: bool,
    token: usize,
    mark: Mark,
}

pub(super) struct Scanner<'t> {
    pub(super) text: &'t str,
    pub(super) bytes: &'t [u8],
    /// Strings that are not in the text as such.
    pub(super) side: String,
    /// Line breaks that may have to be folded, reused from scalar to scalar.
    pub(super) breaks: String,
    pub(super) mark: Mark,
    pub(super) flow_level: usize,
    /// The column of the innermost block collection, -1 outside any.
    pub(super) indent: isize,
    pub(super) simple_key_allowed: bool,
    indents: Vec<isize>,
    simple_keys: Vec<SimpleKey>,
    tokens: VecDeque<Token>,
    /// How many tokens have been taken from the queue.
    taken: usize,
    done: bool,
}

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Scanner {
            text,
            bytes: text.as_bytes(),
            side: String::new(),
            breaks: String::new(),
            mark: Mark::default(),
            flow_level: 0,
            indent: -1,
            simple_key_allowed: true,
            indents: Vec::with_capacity(16),
            simple_keys: vec![SimpleKey::default()],
            tokens: VecDeque::with_capacity(16),
            taken: 0,
            done: false,
        }
    }

    /// The next token, without taking it. Past the end of the stream there are only further ends.
    pub(super) fn peek(&mut self) -> Result<Token> {
        self.fill()?;
        let end = self.mark.pos;
        Ok(self.tokens.front().copied().unwrap_or(Token { kind: TokenKind::StreamEnd, start: end, end }))
    }

    pub(super) fn skip_token(&mut self) {
        if self.tokens.pop_front().is_some() {
            self.taken += 1;
        }
    }

    pub(super) fn error<T>(&self, message: &str) -> Result<T> {
        Err(SyntaxError { message: message.into(), pos: self.mark.pos })
    }

    /// Makes sure that the head of the queue cannot become a simple key any more.
    fn fill(&mut self) -> Result<()> {
        while !self.done && (self.tokens.is_empty() || self.head_may_be_key()?) {
            self.fetch_next()?;
        }
        Ok(())
    }

    fn head_may_be_key(&mut self) -> Result<bool> {
        // The stack is sorted by token number, since a deeper level starts later; only a level's own entry and the
        // unused one that its bracket opened can share a number.
        let from = self.simple_keys.partition_point(|k| k.token < self.taken);
        for level in from..self.simple_keys.len().min(from + 2) {
            if self.simple_keys.get(level).is_some_and(|k| k.possible && k.awaited && k.token == self.taken) {
                return self.key_is_valid(level);
            }
        }
        Ok(false)
    }

    /// Whether the simple key of this level can still be one, given how far the scanner has come.
    fn key_is_valid(&mut self, level: usize) -> Result<bool> {
        let (line, index) = (self.mark.line, self.mark.index);
        let Some(key) = self.simple_keys.get_mut(level).filter(|k| k.possible) else { return Ok(false) };
        if key.mark.line < line || key.mark.index + MAX_SIMPLE_KEY < index {
            if key.required {
                return self.error("could not find expected ':'");
            }
            key.possible = false;
            return Ok(false);
        }
        Ok(true)
    }

    fn fetch_next(&mut self) -> Result<()> {
        self.skip_to_next_token();
        self.unroll_indent(self.mark.column as isize);
        let (b, pos) = (self.bytes, self.mark.pos);
        let c = at(b, pos);
        if c == 0 {
            return self.fetch_stream_end();
        }
        if self.mark.column == 0 {
            if c == b'%' {
                return self.fetch_directive();
            }
            if self.document_indicator() {
                let kind = if c == b'-' { TokenKind::DocumentStart } else { TokenKind::DocumentEnd };
                return self.fetch_document_indicator(kind);
            }
        }
        let flow = self.flow_level > 0;
        match c {
            b'[' => self.fetch_flow_start(TokenKind::FlowSequenceStart),
            b'{' => self.fetch_flow_start(TokenKind::FlowMappingStart),
            b']' => self.fetch_flow_end(TokenKind::FlowSequenceEnd),
            b'}' => self.fetch_flow_end(TokenKind::FlowMappingEnd),
            b',' => self.fetch_flow_entry(),
            b'-' if is_blankz(b, pos + 1) => self.fetch_block_entry(),
            b'?' if flow || is_blankz(b, pos + 1) => self.fetch_key(),
            b':' if flow || is_blankz(b, pos + 1) => self.fetch_value(),
            b'*' => self.fetch_simple(|s| s.scan_anchor(true)),
            b'&' => self.fetch_simple(|s| s.scan_anchor(false)),
            b'!' => self.fetch_simple(Self::scan_tag),
            b'|' | b'>' if !flow => self.fetch_block_scalar(c == b'|'),
            b'\'' => self.fetch_simple(|s| s.scan_quoted(true)),
            b'"' => self.fetch_simple(|s| s.scan_quoted(false)),
            b'\t' => self.error("found character that cannot start any token: a tab; YAML is indented with spaces"),
            b'#' | b'|' | b'>' | b'%' | b'@' | b'`' => self.error("found character that cannot start any token"),
            _ => self.fetch_simple(Self::scan_plain),
        }
    }

    /// Whether `---` or `...` stands here, with a blank after it. The caller knows that a line begins here.
    pub(super) fn document_indicator(&self) -> bool {
        let rest = self.bytes.get(self.mark.pos..).unwrap_or_default();
        (rest.starts_with(b"---") || rest.starts_with(b"...")) && is_blankz(self.bytes, self.mark.pos + 3)
    }

    fn push(&mut self, kind: TokenKind, start: usize, end: usize) {
        self.tokens.push_back(Token { kind, start, end });
    }

    /// Takes `n` ASCII characters as a token.
    fn push_indicator(&mut self, kind: TokenKind, n: usize) {
        let start = self.mark.pos;
        self.advance(n);
        self.push(kind, start, self.mark.pos);
    }

    /// A simple key may start here: remember that.
    fn save_simple_key(&mut self) -> Result<()> {
        if !self.simple_key_allowed {
            return Ok(());
        }
        let required = self.flow_level == 0 && self.indent == self.mark.column as isize;
        let token = self.taken + self.tokens.len();
        let key = SimpleKey { possible: true, required, awaited: true, token, mark: self.mark };
        self.remove_simple_key()?;
        if let Some(top) = self.simple_keys.last_mut() {
            *top = key;
        }
        Ok(())
    }

    fn remove_simple_key(&mut self) -> Result<()> {
        if self.simple_keys.last().is_some_and(|k| k.possible && k.required) {
            return self.error("could not find expected ':'");
        }
        if let Some(top) = self.simple_keys.last_mut() {
            top.possible = false;
        }
        Ok(())
    }

    /// Opens a block collection if this column is further in than the innermost one. `number` is where in the queue
    /// the token belongs, by its number since the start; `None` is the end.
    fn roll_indent(&mut self, column: usize, number: Option<usize>, kind: TokenKind, pos: usize) -> Result<()> {
        if self.flow_level > 0 || self.indent >= column as isize {
            return Ok(());
        }
        self.indents.push(self.indent);
        self.indent = column as isize;
        if self.indents.len() > MAX_DEPTH {
            return self.error("exceeded max depth of 10000");
        }
        self.insert(number, Token { kind, start: pos, end: pos });
        Ok(())
    }

    fn insert(&mut self, number: Option<usize>, token: Token) {
        match number.and_then(|n| n.checked_sub(self.taken)) {
            Some(i) if i < self.tokens.len() => self.tokens.insert(i, token),
            _ => self.tokens.push_back(token),
        }
    }

    fn unroll_indent(&mut self, column: isize) {
        if self.flow_level > 0 {
            return;
        }
        while self.indent > column {
            self.push(TokenKind::BlockEnd, self.mark.pos, self.mark.pos);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    fn fetch_stream_end(&mut self) -> Result<()> {
        if self.mark.column != 0 {
            self.mark.column = 0;
            self.mark.line += 1;
        }
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        self.push(TokenKind::StreamEnd, self.mark.pos, self.mark.pos);
        self.done = true;
        Ok(())
    }

    fn fetch_directive(&mut self) -> Result<()> {
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        let token = self.scan_directive()?;
        self.tokens.push_back(token);
        Ok(())
    }

    fn fetch_document_indicator(&mut self, kind: TokenKind) -> Result<()> {
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        self.push_indicator(kind, 3);
        Ok(())
    }

    fn fetch_flow_start(&mut self, kind: TokenKind) -> Result<()> {
        self.save_simple_key()?;
        let token = self.taken + self.tokens.len();
        self.simple_keys.push(SimpleKey { token, mark: self.mark, ..SimpleKey::default() });
        self.flow_level += 1;
        if self.flow_level > MAX_DEPTH {
            return self.error("exceeded max depth of 10000");
        }
        self.simple_key_allowed = true;
        self.push_indicator(kind, 1);
        Ok(())
    }

    fn fetch_flow_end(&mut self, kind: TokenKind) -> Result<()> {
        self.remove_simple_key()?;
        if self.flow_level > 0 {
            self.flow_level -= 1;
            let inner = self.simple_keys.pop().unwrap_or_default();
            if let Some(outer) = self.simple_keys.last_mut().filter(|k| k.token == inner.token) {
                outer.awaited = false;
            }
        }
        self.simple_key_allowed = false;
        self.push_indicator(kind, 1);
        Ok(())
    }

    fn fetch_flow_entry(&mut self) -> Result<()> {
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        self.push_indicator(TokenKind::FlowEntry, 1);
        Ok(())
    }

    fn fetch_block_entry(&mut self) -> Result<()> {
        // In flow context the parser objects: it knows what surrounds the entry.
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return self.error("block sequence entries are not allowed in this context");
            }
            self.roll_indent(self.mark.column, None, TokenKind::BlockSequenceStart, self.mark.pos)?;
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        self.push_indicator(TokenKind::BlockEntry, 1);
        Ok(())
    }

    fn fetch_key(&mut self) -> Result<()> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return self.error("mapping keys are not allowed in this context");
            }
            self.roll_indent(self.mark.column, None, TokenKind::BlockMappingStart, self.mark.pos)?;
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = self.flow_level == 0;
        self.push_indicator(TokenKind::Key, 1);
        Ok(())
    }

    fn fetch_value(&mut self) -> Result<()> {
        let level = self.simple_keys.len().saturating_sub(1);
        if self.key_is_valid(level)? {
            let key = self.simple_keys.get(level).copied().unwrap_or_default();
            let start = key.mark.pos;
            self.insert(Some(key.token), Token { kind: TokenKind::Key, start, end: start });
            self.roll_indent(key.mark.column, Some(key.token), TokenKind::BlockMappingStart, start)?;
            if let Some(top) = self.simple_keys.last_mut() {
                top.possible = false;
            }
            self.simple_key_allowed = false;
        } else {
            if self.flow_level == 0 {
                if !self.simple_key_allowed {
                    return self.error("mapping values are not allowed in this context");
                }
                self.roll_indent(self.mark.column, None, TokenKind::BlockMappingStart, self.mark.pos)?;
            }
            self.simple_key_allowed = self.flow_level == 0;
        }
        self.push_indicator(TokenKind::Value, 1);
        Ok(())
    }

    /// Anything that may be a simple key, but that none can follow directly.
    fn fetch_simple(&mut self, scan: impl FnOnce(&mut Self) -> Result<Token>) -> Result<()> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let token = scan(self)?;
        self.tokens.push_back(token);
        Ok(())
    }

    fn fetch_block_scalar(&mut self, literal: bool) -> Result<()> {
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        let token = self.scan_block_scalar(literal)?;
        self.tokens.push_back(token);
        Ok(())
    }

    fn skip_to_next_token(&mut self) {
        loop {
            // Tabs separate, but not where they could be taken for indentation.
            let tabs = self.flow_level > 0 || !self.simple_key_allowed;
            let blank = |c: u8| c == b' ' || (tabs && c == b'\t');
            let n = self.bytes.get(self.mark.pos..).unwrap_or_default().iter().take_while(|c| blank(**c)).count();
            self.advance(n);
            if at(self.bytes, self.mark.pos) == b'#' {
                self.skip_comment();
            }
            if line_break(self.bytes, self.mark.pos) == 0 {
                return;
            }
            self.skip_line();
            if self.flow_level == 0 {
                self.simple_key_allowed = true;
            }
        }
    }

    pub(super) fn skip_comment(&mut self) {
        while !is_breakz(self.bytes, self.mark.pos) {
            self.skip();
        }
    }

    pub(super) fn skip_blanks(&mut self) {
        while is_blank(self.bytes, self.mark.pos) {
            self.advance(1);
        }
    }

    /// Passes over `n` ASCII characters, none of them a line break.
    pub(super) fn advance(&mut self, n: usize) {
        self.mark.pos += n;
        self.mark.index += n;
        self.mark.column += n;
    }

    /// Passes over one character that is not a line break.
    pub(super) fn skip(&mut self) {
        self.mark.pos += width(at(self.bytes, self.mark.pos));
        self.mark.index += 1;
        self.mark.column += 1;
    }

    /// Passes over a line break, and gives what it stands for in a scalar.
    pub(super) fn skip_line(&mut self) -> &'static str {
        let n = line_break(self.bytes, self.mark.pos);
        let third = at(self.bytes, self.mark.pos + 2);
        let crlf = n == 2 && at(self.bytes, self.mark.pos) == b'\r';
        self.mark.pos += n;
        self.mark.index += if crlf { 2 } else { 1 };
        self.mark.column = 0;
        self.mark.line += 1;
        match (n, third) {
            (3, 0xA8) => "\u{2028}",
            (3, _) => "\u{2029}",
            _ => "\n",
        }
    }
}
