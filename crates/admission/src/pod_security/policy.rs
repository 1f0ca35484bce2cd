//! `pod-security.kubernetes.io/*`: the labels of a namespace, and the policy that they make.

use crate::field_error::FieldError;
use ringfence_pss::{Level, Version};
use serde::Serialize;
use std::{collections::BTreeMap, fmt};

/// What is done about a pod that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It is refused.
    Enforce,
    /// It is noted in the audit log.
    Audit,
    /// Whoever makes it is warned.
    Warn,
}

impl Mode {
    /// Every mode, in the order in which messages name them.
    pub const ALL: [Self; 3] = [Self::Enforce, Self::Audit, Self::Warn];

    /// The name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Audit => "audit",
            Self::Warn => "warn",
        }
    }

    /// The label for the level.
    pub const fn level_label(self) -> &'static str {
        match self {
            Self::Enforce => "pod-security.kubernetes.io/enforce",
            Self::Audit => "pod-security.kubernetes.io/audit",
            Self::Warn => "pod-security.kubernetes.io/warn",
        }
    }

    /// The label for the version.
    pub const fn version_label(self) -> &'static str {
        match self {
            Self::Enforce => "pod-security.kubernetes.io/enforce-version",
            Self::Audit => "pod-security.kubernetes.io/audit-version",
            Self::Warn => "pod-security.kubernetes.io/warn-version",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A level of the standards, in one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LevelVersion {
    /// The level.
    pub level: Level,
    /// The version, as asked for.
    pub version: Version,
}

impl LevelVersion {
    /// Refuses nothing.
    pub const PRIVILEGED: Self = Self { level: Level::Privileged, version: Version::LATEST };

    fn is_equivalent_to(self, other: Self) -> bool {
        self == other || (self.level == Level::Privileged && other.level == Level::Privileged)
    }
}

impl fmt::Display for LevelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.level, self.version)
    }
}

/// What each mode goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Policy {
    /// For refusals.
    pub enforce: LevelVersion,
    /// For the audit log.
    pub audit: LevelVersion,
    /// For warnings.
    pub warn: LevelVersion,
}

impl Policy {
    /// Refuses nothing and says nothing.
    pub const PRIVILEGED: Self =
        Self { enforce: LevelVersion::PRIVILEGED, audit: LevelVersion::PRIVILEGED, warn: LevelVersion::PRIVILEGED };

    /// What the mode goes by.
    pub fn of(&self, mode: Mode) -> LevelVersion {
        match mode {
            Mode::Enforce => self.enforce,
            Mode::Audit => self.audit,
            Mode::Warn => self.warn,
        }
    }

    fn of_mut(&mut self, mode: Mode) -> &mut LevelVersion {
        match mode {
            Mode::Enforce => &mut self.enforce,
            Mode::Audit => &mut self.audit,
            Mode::Warn => &mut self.warn,
        }
    }

    /// Whether no mode objects to anything.
    pub fn is_privileged(&self) -> bool {
        Mode::ALL.iter().all(|mode| self.of(*mode).level == Level::Privileged)
    }

    /// Whether both say the same of every pod, whatever it is.
    pub fn is_equivalent_to(&self, other: &Self) -> bool {
        Mode::ALL.iter().all(|mode| self.of(*mode).is_equivalent_to(other.of(*mode)))
    }

