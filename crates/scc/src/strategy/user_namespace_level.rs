//! `userNamespaceLevel: RequirePodLevel`: the pod must ask for a user namespace of its own; nothing is filled in.

use super::Objections;
use crate::Value;
use crate::constraints::SecurityContextConstraints;
use crate::violation::{Control, Fault};

pub(crate) fn validate(scc: &SecurityContextConstraints, host_users: Option<bool>, out: &mut Objections<'_>) {
    if scc.requires_user_namespace() && host_users != Some(false) {
        let value = host_users.map_or(Value::Null, Value::Bool);
        let detail = "Host Users must be set to false";
        out.spec(Control::UserNamespaceLevel, "hostUsers", Fault::Invalid(value), detail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wants_host_users_to_be_false_in_so_many_words() {
        let scc = SecurityContextConstraints { user_namespace_level: "RequirePodLevel".into(), ..Default::default() };
        let objections = |host_users| {
            let mut out = Objections::new("x");
            validate(&scc, host_users, &mut out);
            out.list.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let path = "provider x: .spec.hostUsers: Invalid value";
        assert!(objections(Some(false)).is_empty());
        assert_eq!(objections(None), [format!("{path}: null: Host Users must be set to false")]);
        assert_eq!(objections(Some(true)), [format!("{path}: true: Host Users must be set to false")]);
    }
}
