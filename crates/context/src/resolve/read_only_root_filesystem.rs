//! `readOnlyRootFilesystem`: the container's alone; the pod has no such field. Volumes keep their own mode.

use super::view::ContainerView;
use crate::origin::{Origin, Value};

/// Whether the root file system is mounted read-only.
pub(crate) fn resolve(container: &ContainerView<'_>) -> Value<bool> {
    match container.get("readOnlyRootFilesystem", |context| context.read_only_root_filesystem) {
        Some((read_only, origin)) => Value::known(read_only, origin),
        None => Value::known(false, Origin::api_default("readOnlyRootFilesystem")),
    }
}

#[cfg(test)]
mod tests {
    use crate::facts::Facts;
    use crate::resolve::testing::{container, pod, resolve_one};

    #[test]
    fn the_root_is_writable_unless_the_container_says_otherwise() {
        let read_only = |context: &str| {
            let effective = resolve_one(&pod("{}"), &container(context), &Facts::default());
            *effective.read_only_root_filesystem.get().unwrap()
        };
        assert!(!read_only("{}"));
        assert!(read_only(r#"{"readOnlyRootFilesystem": true}"#));
        assert!(read_only(r#"{"readOnlyRootFilesystem": true, "privileged": true}"#));
    }
}
