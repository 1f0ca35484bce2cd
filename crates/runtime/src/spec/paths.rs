//! `linux.maskedPaths` and `linux.readonlyPaths`.

use ringfence_context::effective::EffectiveContainer;

/// What the effective context says; a privileged container has neither (containerd `oci.WithPrivileged`).
pub(super) fn paths(container: &EffectiveContainer, privileged: bool) -> (Vec<String>, Vec<String>) {
    if privileged {
        (Vec::new(), Vec::new())
    } else {
        (container.masked_paths.clone(), container.readonly_paths.clone())
    }
}
