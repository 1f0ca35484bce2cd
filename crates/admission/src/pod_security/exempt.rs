//! `exemptions`: users, namespaces and runtime classes that Pod Security leaves alone.

use super::{Exemptions, Mode, PodSecurity, Policy};
use crate::quote::Quoted;
use k8s_openapi::api::core::v1::PodSpec;
use ringfence_pss::Level;
use std::collections::BTreeMap;

impl PodSecurity {
    /// The warning for someone who labels a namespace to no effect. Labels that come to the default policy, or to none,
    /// deserve no warning.
    pub(super) fn exempt_namespace_warning(
        &self,
        namespace: &str,
        policy: &Policy,
        labels: &BTreeMap<String, String>,
    ) -> Option<String> {
        if policy.is_privileged() || policy.is_equivalent_to(&self.defaults) {
            return None;
        }
        let labelled =
            |mode: Mode| labels.contains_key(mode.level_label()) || labels.contains_key(mode.version_label());
        let ignored: Vec<_> = Mode::ALL
            .into_iter()
            .filter(|mode| policy.of(*mode).level != Level::Privileged && labelled(*mode))
            .map(|mode| format!("{mode}={}", policy.of(mode)))
            .collect();
        let ignored = ignored.join(", ");
        let namespace = Quoted(namespace);
        Some(format!("namespace {namespace} is exempt from Pod Security, and the policy ({ignored}) will be ignored"))
    }
}

impl PodSecurity {
    /// Whether everything in the namespace is left alone.
    pub fn exempts_namespace(&self, namespace: &str) -> bool {
        self.exemptions.has_namespace(namespace)
    }

    /// Whether the user's requests are left alone.
    pub fn exempts_user(&self, user: &str) -> bool {
        self.exemptions.has_user(user)
    }

    /// Whether pods of that spec are left alone.
    pub fn exempts_runtime_class(&self, spec: &PodSpec) -> bool {
        self.exemptions.has_runtime_class(spec)
    }
}

impl Exemptions {
    pub(super) fn has_namespace(&self, namespace: &str) -> bool {
        !namespace.is_empty() && self.namespaces.iter().any(|exempt| exempt == namespace)
    }

    pub(super) fn has_user(&self, user: &str) -> bool {
        !user.is_empty() && self.usernames.iter().any(|exempt| exempt == user)
    }

    pub(super) fn has_runtime_class(&self, spec: &PodSpec) -> bool {
        let class = spec.runtime_class_name.as_deref().unwrap_or_default();
        !class.is_empty() && self.runtime_classes.iter().any(|exempt| exempt == class)
    }
}
