//! `linux.maskedPaths` and `linux.readonlyPaths`.

use ringfence_context::effective::EffectiveContainer;

/// What the effective context says; a privileged container has neither (containerd `oci.WithPrivileged`). The root file
/// system's own read-only paths are made so for every container.
pub(super) fn paths(
    container: &EffectiveContainer,
    privileged: bool,
    of_root: &[String],
) -> (Vec<String>, Vec<String>) {
    let (masked, mut readonly) = if privileged {
        (Vec::new(), Vec::new())
    } else {
        (container.masked_paths.clone(), container.readonly_paths.clone())
    };
    readonly.extend_from_slice(of_root);
    (masked, readonly)
}