    /// Reads a namespace's labels; what they do not say is as in the defaults. There is a policy even if some labels
    /// are wrong: a wrong enforce level is restricted, a wrong audit or warn level privileged, a wrong version latest.
    pub fn from_labels(labels: &BTreeMap<String, String>, defaults: &Self) -> (Self, Vec<FieldError>) {
        let mut policy = *defaults;
        let mut errors = Vec::new();
        let mut enforced = false;
        for mode in Mode::ALL {
            let part = policy.of_mut(mode);
            if let Some(text) = labels.get(mode.level_label()) {
                match text.parse() {
                    Ok(level) => {
                        part.level = level;
                        enforced |= mode == Mode::Enforce;
                    }
                    Err(error) => {
                        part.level = if mode == Mode::Enforce { Level::Restricted } else { Level::Privileged };
                        errors.push(invalid_label(mode.level_label(), text, &error));
                    }
                }
            }
            if let Some(text) = labels.get(mode.version_label()) {
                part.version = text.parse().unwrap_or_else(|error| {
                    errors.push(invalid_label(mode.version_label(), text, &error));
                    Version::LATEST
                });
            }
        }
        // Who asks to enforce more than is warned of by default is warned of as much.
        let silent = !labels.contains_key(Mode::Warn.level_label());
        if enforced && silent && policy.enforce.level > policy.warn.level {
            policy.warn.level = policy.enforce.level;
            if !labels.contains_key(Mode::Warn.version_label()) {
                policy.warn.version = policy.enforce.version;
            }
        }
        (policy, errors)
    }
}

fn invalid_label(label: &str, value: &str, error: &dyn fmt::Display) -> FieldError {
    FieldError::invalid(format!("metadata.labels[{label}]"), value, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(labels: &[(&str, &str)], defaults: &Policy) -> (Policy, Vec<String>) {
        let key = |name: &str| format!("pod-security.kubernetes.io/{name}");
        let labels = labels.iter().map(|(k, v)| (key(k), (*v).to_owned())).collect();
        let (policy, errors) = Policy::from_labels(&labels, defaults);
        (policy, errors.iter().map(ToString::to_string).collect())
    }

    fn shown(labels: &[(&str, &str)]) -> String {
        let (policy, errors) = read(labels, &Policy::PRIVILEGED);
        assert_eq!(errors, [""; 0]);
        Mode::ALL.map(|mode| policy.of(mode).to_string()).join(" ")
    }

    #[test]
    fn labels_override_the_defaults_one_by_one() {
        assert_eq!(shown(&[]), "privileged:latest privileged:latest privileged:latest");
        assert_eq!(
            shown(&[("audit", "baseline"), ("warn-version", "v1.20")]),
            "privileged:latest baseline:latest privileged:v1.20"
        );
    }

    #[test]
    fn a_stricter_enforced_level_is_warned_of_too() {
        assert_eq!(
            shown(&[("enforce", "baseline"), ("enforce-version", "v1.22")]),
            "baseline:v1.22 privileged:latest baseline:v1.22"
        );
        assert_eq!(
            shown(&[("enforce", "baseline"), ("enforce-version", "v1.22"), ("warn-version", "v1.30")]),
            "baseline:v1.22 privileged:latest baseline:v1.30"
        );
        assert_eq!(
            shown(&[("enforce", "restricted"), ("warn", "baseline")]),
            "restricted:latest privileged:latest baseline:latest"
        );
    }

    #[test]
    fn wrong_labels_fail_closed_for_enforce_and_open_for_the_others() {
        let (policy, errors) =
            read(&[("enforce", "x"), ("enforce-version", "1.2"), ("audit", "y"), ("warn", "")], &Policy::PRIVILEGED);
        assert_eq!(
            Mode::ALL.map(|m| policy.of(m).to_string()).join(" "),
            "restricted:latest privileged:latest privileged:latest"
        );
        assert_eq!(
            errors,
            [
                r#"metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "x": must be one of privileged, baseline, restricted"#,
                r#"metadata.labels[pod-security.kubernetes.io/enforce-version]: Invalid value: "1.2": must be "latest" or "v1.x""#,
                r#"metadata.labels[pod-security.kubernetes.io/audit]: Invalid value: "y": must be one of privileged, baseline, restricted"#,
                r#"metadata.labels[pod-security.kubernetes.io/warn]: Invalid value: "": must be one of privileged, baseline, restricted"#,
            ]
        );
    }

    #[test]
    fn all_privileged_policies_are_equivalent() {
        let (old, _) = read(&[("enforce-version", "v1.0")], &Policy::PRIVILEGED);
        assert!(old.is_equivalent_to(&Policy::PRIVILEGED) && old != Policy::PRIVILEGED && old.is_privileged());
    }
}
