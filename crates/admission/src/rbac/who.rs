//! Who may use a constraint: by the constraint's own lists, and by role-based access control.

use super::{Grant, Index};
use crate::user::{AUTHENTICATED, SERVICE_ACCOUNTS, User};
use ringfence_scc::SecurityContextConstraints;

/// Every way in which the user may use the constraint in the namespace.
pub fn grants(rbac: &Index, scc: &SecurityContextConstraints, user: &User, namespace: &str) -> Vec<Grant> {
    let by_name = scc.users.contains(&user.name).then(|| Grant::Users { user: user.name.clone() });
    let by_group =
        scc.groups.iter().filter(|group| user.is_in(group)).map(|group| Grant::Groups { group: group.clone() });
    by_name.into_iter().chain(by_group).chain(rbac.all(user, namespace, scc.name())).collect()
}

/// Everyone who may use the constraint in the namespace (or, if it is empty, in the whole cluster), and how: users,
/// groups and service accounts as they are named, not one by one.
pub fn who_may_use(rbac: &Index, scc: &SecurityContextConstraints, namespace: &str) -> Vec<Grant> {
    let users = scc.users.iter().map(|user| Grant::Users { user: user.clone() });
    let groups = scc.groups.iter().map(|group| Grant::Groups { group: group.clone() });
    users.chain(groups).chain(rbac.subjects(namespace, scc.name())).chain([Grant::Masters]).collect()
}

impl Grant {
    /// Whether it holds for everyone, or for every service account.
    pub fn is_for_everyone(&self) -> bool {
        let group = match self {
            Self::Groups { group } => group,
            Self::Binding { subject: super::Subject::Group { name }, .. } => name,
            Self::Users { .. } | Self::Binding { .. } | Self::Masters => return false,
        };
        group == AUTHENTICATED || group == SERVICE_ACCOUNTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_constraints_own_lists_come_first() {
        let scc =
            json!({"metadata": {"name": "x"}, "users": ["alice", "bob"], "groups": ["dev", "system:authenticated"]});
        let scc = ringfence_scc::decode(scc).unwrap();
        let alice = User::impersonated("alice", &[]);
        let found = grants(&Index::default(), &scc, &alice, "app");
        assert_eq!(
            found,
            [Grant::Users { user: "alice".into() }, Grant::Groups { group: "system:authenticated".into() }]
        );
        assert!(!found[0].is_for_everyone() && found[1].is_for_everyone());
        let all = who_may_use(&Index::default(), &scc, "app");
        assert_eq!((all.len(), all.last()), (5, Some(&Grant::Masters)));
    }
}
