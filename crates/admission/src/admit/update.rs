//! Pods that are there already: changed, debugged, or entered.

use super::{
    access::{Rbac, subject},
    lifecycle,
    pipeline::Pipeline,
    result::{Admission, Plugin},
    run_level::is_without_constraints,
    service_account,
};
use crate::{
    cluster::{Cluster, Platform},
    pod_security::forbidden_message,
    user::User,
};
use k8s_openapi::api::core::v1::Pod;
use ringfence_scc::{Operation, api_defaults};

/// Which part of a pod an update is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// The pod itself.
    Whole,
    /// Its ephemeral containers, as `kubectl debug` adds them.
    EphemeralContainers,
}

impl<C: Cluster> Pipeline<C> {
    /// What becomes of a change of a stored pod. Constraints fill in nothing then, but in new ephemeral containers.
    pub fn update(&self, old: &Pod, new: &Pod, part: Part, namespace: &str, user: &User) -> Admission {
        let mut admission = Admission::of(api_defaults(new).into_owned(), namespace, user);
        if let Err(refusal) = self.run_update(&mut admission, old, part, namespace) {
            admission.refuse(refusal);
        }
        admission
    }

    fn run_update(&self, admission: &mut Admission, old: &Pod, part: Part, name: &str) -> Result<(), (Plugin, String)> {
        let pod_name = admission.pod.metadata.name.clone().unwrap_or_default();
        // What is in a namespace that is going away may still be changed.
        let namespace = match lifecycle::existing(&self.cluster, name, &mut admission.assumptions) {
            Ok(namespace) => namespace,
            Err(message) => return Err((Plugin::NamespaceLifecycle, message)),
        };
        if part == Part::EphemeralContainers {
            service_account::admit_ephemeral(&self.cluster, name, &admission.pod)
                .map_err(|why| (Plugin::ServiceAccount, forbidden_message("", "pods", &pod_name, &why)))?;
        }
        if self.cluster.platform() == Platform::OpenShift && !is_without_constraints(&namespace) {
            let operation = match part {
                Part::Whole => Operation::Update { old },
                Part::EphemeralContainers => Operation::UpdateEphemeralContainers { old },
            };
            let index = self.cluster.rbac();
            let access = Rbac::new(&index, name);
            let mut decision =
                self.candidates(name, &namespace).admit(&admission.pod, &subject(&admission.user), operation, &access);
            admission.pod = std::mem::take(&mut decision.pod);
            admission.scc.clone_from(&decision.chosen);
            let refusal = decision.message.clone();
            admission.decision = Some(decision);
            if let Some(message) = refusal {
                return Err((Plugin::SecurityContextConstraints, message));
            }
        }
        let response =
            self.pod_security.admit_pod(&admission.user.name, &namespace, &admission.pod, Some(&api_defaults(old)));
        admission.audit = response.audit_annotations;
        admission.warnings = response.warnings;
        response.status.map_or(Ok(()), |status| Err((Plugin::PodSecurity, status.message)))
    }

    /// Whether the user may enter a stored pod (`exec` or `attach`): where constraints count, only who could make it.
    pub fn enter(&self, pod: &Pod, subresource: &str, namespace: &str, user: &User) -> Result<(), (Plugin, String)> {
        let found = lifecycle::existing(&self.cluster, namespace, &mut Vec::new())
            .map_err(|message| (Plugin::NamespaceLifecycle, message))?;
        if self.cluster.platform() != Platform::OpenShift || is_without_constraints(&found) {
            return Ok(());
        }
        let index = self.cluster.rbac();
        let access = Rbac::new(&index, namespace);
        self.candidates(namespace, &found)
            .exec(pod, &subject(user), subresource, &access)
            .map_err(|message| (Plugin::SecurityContextConstraints, message))
    }
}
