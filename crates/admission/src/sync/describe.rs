//! What is planned, in words.

use super::{
    CONTROL_LABEL, MINIMALLY_SUFFICIENT,
    control::Uncontrolled,
    plan::{Because, Outcome, Skip},
};
use ringfence_scc::UID_RANGE;
use std::fmt;

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Synchronised => f.write_str("labels follow the service accounts"),
            Self::AlwaysPrivileged => f.write_str("always privileged"),
            Self::Uncontrolled(why) => write!(f, "left alone: {why}"),
            Self::Skipped(why) => write!(f, "nothing done: {why}"),
        }
    }
}

impl fmt::Display for Uncontrolled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Payload => f.write_str("it is one of the platform's own namespaces"),
            Self::OpenShiftPrefix => {
                write!(f, "its name begins with openshift-, and its label {CONTROL_LABEL} is not \"true\"")
            }
            Self::OptedOut => write!(f, "its label {CONTROL_LABEL} is \"false\""),
            Self::LabelsOwnedByOthers => f.write_str("every pod-security label was set by somebody else"),
            Self::BadManagedFields => f.write_str("its managedFields cannot be read"),
        }
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Terminating => f.write_str("the namespace is going away"),
            Self::NoUidRange => write!(f, "the annotation {UID_RANGE} is missing"),
            Self::NoServiceAccounts => f.write_str("there are no service accounts"),
            Self::NoConstraints => f.write_str("no service account may use any security context constraint"),
            Self::Unconvertible { scc, error } => write!(f, "{scc} comes to no level: {error}"),
            Self::BadManagedFields => f.write_str("its managedFields cannot be read"),
            Self::AnnotationConflict { manager } => {
                write!(f, "the annotation {MINIMALLY_SUFFICIENT} was set otherwise by {manager:?}")
            }
        }
    }
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "service account {} may use {}: {}", self.service_account, self.scc, self.grant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rbac::Grant;

    #[test]
    fn says_why() {
        assert_eq!(
            Outcome::Uncontrolled(Uncontrolled::OptedOut).to_string(),
            "left alone: its label security.openshift.io/scc.podSecurityLabelSync is \"false\""
        );
        assert_eq!(
            Outcome::Skipped(Skip::NoUidRange).to_string(),
            "nothing done: the annotation openshift.io/sa.scc.uid-range is missing"
        );
        let grant = Grant::Groups { group: "system:authenticated".into() };
        let because = Because { service_account: "web".into(), scc: "restricted-v2".into(), grant };
        assert_eq!(
            because.to_string(),
            "service account web may use restricted-v2: its groups name \"system:authenticated\""
        );
    }
}
