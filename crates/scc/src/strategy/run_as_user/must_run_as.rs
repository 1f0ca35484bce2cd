//! `MustRunAs`: one user, given to whoever asks for none.

use crate::Value;
use crate::pod::ContainerAt;
use crate::strategy::Objections;
use crate::violation::{Control, Fault};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MustRunAs {
    pub(crate) uid: i64,
}

impl MustRunAs {
    pub(super) fn validate(self, run_as_user: Option<i64>, at: ContainerAt, out: &mut Objections<'_>) {
        match run_as_user {
            None => out.container(Control::RunAsUser, at, "runAsUser", Fault::Required, ""),
            Some(uid) if uid != self.uid => {
                let detail = format!("must be: {}", self.uid);
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

    const STRATEGY: RunAsUser = RunAsUser::MustRunAs(MustRunAs { uid: 7 });

    #[test]
    fn gives_its_user() {
        assert_eq!(STRATEGY.generate(), Some(7));
    }

    #[test]
    fn takes_no_other_user() {
        assert!(objections(STRATEGY, Some(7), None).is_empty());
        assert_eq!(
            objections(STRATEGY, Some(0), None),
            ["provider x: .containers[0].runAsUser: Invalid value: 0: must be: 7"]
        );
        assert_eq!(objections(STRATEGY, None, Some(true)), ["provider x: .containers[0].runAsUser: Required value"]);
    }
}
