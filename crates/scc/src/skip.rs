//! Which requests the plugin does not look at.
//!
//! Upstream: `shouldSkipSCCEvaluation` of `sccadmission/admission.go`.

use k8s_openapi::api::core::v1::{Pod, PodSpec};

use crate::admit::Operation;
use crate::decision::Skipped;

/// The one annotation that may change without another look at the pod.
const IGNORED_ANNOTATION: &str = "k8s.ovn.org/pod-networks";

/// Subresources of pods whose requests are let through.
pub const IGNORED_SUBRESOURCES: [&str; 8] =
    ["exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"];

pub(crate) fn skip(pod: &Pod, operation: Operation<'_>) -> Option<Skipped> {
    let os = pod.spec.as_ref().and_then(|s| s.os.as_ref());
    if os.is_some_and(|os| os.name == "windows") {
        return Some(Skipped::Windows);
    }
    match operation {
        Operation::Create => None,
        Operation::Update { old } | Operation::UpdateEphemeralContainers { old } => {
            is_unchanged(pod, old).then_some(Skipped::Unchanged)
        }
    }
}

/// Owner references, finalizers and managed fields are the garbage collector's; whoever may update a pod may delete
/// it, so they decide nothing.
fn is_unchanged(new: &Pod, old: &Pod) -> bool {
    let spec = |pod: &Pod| -> PodSpec { pod.spec.clone().unwrap_or_default() };
    let mut new_spec = spec(new);
    let old_spec = spec(old);
    new_spec.scheduling_gates.clone_from(&old_spec.scheduling_gates);
    if new_spec != old_spec || !same_annotations(new, old) {
        return false;
    }
    let mut copy = new.clone();
    copy.spec.clone_from(&old.spec);
    copy.metadata.annotations.clone_from(&old.metadata.annotations);
    copy.metadata.owner_references.clone_from(&old.metadata.owner_references);
    copy.metadata.finalizers.clone_from(&old.metadata.finalizers);
    copy.metadata.self_link.clone_from(&old.metadata.self_link);
    copy.metadata.managed_fields.clone_from(&old.metadata.managed_fields);
    copy == *old
}

fn same_annotations(new: &Pod, old: &Pod) -> bool {
    let covered = |a: &Pod, b: &Pod| {
        let other = b.metadata.annotations.as_ref();
        a.metadata
            .annotations
            .iter()
            .flatten()
            .all(|(key, value)| key == IGNORED_ANNOTATION || other.and_then(|o| o.get(key)) == Some(value))
    };
    covered(new, old) && covered(old, new)
}
