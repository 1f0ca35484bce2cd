//! What there is to count about a review, as the reference counts it in its metrics.

use crate::pod_security::{LevelVersion, Mode};
use ringfence_pss::CONTROLS;

/// What happened on the way to an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recorded {
    /// The policies that were evaluated: that to enforce always, the others only where they object.
    pub evaluations: [Option<Evaluation>; 3],
    /// Whether the request was let through without evaluation because of an exemption.
    pub exempt: bool,
    /// Whether something prevented normal evaluation, and if so, whether any at all.
    pub error: Option<bool>,
    /// The controls that would have refused the request, had they not been waived.
    pub waived: Controls,
}

/// Some of the controls of Pod Security.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Controls(u32);

impl Controls {
    pub(crate) fn add(&mut self, id: &str) {
        if let Some(at) = CONTROLS.iter().position(|control| control.id == id) {
            self.0 |= 1 << at;
        }
    }

    /// Their IDs, in the order of the standard.
    pub fn iter(self) -> impl Iterator<Item = &'static str> {
        CONTROLS.iter().enumerate().filter(move |(at, _)| self.0 & (1 << at) != 0).map(|(_, control)| control.id)
    }
}

const _: () = assert!(CONTROLS.len() <= 32, "there is a bit for each control");

/// One policy, evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evaluation {
    /// What it said.
    pub allowed: bool,
    /// The level and version.
    pub by: LevelVersion,
    /// What it is for.
    pub mode: Mode,
}

impl Recorded {
    pub(crate) const EXEMPT: Self = Self { evaluations: [None; 3], exempt: true, error: None, waived: Controls(0) };
    pub(crate) const FAILED: Self =
        Self { evaluations: [None; 3], exempt: false, error: Some(true), waived: Controls(0) };

    pub(crate) fn evaluated(&mut self, mode: Mode, by: LevelVersion, allowed: bool) {
        let slot = match mode {
            Mode::Enforce => &mut self.evaluations[0],
            Mode::Audit => &mut self.evaluations[1],
            Mode::Warn => &mut self.evaluations[2],
        };
        *slot = Some(Evaluation { allowed, by, mode });
    }
}
