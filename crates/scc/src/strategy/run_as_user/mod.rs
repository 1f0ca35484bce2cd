//! `runAsUser`: who a container runs as.
//!
//! Upstream: `pkg/securitycontextconstraints/user`.

mod must_run_as;
mod must_run_as_non_root;
mod must_run_as_range;

use super::{Objections, StrategyError};
use crate::constraints::RunAsUserStrategyOptions;
use crate::pod::ContainerAt;

pub(crate) use must_run_as::MustRunAs;
pub(crate) use must_run_as_range::MustRunAsRange;

/// The strategy, with its range taken from the namespace where the SCC has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunAsUser {
    MustRunAs(MustRunAs),
    MustRunAsRange(MustRunAsRange),
    MustRunAsNonRoot,
    /// Fills nothing and objects to nothing.
    RunAsAny,
}

/// What a container asks for, its own or inherited from the pod.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) run_as_user: Option<i64>,
    pub(crate) run_as_non_root: Option<bool>,
}

impl RunAsUser {
    pub(crate) fn new(options: &RunAsUserStrategyOptions) -> Result<Self, StrategyError> {
        match options.type_.as_str() {
            "MustRunAs" => Ok(Self::MustRunAs(MustRunAs { uid: options.uid.ok_or(StrategyError::NoUid)? })),
            "MustRunAsRange" => Ok(Self::MustRunAsRange(MustRunAsRange {
                min: options.uid_range_min.ok_or(StrategyError::NoUidRangeMin)?,
                max: options.uid_range_max.ok_or(StrategyError::NoUidRangeMax)?,
            })),
            "MustRunAsNonRoot" => Ok(Self::MustRunAsNonRoot),
            "RunAsAny" => Ok(Self::RunAsAny),
            other => Err(StrategyError::Unrecognized { field: "RunAsUser", type_: other.into() }),
        }
    }

    /// The user given to a container for which nobody chose one.
    pub(crate) fn generate(self) -> Option<i64> {
        match self {
            Self::MustRunAs(s) => Some(s.uid),
            Self::MustRunAsRange(s) => Some(s.min),
            Self::MustRunAsNonRoot | Self::RunAsAny => None,
        }
    }

    pub(crate) fn validate(self, asked: Asked, at: ContainerAt, out: &mut Objections<'_>) {
        match self {
            Self::MustRunAs(s) => s.validate(asked.run_as_user, at, out),
            Self::MustRunAsRange(s) => s.validate(asked.run_as_user, at, out),
            Self::MustRunAsNonRoot => must_run_as_non_root::validate(asked, at, out),
            Self::RunAsAny => {}
        }
    }
}

#[cfg(test)]
pub(super) fn objections(strategy: RunAsUser, run_as_user: Option<i64>, run_as_non_root: Option<bool>) -> Vec<String> {
    let mut out = Objections::new("x");
    let at = ContainerAt { kind: crate::ContainerKind::Regular, index: 0 };
    strategy.validate(Asked { run_as_user, run_as_non_root }, at, &mut out);
    out.list.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_as_any_fills_nothing_and_takes_root() {
        assert_eq!(RunAsUser::RunAsAny.generate(), None);
        assert!(objections(RunAsUser::RunAsAny, Some(0), Some(false)).is_empty());
    }

    #[test]
    fn a_strategy_without_what_it_needs_is_an_error() {
        let new = |type_: &str, uid_range_min, uid_range_max| {
            let options = RunAsUserStrategyOptions { type_: type_.into(), uid: None, uid_range_min, uid_range_max };
            RunAsUser::new(&options).unwrap_err().to_string()
        };
        assert_eq!(new("MustRunAs", None, None), "MustRunAs requires a UID");
        assert_eq!(new("MustRunAsRange", None, Some(1)), "MustRunAsRange requires a UIDRangeMin");
        assert_eq!(new("MustRunAsRange", Some(1), None), "MustRunAsRange requires a UIDRangeMax");
        assert_eq!(new("Anyone", None, None), "Unrecognized RunAsUser strategy type Anyone");
    }
}
