//! The plugins, one after another.

use super::{
    access::{Rbac, subject, user},
    lifecycle,
    maker::{Maker, Pods, pods_of},
    result::{Admission, Plugin},
    run_level::is_without_constraints,
    service_account,
};
use crate::{
    cluster::{Cluster, Kind, Platform, Snapshot},
    pod_security::{PodSecurity, Template, forbidden_message},
    rbac::Grant,
    user::User,
};
use k8s_openapi::{
    api::core::v1::{Namespace, Pod, PodSpec},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use ringfence_scc::{Candidates, Engine, Operation, SubjectType, api_defaults};
use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
};

/// A cluster, ready to admit pods.
#[derive(Debug)]
pub struct Pipeline<C> {
    pub(crate) cluster: C,
    pub(super) pod_security: PodSecurity,
    engine: Engine,
    /// By namespace. A lock that a panicking thread left behind is as good as new, since only whole entries go in.
    candidates: RwLock<HashMap<String, Arc<Candidates>>>,
}

/// A cluster that was written down, ready to admit pods.
pub type Admitter<'c> = Pipeline<&'c Snapshot>;

/// An object whose pods are to be judged.
#[derive(Debug, Clone, Copy)]
pub struct Workload<'w> {
    /// What it is.
    pub kind: Kind,
    /// The object's own metadata.
    pub object: &'w ObjectMeta,
    /// The metadata of its pods, which for a pod are its own.
    pub metadata: &'w ObjectMeta,
    /// The spec of its pods.
    pub spec: &'w PodSpec,
}

impl<C: Cluster> Pipeline<C> {
    /// Takes a cluster and the configuration of Pod Security there. The constraints, and what namespaces give them, are
    /// read once: make another when they change.
    pub fn new(cluster: C, pod_security: PodSecurity) -> Self {
        let mut constraints = Vec::new();
        cluster.each_constraint(&mut |scc| constraints.push(scc.clone()));
        let engine = Engine::new(constraints);
        Self { cluster, pod_security, engine, candidates: RwLock::default() }
    }

    /// The constraints, in the order in which they are tried.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The Pod Security plugin.
    pub fn pod_security(&self) -> &PodSecurity {
        &self.pod_security
    }

    /// What becomes of a pod that the user makes in the namespace.
    pub fn admit(&self, pod: &Pod, namespace: &str, user: &User) -> Admission {
        let mut admission = Admission::of(api_defaults(pod).into_owned(), namespace, user);
        if let Err(refusal) = self.run(&mut admission, namespace) {
            admission.refuse(refusal);
        }
        admission
    }

    /// What becomes of a workload: of the pods that its controller makes, and what the one who makes the workload is
    /// told at once. `None` if objects of that kind have no pods.
    pub fn admit_workload(&self, workload: Workload<'_>, namespace: &str, user: &User) -> Option<Admission> {
        let Workload { kind, object, metadata, spec } = workload;
        let Pods { maker, mut pod } = pods_of(kind, namespace, object, metadata, spec)?;
        // A waiver may name the workload.
        if maker != Maker::Requester && self.pod_security.waiving().is_some() {
            pod.metadata.owner_references = Some(vec![OwnerReference {
                api_version: kind.api_version().to_owned(),
                kind: kind.as_str().to_owned(),
                name: object.name.clone().unwrap_or_default(),
                controller: Some(true),
                ..OwnerReference::default()
            }]);
        }
        let mut admission = self.admit(&pod, namespace, &maker.user(user));
        if maker != Maker::Requester {
            let name = object.name.as_deref().unwrap_or_default();
            if let Ok(namespace) = lifecycle::namespace(&self.cluster, namespace, name, &mut Vec::new()) {
                let template = Template { metadata, spec };
                admission.at_once = self.pod_security.admit_template(&user.name, &namespace, template).warnings;
            }
        }
        Some(admission)
    }

