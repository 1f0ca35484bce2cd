//! JSON, as Go's encoding/json accepts it, into the same tree as YAML.
//!
//! Numbers get the type that they would have in YAML, so that a document means the same in either notation.

use crate::number;
use crate::tree::{Entry, KeyClass, NodeId, Span, Text, Tree, Value};

/// As deep as Go's decoder goes.
const MAX_DEPTH: usize = 10_000;

/// A text that is not JSON, and the byte at which that showed.
pub(crate) struct JsonError {
    pub(crate) message: &'static str,
    pub(crate) pos: usize,
}

type Result<T> = std::result::Result<T, JsonError>;

struct Frame {
    map: bool,
    start: usize,
    base: usize,
    key: Option<(Text, Span)>,
}

struct Json<'t> {
    text: &'t str,
    bytes: &'t [u8],
    pos: usize,
    tree: Tree,
}

/// Reads the value that the text begins with. Also gives where it ends.
pub(crate) fn read(text: &str) -> Result<(Tree, NodeId, usize)> {
    let mut json = Json { text, bytes: text.as_bytes(), pos: 0, tree: Tree::default() };
    // The text may go on with further objects, so its length tells nothing.
    json.tree.nodes.reserve(32);
    json.tree.entries.reserve(32);
    let root = json.value()?;
    Ok((json.tree, root, json.pos))
}

