//! Versions as a plan takes them: of the right form, known, and not backwards.

use super::{Ask, PlanError};
use crate::Version;

/// Whose versions.
pub(super) struct Product {
    pub(super) name: &'static str,
    pub(super) form: &'static str,
    /// Releases that there have been: major and minor, in their order.
    pub(super) lines: &'static [(u64, u64)],
    /// Whether a version ends in the number of a build.
    pub(super) build: bool,
}

/// Redis Enterprise for Kubernetes (the releases of redis-enterprise-k8s-docs).
pub(super) const REDIS: Product = Product {
    name: "Redis Enterprise for Kubernetes",
    form: "7.22.0-6",
    lines: &[(5, 4), (6, 0), (6, 2), (6, 4), (7, 2), (7, 4), (7, 8), (7, 22), (8, 0)],
    build: true,
};

impl Product {
    /// Reads a version. What is newer than this knows is taken to be like the newest.
    pub(super) fn version(&self, option: &'static str, text: &str) -> Result<Version, PlanError> {
        let malformed = || PlanError::Malformed { option, text: text.to_owned(), product: self.name, form: self.form };
        let plain = text.strip_prefix('v').unwrap_or(text);
        let (numbers, suffix) =
            plain.split_once('-').map_or((plain, None), |(numbers, suffix)| (numbers, Some(suffix)));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let build = suffix.is_some_and(digits);
        if numbers.split('.').count() != 3 || (self.build && !build) {
            return Err(malformed());
        }
        let version: Version = text.parse().map_err(|_| malformed())?;
        let [major, minor, _] = version.numbers();
        if !self.lines.contains(&(major, minor)) && !self.is_newer(&version) {
            let known: Vec<_> = self.lines.iter().map(|(major, minor)| format!("{major}.{minor}")).collect();
            let (text, line, known) = (text.to_owned(), format!("{major}.{minor}"), known.join(", "));
            return Err(PlanError::Unknown { option, text, product: self.name, line, known });
        }
        Ok(version)
    }

    /// Whether it is newer than every release that is known.
    pub(super) fn is_newer(&self, version: &Version) -> bool {
        let [major, minor, _] = version.numbers();
        self.lines.last().is_none_or(|last| (major, minor) > *last)
    }

    /// Both versions of an upgrade, the older first.
    pub(super) fn both(&self, ask: &Ask<'_>) -> Result<(Option<Version>, Version), PlanError> {
        let to = ask.to.ok_or(PlanError::NoVersion { option: "to", form: self.form })?;
        let to = self.version("to", to)?;
        let from = ask.from.map(|from| self.version("from", from)).transpose()?;
        if let Some(from) = from.as_ref().filter(|from| **from > to) {
            return Err(PlanError::Downgrade { from: from.to_string(), to: to.to_string() });
        }
        Ok((from, to))
    }
}
