//! Who asks: a user name and the groups that the API server puts it in.

/// Every authenticated user is in this group.
pub const AUTHENTICATED: &str = "system:authenticated";
/// The group of those who did not say who they are.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";
/// Members pass every authorisation check.
pub const MASTERS: &str = "system:masters";
/// Every service account is in this group.
pub const SERVICE_ACCOUNTS: &str = "system:serviceaccounts";

const ANONYMOUS: &str = "system:anonymous";
const SERVICE_ACCOUNT_PREFIX: &str = "system:serviceaccount:";

/// Someone who makes a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct User {
    /// The name, such as `alice` or `system:serviceaccount:app:builder`.
    pub name: String,
    /// The groups, the system's own among them.
    pub groups: Vec<String>,
}

impl User {
    /// A service account, with the groups that its token carries.
    pub fn service_account(namespace: &str, name: &str) -> Self {
        Self {
            name: service_account_user_name(namespace, name),
            groups: vec![
                SERVICE_ACCOUNTS.to_owned(),
                format!("{SERVICE_ACCOUNTS}:{namespace}"),
                AUTHENTICATED.to_owned(),
            ],
        }
    }

    /// The user that `kubectl --as NAME --as-group GROUP` makes of its caller: a service account named without groups
    /// gets its own, and everybody but the anonymous user is authenticated.
    pub fn impersonated(name: &str, groups: &[String]) -> Self {
        let mut groups = match split_service_account_user_name(name) {
            Some((namespace, _)) if groups.is_empty() => {
                vec![SERVICE_ACCOUNTS.to_owned(), format!("{SERVICE_ACCOUNTS}:{namespace}")]
            }
            _ => groups.to_vec(),
        };
        let implied = if name == ANONYMOUS { UNAUTHENTICATED } else { AUTHENTICATED };
        if !groups.iter().any(|group| group == AUTHENTICATED || group == UNAUTHENTICATED) {
            groups.push(implied.to_owned());
        }
        Self { name: name.to_owned(), groups }
    }

    /// Whether the user is in the group.
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|own| own == group)
    }

    /// The namespace and name, if this is a service account.
    pub fn as_service_account(&self) -> Option<(&str, &str)> {
        split_service_account_user_name(&self.name)
    }
}

/// The user name of a service account: `system:serviceaccount:NAMESPACE:NAME`.
pub fn service_account_user_name(namespace: &str, name: &str) -> String {
    format!("{SERVICE_ACCOUNT_PREFIX}{namespace}:{name}")
}

fn split_service_account_user_name(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix(SERVICE_ACCOUNT_PREFIX)?.split_once(':')?;
    (!namespace.is_empty() && !name.is_empty() && !name.contains(':')).then_some((namespace, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_impersonated_user_is_authenticated() {
        assert_eq!(User::impersonated("alice", &["dev".to_owned()]).groups, ["dev", "system:authenticated"]);
        assert_eq!(User::impersonated("system:anonymous", &[]).groups, ["system:unauthenticated"]);
    }

    #[test]
    fn an_impersonated_service_account_gets_its_groups_unless_some_are_named() {
        let user = User::impersonated("system:serviceaccount:app:web", &[]);
        assert_eq!(user, User::service_account("app", "web"));
        let user = User::impersonated("system:serviceaccount:app:web", &["dev".to_owned()]);
        assert_eq!(user.groups, ["dev", "system:authenticated"]);
    }

    #[test]
    fn only_whole_service_account_names_are_service_accounts() {
        let named =
            |name: &str| User::impersonated(name, &[]).as_service_account().map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(named("system:serviceaccount:app:web"), Some(("app".to_owned(), "web".to_owned())));
        for name in [
            "system:serviceaccount:app",
            "system:serviceaccount:app:",
            "system:serviceaccount::web",
            "system:serviceaccount:a:b:c",
        ] {
            assert_eq!(named(name), None);
        }
    }
}
