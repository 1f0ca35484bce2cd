//! The chain that lets someone use a constraint: the binding, its subject, the role, its rule.

use super::rule::Rule;
use serde::Serialize;
use std::fmt;

/// How someone comes to be allowed to use a constraint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "by")]
pub enum Grant {
    /// A binding of a role with a fitting rule.
    #[serde(rename = "binding")]
    Binding {
        /// The binding.
        binding: BindingRef,
        /// The subject of the binding that the user is.
        subject: Subject,
        /// What the role is.
        #[serde(rename = "roleKind")]
        role_kind: RoleKind,
        /// The role's name. A Role is in the binding's namespace.
        role: String,
        /// The cluster role that the rule comes from, if the bound role only collects other roles' rules.
        #[serde(rename = "aggregatedFrom", skip_serializing_if = "Option::is_none")]
        aggregated_from: Option<String>,
        /// The rule that covers the constraint.
        rule: Rule,
    },
    /// The constraint's own `users` names the user.
    #[serde(rename = "users")]
    Users {
        /// The user name.
        user: String,
    },
    /// The constraint's own `groups` names a group of the user.
    #[serde(rename = "groups")]
    Groups {
        /// The group.
        group: String,
    },
    /// The user is in `system:masters`, for whom there is no authorisation check.
    #[serde(rename = "masters")]
    Masters,
}

/// A role binding or cluster role binding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct BindingRef {
    /// The namespace of a RoleBinding; `None` for a ClusterRoleBinding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

/// What a binding refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum RoleKind {
    /// A Role, in the binding's namespace.
    Role,
    /// A ClusterRole.
    ClusterRole,
}

/// A subject of a binding, with a service account's namespace filled in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(tag = "kind")]
pub enum Subject {
    /// A user name. It may be a service account's.
    User {
        /// The name.
        name: String,
    },
    /// A group.
    Group {
        /// The name.
        name: String,
    },
    /// A service account.
    ServiceAccount {
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
    },
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Binding { binding, subject, role_kind, role, aggregated_from, rule } => {
                write!(f, "{binding} gives {subject} {role_kind} {role:?}, rules[{}]", rule.index)?;
                aggregated_from.as_ref().map_or(Ok(()), |from| write!(f, " aggregated from ClusterRole {from:?}"))
            }
            Self::Users { user } => write!(f, "its users name {user:?}"),
            Self::Groups { group } => write!(f, "its groups name {group:?}"),
            Self::Masters => f.write_str("group \"system:masters\" may do everything"),
        }
    }
}

impl fmt::Display for BindingRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "RoleBinding {:?}", format!("{namespace}/{}", self.name)),
            None => write!(f, "ClusterRoleBinding {:?}", self.name),
        }
    }
}

impl fmt::Display for RoleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Role => "Role",
            Self::ClusterRole => "ClusterRole",
        })
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User { name } => write!(f, "User {name:?}"),
            Self::Group { name } => write!(f, "Group {name:?}"),
            Self::ServiceAccount { namespace, name } => write!(f, "ServiceAccount {:?}", format!("{namespace}/{name}")),
        }
    }
}
