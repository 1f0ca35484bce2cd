//! The two questions: what does a level and version say of a pod, and what do all versions say?

use crate::{
    finding::{Finding, Findings},
    level::Level,
    pod::Pod,
    registry::{controls_at, turning_points},
    version::Version,
    violation::Violation,
};
use k8s_openapi::{api::core::v1::PodSpec, apimachinery::pkg::apis::meta::v1::ObjectMeta};

/// What a level and version say of a pod.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict<'p> {
    findings: Vec<Finding<'p>>,
}

/// The versions that give one same answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Range<'p> {
    /// The first of them.
    pub from: Version,
    /// The last of them; `latest` for those that still hold.
    pub to: Version,
    /// The answer, as the first of them gives it.
    pub verdict: Verdict<'p>,
}

/// Judges a pod, or the template of a workload. A pod that passes costs no heap allocation.
///
/// Versions newer than [`NEWEST`](crate::NEWEST) are judged by it.
pub fn evaluate<'p>(level: Level, version: Version, metadata: &'p ObjectMeta, spec: &'p PodSpec) -> Verdict<'p> {
    let pod = Pod::new(metadata, spec);
    let mut list = Vec::new();
    for (control, revision) in controls_at(level, version) {
        let mut findings = Findings::new(list, control, revision);
        (revision.check)(&pod, &mut findings);
        list = findings.list;
    }
    Verdict { findings: list }
}

/// Judges a pod by every version: the ranges of versions with one same answer (allowed, reason and detail), oldest
/// first. There is at least one, the first begins at v1.0, and the last ends at `latest`.
pub fn evaluate_all<'p>(level: Level, metadata: &'p ObjectMeta, spec: &'p PodSpec) -> Vec<Range<'p>> {
    let mut ranges: Vec<Range<'p>> = Vec::new();
    for from in turning_points(level) {
        let verdict = evaluate(level, from, metadata, spec);
        if let Some(last) = ranges.last_mut() {
            if last.verdict.says_the_same_as(&verdict) {
                continue;
            }
            // A turning point after the first is v1.1 at the earliest.
            last.to = Version::v1(from.minor().map_or(0, |minor| minor.saturating_sub(1)));
        }
        ranges.push(Range { from, to: Version::LATEST, verdict });
    }
    ranges
}

impl<'p> Verdict<'p> {
    /// Whether the pod is admitted.
    pub fn allowed(&self) -> bool {
        self.findings.is_empty()
    }

    /// Every offending field, in the order of [`CONTROLS`](crate::CONTROLS) and of the pod's containers.
    pub fn findings(&self) -> &[Finding<'p>] {
        &self.findings
    }

    /// The verdict with only those findings that are to be kept. What is left is told in the same words.
    #[must_use]
    pub fn retain(mut self, mut keep: impl FnMut(&Finding<'p>) -> bool) -> Self {
        self.findings.retain(|finding| keep(finding));
        self
    }

    /// The findings of each control that refuses the pod.
    pub fn violations(&self) -> impl Iterator<Item = Violation<'_, 'p>> {
        self.findings.chunk_by(|a, b| std::ptr::eq(a.judge(), b.judge())).map(Violation::new)
    }

    /// What the API server says is wrong, in few words: `hostPort, privileged`. Empty if the pod is allowed.
    pub fn reason(&self) -> String {
        let mut text = String::new();
        for violation in self.violations() {
            text.push_str(if text.is_empty() { "" } else { ", " });
            text.push_str(violation.reason());
        }
        text
    }

    /// What the API server says is wrong, with the details: `hostPort (container "app" uses hostPort 80), privileged
    /// (…)`. Empty if the pod is allowed.
    pub fn detail(&self) -> String {
        // What one finding has to tell is seldom longer, so that the text seldom moves.
        let mut text = String::with_capacity(self.findings.len() * 96);
        for violation in self.violations() {
            text.push_str(if text.is_empty() { "" } else { ", " });
            text.push_str(violation.reason());
            let before = text.len();
            text.push_str(" (");
            violation.write_detail(&mut text);
            // A sysctl without a name leaves nothing to tell.
            if text.len() == before + 2 { text.truncate(before) } else { text.push(')') }
        }
        text
    }

    fn says_the_same_as(&self, other: &Self) -> bool {
        self.findings == other.findings
            || (!self.allowed()
                && !other.allowed()
                && self.reason() == other.reason()
                && self.detail() == other.detail())
    }
}
