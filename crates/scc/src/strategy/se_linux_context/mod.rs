//! `seLinuxContext`: the label of a pod and its containers.
//!
//! Upstream: `pkg/securitycontextconstraints/selinux`.

mod must_run_as;

use k8s_openapi::api::core::v1::SELinuxOptions;

use super::{Objections, StrategyError};
use crate::constraints::SELinuxContextStrategyOptions;
use crate::pod::ContainerAt;

/// The strategy, with its level taken from the namespace where the SCC has none.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SeLinuxContext {
    MustRunAs(SELinuxOptions),
    /// Fills nothing and objects to nothing.
    RunAsAny,
}

impl SeLinuxContext {
    pub(crate) fn new(options: &SELinuxContextStrategyOptions) -> Result<Self, StrategyError> {
        match options.type_.as_str() {
            "MustRunAs" => Ok(Self::MustRunAs(options.se_linux_options.clone().unwrap_or_default())),
            "RunAsAny" => Ok(Self::RunAsAny),
            other => Err(StrategyError::Unrecognized { field: "SELinuxContext", type_: other.into() }),
        }
    }

    /// The label given to a pod for which nobody chose one.
    pub(crate) fn generate(&self) -> Option<SELinuxOptions> {
        match self {
            Self::MustRunAs(options) => Some(options.clone()),
            Self::RunAsAny => None,
        }
    }

    /// `at` is `None` for the pod's own label.
    pub(crate) fn validate(&self, asked: Option<&SELinuxOptions>, at: Option<ContainerAt>, out: &mut Objections<'_>) {
        match self {
            Self::MustRunAs(options) => must_run_as::validate(options, asked, at, out),
            Self::RunAsAny => {}
        }
    }
}
