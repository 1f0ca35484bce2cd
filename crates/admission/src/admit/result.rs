//! The answer.

use crate::{rbac::Grant, user::User};
use k8s_openapi::api::core::v1::Pod;
use ringfence_scc::Decision;
use serde::Serialize;
use std::{borrow::Cow, collections::BTreeMap, fmt};

/// What becomes of a pod.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Admission {
    /// Whether it is let through.
    pub allowed: bool,
    /// The plugin that refused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Plugin>,
    /// The API server's refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What whoever makes it is warned of.
    pub warnings: Vec<String>,
    /// For the audit log.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub audit: BTreeMap<Cow<'static, str>, String>,
    /// The security context constraint that took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scc: Option<String>,
    /// What lets that constraint be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<Grant>,
    /// What whoever makes the workload is warned of at once, before there is any pod.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub at_once: Vec<String>,
    /// As whom the pod is made: the one who asks, or a controller.
    #[serde(serialize_with = "user_name")]
    pub user: User,
    /// The pod as it would be stored, or as far as it came.
    pub pod: Pod,
    /// What was taken for granted because the cluster's objects do not say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assumptions: Vec<Assumption>,
    /// Every constraint's turn; `None` if constraints had no say.
    #[serde(skip)]
    pub decision: Option<Decision>,
}

impl Admission {
    /// Nothing has been said yet.
    pub(super) fn of(mut pod: Pod, namespace: &str, user: &User) -> Self {
        pod.metadata.namespace = Some(namespace.to_owned());
        Self {
            allowed: true,
            by: None,
            message: None,
            warnings: Vec::new(),
            audit: BTreeMap::new(),
            scc: None,
            grant: None,
            at_once: Vec::new(),
            user: user.clone(),
            pod,
            assumptions: Vec::new(),
            decision: None,
        }
    }

    pub(super) fn refuse(&mut self, (by, message): (Plugin, String)) {
        self.allowed = false;
        self.by = Some(by);
        self.message = Some(message);
    }
}

fn user_name<S: serde::Serializer>(user: &User, serializer: S) -> Result<S::Ok, S::Error> {
    user.name.serialize(serializer)
}

/// An admission plugin that can refuse a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Plugin {
    /// The namespace is not there, or is going away.
    NamespaceLifecycle,
    /// The service account is not there, or may not use a secret.
    ServiceAccount,
    /// No constraint takes the pod.
    SecurityContextConstraints,
    /// The pod violates the namespace's level.
    PodSecurity,
}

impl fmt::Display for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NamespaceLifecycle => "NamespaceLifecycle",
            Self::ServiceAccount => "ServiceAccount",
            Self::SecurityContextConstraints => "SecurityContextConstraints",
            Self::PodSecurity => "PodSecurity",
        })
    }
}

/// Something that the cluster's objects do not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Assumption {
    /// There are no namespaces at all, so the pod's is taken to be there, without labels.
    NamespaceExists,
    /// There are no service accounts at all, so the pod's is taken to be there.
    ServiceAccountExists,
    /// The namespace's service account `default` is not among the others, but every namespace gets one.
    DefaultServiceAccountExists,
}

impl fmt::Display for Assumption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NamespaceExists => "the cluster's objects have no namespaces; this one is taken to exist, unlabelled",
            Self::ServiceAccountExists => "the cluster's objects have no service accounts; this one is taken to exist",
            Self::DefaultServiceAccountExists => {
                "the service account \"default\" is missing, but every namespace gets one"
            }
        })
    }
}
