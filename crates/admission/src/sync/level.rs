//! The labels that are kept in step.

use crate::pod_security::Mode;

/// The version that the synchroniser writes.
pub(super) const VERSION: &str = "latest";

/// Every label of Pod Security.
pub(super) const LABELS: [&str; 6] = [
    Mode::Enforce.level_label(),
    Mode::Enforce.version_label(),
    Mode::Warn.level_label(),
    Mode::Warn.version_label(),
    Mode::Audit.level_label(),
    Mode::Audit.version_label(),
];
