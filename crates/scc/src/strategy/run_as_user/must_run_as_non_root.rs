//! `MustRunAsNonRoot`: anyone but root, known or promised; the image decides who if nobody else does.

use super::Asked;
use crate::Value;
use crate::pod::ContainerAt;
use crate::strategy::Objections;
use crate::violation::{Control, Fault};

pub(super) fn validate(asked: Asked, at: ContainerAt, out: &mut Objections<'_>) {
    let control = Control::RunAsUser;
    match asked {
        Asked { run_as_non_root: None, run_as_user: None } => {
            out.container(control, at, "runAsNonRoot", Fault::Required, "must be true");
        }
        Asked { run_as_non_root: Some(false), .. } => {
            out.container(control, at, "runAsNonRoot", Fault::Invalid(Value::Bool(false)), "must be true");
        }
        Asked { run_as_user: Some(0), .. } => {
            let detail = "running with the root UID is forbidden";
            out.container(control, at, "runAsUser", Fault::Invalid(Value::Int(0)), detail);
        }
        Asked { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::{RunAsUser, objections};

    const STRATEGY: RunAsUser = RunAsUser::MustRunAsNonRoot;

    #[test]
    fn leaves_the_user_to_the_image() {
        assert_eq!(STRATEGY.generate(), None);
    }

    #[test]
    fn takes_a_promise_or_a_user_other_than_root() {
        assert!(objections(STRATEGY, None, Some(true)).is_empty());
        assert!(objections(STRATEGY, Some(1), None).is_empty());
    }

    #[test]
    fn refuses_root_and_a_broken_promise() {
        let at = "provider x: .containers[0]";
        assert_eq!(objections(STRATEGY, None, None), [format!("{at}.runAsNonRoot: Required value: must be true")]);
        assert_eq!(
            objections(STRATEGY, Some(0), Some(true)),
            [format!("{at}.runAsUser: Invalid value: 0: running with the root UID is forbidden")]
        );
        assert_eq!(
            objections(STRATEGY, Some(5), Some(false)),
            [format!("{at}.runAsNonRoot: Invalid value: false: must be true")]
        );
    }
}
