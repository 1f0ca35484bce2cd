//! What happens to the numbers that no rule names.

use super::Outcome;
use crate::seccomp::arch::X32_BIT;
use crate::seccomp::verdict::{ENOSYS, Verdict};

/// libseccomp's answer to an architecture that the filter does not cover.
pub(in crate::seccomp) const BAD_ARCH: Verdict = Verdict::KillThread;

/// The numbers of one value of `seccomp_data.arch`.
pub(super) struct Regions {
    pub(super) default: Verdict,
    /// The largest known number, if those above get `ENOSYS`.
    pub(super) last: Option<u32>,
    /// On x86_64, what becomes of the numbers with bit 30.
    pub(super) x32: Option<X32>,
}

/// The calls that are marked as x32.
pub(super) struct X32 {
    /// Whether the profile covers x32.
    pub(super) listed: bool,
    /// As for the unmarked numbers.
    pub(super) last: Option<u32>,
}

/// A run of numbers, up to where the next one starts.
struct Region {
    start: u32,
    verdict: Verdict,
    /// Above all that the profile knows: the answer is given before any rule is asked.
    beyond: bool,
}

impl Regions {
    /// Lays the rules over the regions. `rules` are in ascending order.
    pub(super) fn cut(&self, rules: Vec<(u32, Outcome)>) -> Vec<(u32, Outcome)> {
        let mut regions = Vec::with_capacity(8);
        upto(&mut regions, 0, self.default, self.last);
        if let Some(x32) = &self.x32 {
            let marked = if x32.listed { self.default } else { BAD_ARCH };
            let last = x32.last.filter(|_| x32.listed);
            upto(&mut regions, X32_BIT, marked, last);
            // The same once more with bit 31, where no number is known: first without the marker, then with it.
            regions.push(Region { start: X32_BIT << 1, ..end(marked, self.last) });
            regions.push(Region { start: X32_BIT | X32_BIT << 1, ..end(marked, last) });
            if !x32.listed {
                // A tracer skips a call by setting its number to -1, which must not kill.
                regions.push(Region { start: u32::MAX, verdict: self.default, beyond: false });
            }
        }
        overlay(&regions, rules)
    }
}

fn upto(regions: &mut Vec<Region>, start: u32, verdict: Verdict, last: Option<u32>) {
    regions.push(Region { start, verdict, beyond: false });
    if let Some(last) = last {
        regions.push(Region { start: last.saturating_add(1), ..end(verdict, Some(last)) });
    }
}

/// What comes after the last known number, if there is one.
const fn end(verdict: Verdict, last: Option<u32>) -> Region {
    match last {
        Some(_) => Region { start: 0, verdict: Verdict::Errno(ENOSYS), beyond: true },
        None => Region { start: 0, verdict, beyond: false },
    }
}

/// Puts single numbers over regions, and joins neighbours with the same verdict.
fn overlay(regions: &[Region], rules: Vec<(u32, Outcome)>) -> Vec<(u32, Outcome)> {
    let mut segments: Vec<(u32, Outcome)> = Vec::with_capacity(rules.len() + regions.len());
    let mut push = |start: u32, outcome: Outcome| match segments.last_mut() {
        Some((_, known)) if matches!(outcome, Outcome::Verdict(_)) && *known == outcome => {}
        Some((at, known)) if *at == start => *known = outcome,
        _ => segments.push((start, outcome)),
    };
    let mut rules = rules.into_iter().peekable();
    let ends = regions.iter().skip(1).map(|next| next.start - 1).chain([u32::MAX]);
    for (region, end) in regions.iter().zip(ends) {
        push(region.start, Outcome::Verdict(region.verdict));
        while let Some((number, outcome)) = rules.next_if(|(number, _)| *number <= end) {
            if region.beyond {
                continue;
            }
            push(number, outcome);
            if number < end {
                push(number + 1, Outcome::Verdict(region.verdict));
            }
        }
    }
    segments
}
