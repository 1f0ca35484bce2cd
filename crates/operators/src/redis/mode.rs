//! Whether the node container may raise its own limits: `spec.securityContext.resourceLimits.allowAutoAdjustment`.

use std::fmt;

use k8s_openapi::api::core::v1::{Capabilities, SecurityContext};

use crate::Version;

/// The first version of the operator that has unprivileged mode: `7.22.0-6`.
pub const UNPRIVILEGED_SINCE: &str = "7.22.0-6";

/// The two contexts that the node container can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The capability SYS_RESOURCE, and the privilege escalation that makes it count.
    Privileged,
    /// No capability at all.
    Unprivileged,
}

impl Mode {
    /// The mode under an operator of this version, given `allowAutoAdjustment`. Versions before `7.22.0-6` know one mode
    /// and not the field; from then on an absent field means no.
    #[must_use]
    pub fn of(operator: &Version, allow_auto_adjustment: Option<bool>) -> Self {
        let known = UNPRIVILEGED_SINCE.parse().is_ok_and(|since| operator.at_least(&since));
        if !known || allow_auto_adjustment == Some(true) { Self::Privileged } else { Self::Unprivileged }
    }

    /// The security context of the node container.
    #[must_use]
    pub fn security_context(self) -> SecurityContext {
        let privileged = self == Self::Privileged;
        SecurityContext {
            allow_privilege_escalation: Some(privileged),
            capabilities: Some(Capabilities {
                add: privileged.then(|| vec!["SYS_RESOURCE".to_owned()]),
                drop: Some(vec!["ALL".to_owned()]),
            }),
            privileged: Some(false),
            read_only_root_filesystem: Some(false),
            ..SecurityContext::default()
        }
    }

    /// `privileged` or `unprivileged`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Privileged => "privileged",
            Self::Unprivileged => "unprivileged",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
