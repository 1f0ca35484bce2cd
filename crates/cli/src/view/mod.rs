//! How an effective context is shown: one list of rows for `explain` and `prove`.

use std::borrow::Cow;

mod notes;
mod origin;
mod rows;
mod table;

pub(crate) use notes::{heading, notes};
pub(crate) use origin::describe;
pub(crate) use rows::{Agreement, Row, rows};
pub(crate) use table::{BAD, GOOD, HEADING, table};

/// Answers where a field of the pod is written and what stands there.
pub(crate) trait Declared {
    /// The value at the field's path from the pod, with its place as `file:line`; `None` where it is not written.
    fn declared(&self, field: &str) -> Option<(String, String)>;
}

/// Text of a manifest for a terminal: no character of it can move the cursor or change a colour.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if text.contains(char::is_control) {
        Cow::Owned(text.replace(char::is_control, "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}
