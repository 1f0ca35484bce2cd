//! The plugin for security context constraints alone, for who has only that to answer for.

use super::{
    access::{Rbac, subject},
    pipeline::Pipeline,
    run_level::is_without_constraints,
};
use crate::{
    cluster::{Cluster, LookupError, Platform},
    user::User,
};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use ringfence_scc::{Decision, Operation};
use std::{collections::BTreeMap, sync::Arc};

/// What constraints make of a pod.
#[derive(Debug, Clone, PartialEq)]
pub struct Constrained {
    /// Every constraint's turn, and the pod as it would be stored.
    pub decision: Decision,
    /// For the audit log.
    pub audit: BTreeMap<String, String>,
}

impl<C: Cluster> Pipeline<C> {
    /// The constraints' first look at a pod, which has the API's defaults and its service account. `None` where
    /// constraints do not count.
    pub fn constrain(
        &self,
        pod: &Pod,
        operation: Operation<'_>,
        namespace: &str,
        user: &User,
    ) -> Result<Option<Constrained>, LookupError> {
        let Some(found) = self.constrained(namespace)? else { return Ok(None) };
        let (index, user) = (self.cluster.rbac(), subject(user));
        let access = Rbac::new(&index, namespace);
        let candidates = self.candidates(namespace, &found);
        let decision = candidates.admit(pod, &user, operation, &access);
        let audit = match operation {
            Operation::Create => candidates.audit(&decision, pod, &user, &access),
            _ => BTreeMap::new(),
        };
        Ok(Some(Constrained { decision, audit }))
    }

    /// Their second look, at the pod as it will be stored: some constraint must take it as it is. Gives the refusal.
    pub fn recheck(&self, pod: &Pod, namespace: &str, user: &User) -> Result<Option<String>, LookupError> {
        let Some(found) = self.constrained(namespace)? else { return Ok(None) };
        let index = self.cluster.rbac();
        let access = Rbac::new(&index, namespace);
        Ok(self.candidates(namespace, &found).validate(pod, &subject(user), &access).err())
    }

    pub(crate) fn constrained(&self, namespace: &str) -> Result<Option<Arc<Namespace>>, LookupError> {
        if self.cluster.platform() != Platform::OpenShift {
            return Ok(None);
        }
        let found = self.cluster.namespace(namespace)?;
        Ok((!is_without_constraints(&found)).then_some(found))
    }
}
