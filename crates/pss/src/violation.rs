//! What one control has against a pod, in the words of the API server.

use crate::{control::Control, finding::Finding};

/// The findings of one control.
#[derive(Debug, Clone, Copy)]
pub struct Violation<'v, 'p> {
    findings: &'v [Finding<'p>],
}

impl<'v, 'p> Violation<'v, 'p> {
    /// The findings must be of one control, and at least one.
    pub(crate) fn new(findings: &'v [Finding<'p>]) -> Self {
        Self { findings }
    }

    /// The control that was evaluated.
    pub fn control(&self) -> &'static Control {
        self.findings[0].judge()
    }

    /// What it found.
    pub fn findings(&self) -> &'v [Finding<'p>] {
        self.findings
    }

    /// What is wrong, in few words: `hostPort`.
    pub fn reason(&self) -> &'static str {
        (self.control().reason)(self.findings)
    }

    /// What is wrong, with names and values: `container "app" uses hostPort 80`.
    pub fn detail(&self) -> String {
        let mut text = String::new();
        self.write_detail(&mut text);
        text
    }

    pub(crate) fn write_detail(&self, text: &mut String) {
        (self.findings[0].revision().detail)(self.findings, text);
    }
}
