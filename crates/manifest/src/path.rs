//! The path of a field while the tree is walked.

use std::fmt;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Segment<'p> {
    /// A field of a struct.
    Field(&'p str),
    /// A key of a map.
    Key(&'p str),
    /// A position in a list.
    Index(usize),
}

/// A path that is written out only if somebody asks for it.
#[derive(Clone, Debug)]
pub(crate) struct Path<'p> {
    /// Where the object is in its document.
    prefix: &'p str,
    segments: Vec<Segment<'p>>,
}

impl<'p> Path<'p> {
    pub(crate) fn new(prefix: &'p str) -> Self {
        Path { prefix, segments: Vec::new() }
    }

    pub(crate) fn push(&mut self, segment: Segment<'p>) {
        self.segments.push(segment);
    }

    pub(crate) fn pop(&mut self) {
        self.segments.pop();
    }

    pub(crate) fn len(&self) -> usize {
        self.segments.len()
    }

    /// The path of the first `len` segments.
    pub(crate) fn prefix(&self, len: usize) -> String {
        let segments = self.segments.get(..len).unwrap_or_default().to_vec();
        Path { prefix: self.prefix, segments }.to_string()
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.prefix)?;
        let mut first = self.prefix.is_empty();
        for segment in &self.segments {
            match segment {
                Segment::Field(name) if first => quoted(f, name)?,
                Segment::Field(name) => {
                    f.write_str(".")?;
                    quoted(f, name)?;
                }
                Segment::Key(key) => {
                    f.write_str("[")?;
                    quoted(f, key)?;
                    f.write_str("]")?;
                }
                Segment::Index(i) => write!(f, "[{i}]")?,
            }
            first = false;
        }
        Ok(())
    }
}

/// Writes a name as Go's `%q` does between its quotes, as the API server writes the paths of unknown fields.
fn quoted(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    if name.bytes().all(|c| c.is_ascii_alphanumeric()) {
        return f.write_str(name);
    }
    for c in name.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\u{7}' => f.write_str("\\a")?,
            '\u{8}' => f.write_str("\\b")?,
            '\u{B}' => f.write_str("\\v")?,
            '\u{C}' => f.write_str("\\f")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '\'' => f.write_str("'")?,
            _ if c.escape_debug().len() == 1 => write!(f, "{c}")?,
            '\0'..='\u{7F}' => write!(f, "\\x{:02x}", u32::from(c))?,
            '\u{80}'..='\u{FFFF}' => write!(f, "\\u{:04x}", u32::from(c))?,
            _ => write!(f, "\\U{:08x}", u32::from(c))?,
        }
    }
    Ok(())
}

/// A key as one step of a path: in brackets if it holds what separates steps.
pub(crate) fn key(key: &str) -> String {
    if key.contains(['.', '[', ']', '/']) || key.is_empty() { format!("[{key}]") } else { key.to_owned() }
}
