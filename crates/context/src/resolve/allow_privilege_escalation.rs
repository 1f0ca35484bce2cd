//! `allowPrivilegeEscalation: false` sets no_new_privs (PR_SET_NO_NEW_PRIVS(2const)); everything else leaves it off
//! (kubelet `pkg/securitycontext/util.go`, AddNoNewPrivileges).

use super::outcome::Outcome;
use super::view::ContainerView;
use crate::effective::warning_code;
use crate::origin::{Origin, Value};

/// The no_new_privs flag.
pub(crate) fn resolve(container: &ContainerView<'_>, outcome: &mut Outcome) -> Value<bool> {
    let Some((allowed, origin)) =
        container.get("allowPrivilegeEscalation", |context| context.allow_privilege_escalation)
    else {
        return Value::known(false, Origin::api_default("allowPrivilegeEscalation"));
    };
    if allowed {
        return Value::known(false, origin);
    }
    // The API refuses the combination, so no kubelet ever sees it.
    if container.privileged() {
        contradicted(container, "privileged: true", outcome);
        return Value::known(false, Origin::container(container.path("privileged")));
    }
    if container.context.and_then(|context| context.capabilities.as_ref()).is_some_and(|capabilities| {
        capabilities.add.iter().flatten().any(|name| name.eq_ignore_ascii_case("SYS_ADMIN") || name == "CAP_SYS_ADMIN")
    }) {
        // The API refuses only the spelling CAP_SYS_ADMIN, which adds nothing; SYS_ADMIN is added and the flag is set.
        contradicted(container, "SYS_ADMIN among the added capabilities", outcome);
    }
    Value::known(true, origin)
}

fn contradicted(container: &ContainerView<'_>, what: &str, outcome: &mut Outcome) {
    outcome.warn(
        warning_code::PRIVILEGE_ESCALATION_CONTRADICTED,
        container.path("allowPrivilegeEscalation"),
        format!("allowPrivilegeEscalation: false says little beside {what}, which has every privilege to gain already"),
        format!("remove {what}, or allowPrivilegeEscalation"),
    );
}

#[cfg(test)]
mod tests {
    use crate::effective::warning_code;
    use crate::facts::Facts;
    use crate::resolve::testing::{codes, container, pod, resolve_one};

    fn no_new_privileges(context: &str) -> bool {
        *resolve_one(&pod("{}"), &container(context), &Facts::default()).no_new_privileges.get().unwrap()
    }

    #[test]
    fn only_an_explicit_false_sets_no_new_privs() {
        assert!(!no_new_privileges("{}"));
        assert!(!no_new_privileges(r#"{"allowPrivilegeEscalation": true}"#));
        assert!(no_new_privileges(r#"{"allowPrivilegeEscalation": false}"#));
    }

    #[test]
    fn a_privileged_container_never_has_it() {
        assert!(!no_new_privileges(r#"{"allowPrivilegeEscalation": false, "privileged": true}"#));
    }

    #[test]
    fn sys_admin_beside_it_is_a_warning() {
        let context = r#"{"allowPrivilegeEscalation": false, "capabilities": {"add": ["SYS_ADMIN"]}}"#;
        let effective = resolve_one(&pod("{}"), &container(context), &Facts::default());
        assert_eq!(effective.no_new_privileges.get(), Some(&true));
        assert!(codes(&effective).contains(&warning_code::PRIVILEGE_ESCALATION_CONTRADICTED));
    }
}
