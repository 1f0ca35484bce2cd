//! `MustRunAsRange`: any user of a range, the first one for whoever asks for none.

use crate::Value;
use crate::pod::ContainerAt;
use crate::strategy::Objections;
use crate::violation::{Control, Fault};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MustRunAsRange {
    pub(crate) min: i64,
    pub(crate) max: i64,
}

impl MustRunAsRange {
    pub(super) fn validate(self, run_as_user: Option<i64>, at: ContainerAt, out: &mut Objections<'_>) {
        match run_as_user {
            None => out.container(Control::RunAsUser, at, "runAsUser", Fault::Required, ""),
            Some(uid) if uid < self.min || uid > self.max => {
                let detail = format!("must be in the ranges: [{}, {}]", self.min, self.max);
                out.container(Control::RunAsUser, at, "runAsUser", Fault::Invalid(Value::Int(uid)), detail);
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{RunAsUser, objections};
    use super::*;

    const STRATEGY: RunAsUser = RunAsUser::MustRunAsRange(MustRunAsRange { min: 10, max: 20 });

    #[test]
    fn gives_the_first_of_the_range() {
        assert_eq!(STRATEGY.generate(), Some(10));
    }

    #[test]
    fn takes_both_ends_and_nothing_beyond() {
        assert!(objections(STRATEGY, Some(10), None).is_empty());
        assert!(objections(STRATEGY, Some(20), None).is_empty());
        assert_eq!(
            objections(STRATEGY, Some(21), None),
            ["provider x: .containers[0].runAsUser: Invalid value: 21: must be in the ranges: [10, 20]"]
        );
        assert_eq!(objections(STRATEGY, None, None).len(), 1);
    }
}
