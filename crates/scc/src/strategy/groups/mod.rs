//! `fsGroup` and `supplementalGroups`: the groups of a pod.
//!
//! Upstream: `pkg/securitycontextconstraints/group`.

mod must_run_as;

use super::{Objections, StrategyError};
use crate::constraints::{GroupStrategyOptions, IDRange};
use crate::violation::Control;

/// The strategy, with its ranges taken from the namespace where the SCC has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Groups {
    /// Never empty: ranges come from the SCC or from the namespace.
    MustRunAs(Vec<IDRange>),
    /// Fills nothing and objects to nothing.
    RunAsAny,
}

/// Which of the two fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GroupField {
    FsGroup,
    SupplementalGroups,
}

impl GroupField {
    pub(crate) fn control(self) -> Control {
        match self {
            Self::FsGroup => Control::FsGroup,
            Self::SupplementalGroups => Control::SupplementalGroups,
        }
    }

    fn strategy_name(self) -> &'static str {
        match self {
            Self::FsGroup => "FSGroup",
            Self::SupplementalGroups => "SupplementalGroups",
        }
    }
}

impl Groups {
    pub(crate) fn new(options: &GroupStrategyOptions, field: GroupField) -> Result<Self, StrategyError> {
        match options.type_.as_str() {
            "MustRunAs" => Ok(Self::MustRunAs(options.ranges.clone())),
            "RunAsAny" => Ok(Self::RunAsAny),
            other => Err(StrategyError::Unrecognized { field: field.strategy_name(), type_: other.into() }),
        }
    }

    /// The group given to a pod for which nobody chose one.
    pub(crate) fn generate(&self) -> Option<i64> {
        match self {
            Self::MustRunAs(ranges) => ranges.first().map(|r| r.min),
            Self::RunAsAny => None,
        }
    }

    /// `groups` is `None` when the pod has no such list, which prints otherwise than an empty one.
    pub(crate) fn validate(&self, groups: Option<&[i64]>, field: GroupField, out: &mut Objections<'_>) {
        match self {
            Self::MustRunAs(ranges) => must_run_as::validate(ranges, groups, field, out),
            Self::RunAsAny => {}
        }
    }
}