impl Json<'_> {
    fn fail<T>(&self, message: &'static str) -> Result<T> {
        Err(JsonError { message, pos: self.pos })
    }

    fn peek(&self) -> u8 {
        self.bytes.get(self.pos).copied().unwrap_or(0)
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.pos += 1;
        }
    }

    fn value(&mut self) -> Result<NodeId> {
        let mut frames: Vec<Frame> = Vec::with_capacity(16);
        let (mut items, mut entries) = (Vec::with_capacity(16), Vec::with_capacity(32));
        loop {
            self.skip_space();
            // A value begins here, or an empty collection ends.
            let mut done = match self.peek() {
                open @ (b'{' | b'[') => {
                    let map = open == b'{';
                    let base = if map { entries.len() } else { items.len() };
                    frames.push(Frame { map, start: self.pos, base, key: None });
                    if frames.len() > MAX_DEPTH {
                        return self.fail("exceeded max depth");
                    }
                    self.pos += 1;
                    self.skip_space();
                    let close = if map { b'}' } else { b']' };
                    if self.peek() != close {
                        self.key_if_map(frames.last_mut())?;
                        continue;
                    }
                    self.close(&mut frames, &mut items, &mut entries)
                }
                _ => self.scalar()?,
            };
            // The value is complete: put it in its place, and close what ends with it.
            loop {
                let Some(frame) = frames.last_mut() else { return Ok(done) };
                match frame.key.take() {
                    Some((key, key_span)) => entries.push(Entry { key, key_span, value: done, class: KeyClass::Str }),
                    None => items.push(done),
                }
                self.skip_space();
                let c = self.peek();
                if c == b',' {
                    self.pos += 1;
                    self.skip_space();
                    self.key_if_map(Some(frame))?;
                    break;
                }
                if c != if frame.map { b'}' } else { b']' } {
                    return self.fail(if frame.map {
                        "expected ',' or '}' after an object's value"
                    } else {
                        "expected ',' or ']' after an array's element"
                    });
                }
                done = self.close(&mut frames, &mut items, &mut entries);
            }
        }
    }

    fn close(&mut self, frames: &mut Vec<Frame>, items: &mut Vec<NodeId>, entries: &mut Vec<Entry>) -> NodeId {
        self.pos += 1;
        let Some(frame) = frames.pop() else { return 0 };
        let value = if frame.map {
            let value = self.tree.seal_map(self.text, entries.get(frame.base..).unwrap_or_default());
            entries.truncate(frame.base);
            value
        } else {
            let value = self.tree.seal_seq(items.get(frame.base..).unwrap_or_default());
            items.truncate(frame.base);
            value
        };
        self.tree.push(value, Span::new(frame.start, self.pos))
    }

    fn key_if_map(&mut self, frame: Option<&mut Frame>) -> Result<()> {
        let Some(frame) = frame.filter(|f| f.map) else { return Ok(()) };
        if self.peek() != b'"' {
            return self.fail("expected a string as an object's key");
        }
        let start = self.pos;
        let key = self.string()?;
        frame.key = Some((key, Span::new(start, self.pos)));
        self.skip_space();
        if self.peek() != b':' {
            return self.fail("expected ':' after an object's key");
        }
        self.pos += 1;
        Ok(())
    }

    fn scalar(&mut self) -> Result<NodeId> {
        let start = self.pos;
        let value = match self.peek() {
            b'"' => Value::Str(self.string()?),
            b't' => self.word("true", Value::Bool(true))?,
            b'f' => self.word("false", Value::Bool(false))?,
            b'n' => self.word("null", Value::Null)?,
            b'-' | b'0'..=b'9' => self.number()?,
            0 if self.pos >= self.bytes.len() => return self.fail("unexpected end of JSON input"),
            _ => return self.fail("invalid character looking for the beginning of a value"),
        };
        Ok(self.tree.push(value, Span::new(start, self.pos)))
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value> {
        if !self.bytes.get(self.pos..).unwrap_or_default().starts_with(word.as_bytes()) {
            return self.fail("invalid literal");
        }
        self.pos += word.len();
        Ok(value)
    }

    fn digits(&mut self) -> usize {
        let start = self.pos;
        while self.peek().is_ascii_digit() {
            self.pos += 1;
        }
        self.pos - start
    }

    fn number(&mut self) -> Result<Value> {
        let start = self.pos;
        if self.peek() == b'-' {
            self.pos += 1;
        }
        let zero = self.peek() == b'0';
        let whole = if zero { 1 } else { self.digits() };
        self.pos += usize::from(zero);
        if whole == 0 {
            return self.fail("invalid number");
        }
        let mut integer = true;
        if self.peek() == b'.' {
            self.pos += 1;
            integer = false;
            if self.digits() == 0 {
                return self.fail("invalid number");
            }
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.pos += 1;
            integer = false;
            if matches!(self.peek(), b'+' | b'-') {
                self.pos += 1;
            }
            if self.digits() == 0 {
                return self.fail("invalid number");
            }
        }
        let text = self.text.get(start..self.pos).unwrap_or_default();
        if integer {
            if let Ok(i) = text.parse() {
                return Ok(Value::Int(i));
            }
            if let Ok(u) = text.parse() {
                return Ok(Value::Uint(u));
            }
        }
        match text.parse::<f64>() {
            Ok(f) if f.is_finite() => Ok(Value::Float(f)),
            _ => self.fail("number out of range"),
        }
    }

    fn string(&mut self) -> Result<Text> {
        self.pos += 1;
        let start = self.pos;
        let mut copied: Option<usize> = None;
        let mut from = start;
        loop {
            let rest = self.bytes.get(self.pos..).unwrap_or_default();
            let Some(n) = rest.iter().position(|c| matches!(c, b'"' | b'\\' | 0..0x20)) else {
                self.pos = self.bytes.len();
                return self.fail("unexpected end of a string");
            };
            self.pos += n;
            match self.peek() {
                b'"' => {
                    let end = self.pos;
                    self.pos += 1;
                    let Some(begin) = copied else { return Ok(Text::source(start, end)) };
                    self.tree.side.push_str(self.text.get(from..end).unwrap_or_default());
                    return Ok(Text::side(begin, self.tree.side.len()));
                }
                b'\\' => {
                    copied.get_or_insert(self.tree.side.len());
                    self.tree.side.push_str(self.text.get(from..self.pos).unwrap_or_default());
                    let c = self.escape()?;
                    self.tree.side.push(c);
                    from = self.pos;
                }
                _ => return self.fail("invalid character in a string"),
            }
        }
    }

    fn escape(&mut self) -> Result<char> {
        self.pos += 1;
        let c = match self.peek() {
            c @ (b'"' | b'\\' | b'/') => char::from(c),
            b'b' => '\u{8}',
            b'f' => '\u{C}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return self.fail("invalid escape in a string"),
        };
        self.pos += 1;
        Ok(c)
    }

    /// `\uXXXX`, two of them for a surrogate pair. Half a pair is U+FFFD.
    fn unicode(&mut self) -> Result<char> {
        self.pos += 1;
        let Some(first) = self.hex4() else { return self.fail("invalid escape in a string") };
        self.pos += 4;
        if let Some(c) = char::from_u32(first) {
            return Ok(c);
        }
        if first < 0xDC00 && self.bytes.get(self.pos..).unwrap_or_default().starts_with(b"\\u") {
            self.pos += 2;
            let second = self.hex4();
            if let Some(low) = second.filter(|s| (0xDC00..0xE000).contains(s)) {
                self.pos += 4;
                let c = 0x10000 + ((first - 0xD800) << 10) + (low - 0xDC00);
                return Ok(char::from_u32(c).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.pos -= 2;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hex4(&self) -> Option<u32> {
        let digits = self.text.get(self.pos..self.pos + 4)?;
        if digits.bytes().all(|c| c.is_ascii_hexdigit()) { u32::from_str_radix(digits, 16).ok() } else { None }
    }
}

/// A string as a JSON literal.
pub(crate) fn write_string(out: &mut String, text: &str) {
    out.push('"');
    let mut from = 0;
    for (i, c) in text.bytes().enumerate() {
        let escape = match c {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 => "\\u00",
            _ => continue,
        };
        out.push_str(text.get(from..i).unwrap_or_default());
        out.push_str(escape);
        if escape == "\\u00" {
            let hex = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
            out.push(hex(c >> 4));
            out.push(hex(c & 0xF));
        }
        from = i + 1;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out.push('"');
}

/// A number as Go writes it in JSON.
pub(crate) fn write_number(out: &mut String, value: Value) {
    match value {
        Value::Int(i) => out.push_str(&i.to_string()),
        Value::Uint(u) => out.push_str(&u.to_string()),
        Value::Float(f) => number::write_json_float(out, f),
        _ => {}
    }
}
