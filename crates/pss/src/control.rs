//! What a control is: an upstream check ID, a level, the fields it restricts, and what it decides from which version on.

use crate::{
    field::Field,
    finding::{Finding, Findings},
    level::Level,
    page,
    pod::Pod,
    version::Version,
};
use std::fmt;

/// A control of the Pod Security Standards.
pub struct Control {
    /// The check ID that upstream gives it, such as `hostPorts`.
    pub id: &'static str,
    /// The level that brings it in. The restricted level has the baseline controls too, unless it overrides them.
    pub level: Level,
    /// One line that says what is refused.
    pub title: &'static str,
    /// The fields that it restricts.
    pub fields: &'static [&'static Field],
    /// What it decided from which version on, oldest first.
    pub revisions: &'static [Revision],
    /// The few words that the API server says first.
    pub(crate) reason: fn(&[Finding<'_>]) -> &'static str,
    /// The doc comment, line by line.
    pub(crate) docs: &'static str,
}

/// What a control decides from a version on, until its next revision.
pub struct Revision {
    /// The first version that decides so.
    pub since: Version,
    /// The IDs of the baseline controls that this one stands in for, at the restricted level.
    pub overrides: &'static [&'static str],
    /// What changed, for the control's page.
    pub change: &'static str,
    pub(crate) check: for<'p> fn(&Pod<'p>, &mut Findings<'p>),
    /// Writes what the API server says in parentheses about what the check found.
    pub(crate) detail: fn(&[Finding<'_>], &mut String),
}

impl Control {
    /// The reference page, in Markdown.
    pub fn page(&self) -> String {
        page::page(self)
    }

    /// The revision that counts at a version, or `None` before the first.
    pub fn revision_at(&self, version: Version) -> Option<&'static Revision> {
        self.revisions.iter().rev().find(|revision| revision.since <= version)
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Control({})", self.id)
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Revision({})", self.since)
    }
}

/// A control with its doc comment kept, so that the reference pages and the documentation have one source.
macro_rules! documented {
    ($(#[doc = $line:literal])+ pub static $name:ident: Control = $value:expr;) => {
        const DOCS: &str = concat!($($line, "\n"),+);
        $(#[doc = $line])+
        pub static $name: $crate::control::Control = $value;
    };
}
pub(crate) use documented;
