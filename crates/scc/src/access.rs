//! Who asks, and what lets them use an SCC.

use std::sync::Arc;

use crate::constraints::SecurityContextConstraints;

/// A user with its groups.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    /// The name; a service account's is `system:serviceaccount:NAMESPACE:NAME`.
    pub name: String,
    /// The groups.
    pub groups: Vec<String>,
}

impl Subject {
    /// A service account as the plugin makes it up for a pod: a member of the two groups of service accounts but,
    /// unlike one that has authenticated, not of `system:authenticated`.
    pub fn service_account(namespace: &str, name: &str) -> Self {
        Self {
            name: format!("system:serviceaccount:{namespace}:{name}"),
            groups: vec!["system:serviceaccounts".into(), format!("system:serviceaccounts:{namespace}")],
        }
    }
}

/// RBAC, or whatever authorises.
pub trait Access {
    /// The rule that lets the subject `use` the SCC in the namespace, if any. An SCC's own `users` and `groups` are
    /// not this trait's business.
    fn may_use(&self, subject: &Subject, scc: &str, namespace: &str) -> Option<Grant>;
}

impl<F: Fn(&Subject, &str, &str) -> Option<Grant>> Access for F {
    fn may_use(&self, subject: &Subject, scc: &str, namespace: &str) -> Option<Grant> {
        self(subject, scc, namespace)
    }
}

/// What lets a subject use an SCC.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Grant {
    /// The SCC lists the user in `users`.
    Users,
    /// The SCC lists this group of the user's in `groups`.
    Groups(String),
    /// A rule of RBAC.
    Rule(Arc<Rule>),
}

/// A binding and the role that it gives.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rule {
    /// `RoleBinding NAMESPACE/NAME` or `ClusterRoleBinding NAME`.
    pub binding: String,
    /// `Role NAMESPACE/NAME` or `ClusterRole NAME`.
    pub role: String,
}

/// On whose behalf an SCC was usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SubjectType {
    /// Whoever makes the request.
    User,
    /// The pod's service account, which is asked first.
    ServiceAccount,
}

impl SubjectType {
    /// The value of the annotation `security.openshift.io/validated-scc-subject-type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ServiceAccount => "serviceaccount",
        }
    }
}

/// The SCC's own lists first, then RBAC.
pub(crate) fn grant(
    scc: &SecurityContextConstraints,
    subject: &Subject,
    namespace: &str,
    access: &(impl Access + ?Sized),
) -> Option<Grant> {
    if scc.users.contains(&subject.name) {
        return Some(Grant::Users);
    }
    match subject.groups.iter().find(|g| scc.groups.contains(g)) {
        Some(group) => Some(Grant::Groups(group.clone())),
        None => access.may_use(subject, scc.name(), namespace),
    }
}