    fn run(&self, admission: &mut Admission, name: &str) -> Result<(), (Plugin, String)> {
        let pod_name = admission.pod.metadata.name.clone().or_else(|| admission.pod.metadata.generate_name.clone());
        let pod_name = pod_name.unwrap_or_default();
        let namespace = lifecycle::namespace(&self.cluster, name, &pod_name, &mut admission.assumptions)
            .map_err(|message| (Plugin::NamespaceLifecycle, message))?;
        service_account::admit(&self.cluster, name, &mut admission.pod, &mut admission.assumptions)
            .map_err(|why| (Plugin::ServiceAccount, forbidden_message("", "pods", &pod_name, &why)))?;
        let constrained = self.cluster.platform() == Platform::OpenShift && !is_without_constraints(&namespace);
        let index = self.cluster.rbac();
        let access = Rbac::new(&index, name);
        let candidates = constrained.then(|| self.candidates(name, &namespace));
        if let Some(candidates) = &candidates {
            constrain(admission, candidates, &access)?;
            admission.grant = self.grant(admission, name);
        }
        let response = self.pod_security.admit_pod(&admission.user.name, &namespace, &admission.pod, None);
        admission.audit = response.audit_annotations;
        admission.warnings = response.warnings;
        if let Some(status) = response.status {
            return Err((Plugin::PodSecurity, status.message));
        }
        if let Some(candidates) = &candidates {
            candidates
                .validate(&admission.pod, &subject(&admission.user), &access)
                .map_err(|message| (Plugin::SecurityContextConstraints, message))?;
        }
        Ok(())
    }

    pub(crate) fn candidates(&self, name: &str, namespace: &Namespace) -> Arc<Candidates> {
        if let Some(known) = self.candidates.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(name) {
            return Arc::clone(known);
        }
        let made = Arc::new(self.made_candidates(name, namespace));
        let mut all = self.candidates.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(all.entry(name.to_owned()).or_insert(made))
    }

    /// The same for who goes through all namespaces, of which most are not asked about again soon: they are not kept.
    pub(crate) fn passing_candidates(&self, name: &str, namespace: &Namespace) -> Arc<Candidates> {
        let known = self.candidates.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(name).cloned();
        known.unwrap_or_else(|| Arc::new(self.made_candidates(name, namespace)))
    }

    fn made_candidates(&self, name: &str, namespace: &Namespace) -> Candidates {
        let none = std::collections::BTreeMap::new();
        let annotations = Some(namespace.metadata.annotations.as_ref().unwrap_or(&none));
        self.engine.in_namespace(&ringfence_scc::Namespace { name, annotations })
    }

    /// The whole chain that lets the chosen constraint be used.
    fn grant(&self, admission: &Admission, namespace: &str) -> Option<Grant> {
        let decision = admission.decision.as_ref()?;
        let chosen = decision.chosen.as_ref()?;
        let user = match decision.validated_by? {
            SubjectType::User => admission.user.clone(),
            SubjectType::ServiceAccount => {
                let account = admission.pod.spec.as_ref()?.service_account_name.as_deref()?;
                user(&ringfence_scc::Subject::service_account(namespace, account))
            }
        };
        match decision.grant.as_ref()? {
            ringfence_scc::Grant::Users => Some(Grant::Users { user: user.name }),
            ringfence_scc::Grant::Groups(group) => Some(Grant::Groups { group: group.clone() }),
            _ => self.cluster.rbac().first(&user, namespace, chosen),
        }
    }
}

/// The constraints' first look, at which one may fill in what the pod leaves out.
fn constrain(admission: &mut Admission, candidates: &Candidates, access: &Rbac<'_>) -> Result<(), (Plugin, String)> {
    let mut decision = candidates.admit(&admission.pod, &subject(&admission.user), Operation::Create, access);
    admission.pod = std::mem::take(&mut decision.pod);
    admission.scc.clone_from(&decision.chosen);
    let refusal = decision.message.clone();
    admission.decision = Some(decision);
    refusal.map_or(Ok(()), |message| Err((Plugin::SecurityContextConstraints, message)))
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
