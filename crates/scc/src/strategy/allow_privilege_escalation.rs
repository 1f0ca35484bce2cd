//! `defaultAllowPrivilegeEscalation` and `allowPrivilegeEscalation`.

use super::Objections;
use crate::Value;
use crate::constraints::SecurityContextConstraints;
use crate::pod::ContainerAt;
use crate::violation::{Control, Fault};

/// What a container that does not say gets. The default is not applied to a container that is privileged or adds
/// `CAP_SYS_ADMIN` (by that very name), because the core API refuses such a container without escalation; where
/// escalation is not allowed at all, false is filled in nonetheless.
pub(crate) fn generate(
    scc: &SecurityContextConstraints,
    asked: Option<bool>,
    privileged: bool,
    adds_sys_admin: bool,
) -> Option<bool> {
    let default = scc.default_allow_privilege_escalation.filter(|_| !privileged && !adds_sys_admin);
    asked.or(default).or(if scc.allows_privilege_escalation() { None } else { Some(false) })
}

pub(crate) fn validate(
    scc: &SecurityContextConstraints,
    asked: Option<bool>,
    at: ContainerAt,
    out: &mut Objections<'_>,
) {
    if scc.allows_privilege_escalation() || asked == Some(false) {
        return;
    }
    let value = asked.map_or(Value::Null, Value::Bool);
    let detail = "Allowing privilege escalation for containers is not allowed";
    out.container(Control::AllowPrivilegeEscalation, at, "allowPrivilegeEscalation", Fault::Invalid(value), detail);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::ContainerKind;

    fn scc(default: Option<bool>, allow: Option<bool>) -> SecurityContextConstraints {
        SecurityContextConstraints {
            default_allow_privilege_escalation: default,
            allow_privilege_escalation: allow,
            ..Default::default()
        }
    }

    #[test]
    fn fills_the_default_then_false_where_escalation_is_not_allowed() {
        assert_eq!(generate(&scc(Some(false), None), None, false, false), Some(false));
        assert_eq!(generate(&scc(None, Some(false)), None, false, false), Some(false));
        assert_eq!(generate(&scc(None, None), None, false, false), None);
        assert_eq!(generate(&scc(Some(false), None), Some(true), false, false), Some(true));
    }

    #[test]
    fn spares_privileged_containers_and_sys_admin_from_the_default_alone() {
        assert_eq!(generate(&scc(Some(false), None), None, true, false), None);
        assert_eq!(generate(&scc(Some(false), None), None, false, true), None);
        assert_eq!(generate(&scc(Some(false), Some(false)), None, true, false), Some(false));
    }

    #[test]
    fn refuses_escalation_where_it_is_not_allowed() {
        let at = ContainerAt { kind: ContainerKind::Regular, index: 0 };
        let mut out = Objections::new("x");
        validate(&scc(None, Some(false)), Some(true), at, &mut out);
        validate(&scc(None, Some(false)), Some(false), at, &mut out);
        validate(&scc(None, None), Some(true), at, &mut out);
        let path = "provider x: .containers[0].allowPrivilegeEscalation: Invalid value: true";
        assert_eq!(
            out.list.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [format!("{path}: Allowing privilege escalation for containers is not allowed")]
        );
    }
}
