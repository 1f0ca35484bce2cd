//! What a strict API server would object to in a document, and what it would let pass in silence.

use std::fmt;

use crate::location::Location;
use crate::tree::Span;

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProblemKind {
    /// The type has no such field: a strict decoder refuses it, any other drops it in silence.
    Unknown,
    /// The field is there twice; the last one counts.
    Duplicate,
    /// The value has a type that the field cannot take: the object is refused.
    Type,
    /// The field exists, but elsewhere: here it has no effect.
    Misplaced,
    /// Validation refuses the value.
    Invalid,
}

impl ProblemKind {
    /// The kind as machine-readable output names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ProblemKind::Unknown => "unknown",
            ProblemKind::Duplicate => "duplicate",
            ProblemKind::Type => "type",
            ProblemKind::Misplaced => "misplaced",
            ProblemKind::Invalid => "invalid",
        }
    }
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One objection to one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub kind: ProblemKind,
    /// The field's path from the document's root, as the API server's strict decoder writes it.
    pub field: String,
    /// What is wrong, in upstream's words where upstream has some.
    pub message: String,
    /// What to do about it: the right name, or the move to make.
    pub hint: Option<String>,
    /// The key for what concerns the field's name or place, the value for what concerns the value.
    pub span: Span,
    /// Where the span begins.
    pub location: Location,
}
