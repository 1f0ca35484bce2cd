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
                Segment::Field(name) if first => f.write_str(name)?,
                Segment::Field(name) => write!(f, ".{name}")?,
                Segment::Key(key) => write!(f, "[{key}]")?,
                Segment::Index(i) => write!(f, "[{i}]")?,
            }
            first = false;
        }
        Ok(())
    }
}

/// A key as one step of a path: in brackets if it holds what separates steps.
pub(crate) fn key(key: &str) -> String {
    if key.contains(['.', '[', ']', '/']) || key.is_empty() { format!("[{key}]") } else { key.to_owned() }
}
