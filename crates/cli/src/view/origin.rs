//! An origin in a few words.

use ringfence_context::origin::Origin;

/// Where a value comes from, in a few words: `container`, `pod`, `image: USER`, `runtime: default capabilities`.
pub(crate) fn describe(origin: &Origin) -> String {
    match origin {
        Origin::Container { field } => format!("container: {}", tail(field)),
        Origin::Pod { field } => format!("pod: {}", tail(field)),
        Origin::Image { what } => format!("image: {what}"),
        Origin::Node { what } => format!("node: {what}"),
        Origin::ApiDefault { field } => format!("default: {} not set", tail(field)),
        Origin::Kubelet { what } => format!("kubelet: {what}"),
        Origin::Runtime { what } => format!("runtime: {what}"),
        Origin::Kernel { what } => format!("kernel: {what}"),
    }
}

/// The field without the part that every field has: `spec.containers[0].securityContext.runAsUser` is `runAsUser`.
fn tail(field: &str) -> &str {
    match field.rsplit_once("securityContext.") {
        Some((_, tail)) => tail,
        None => field.strip_prefix("spec.").unwrap_or(field),
    }
}
