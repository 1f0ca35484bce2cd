//! The node's container runtime: what is predicted here is what containerd with runc does.

use super::outcome::Outcome;
use super::view::PodView;
use crate::effective::warning_code;

/// Says so where the node has another runtime, whose default capabilities, reading of capability names and messages
/// differ.
pub(crate) fn warn(pod: &PodView<'_>, outcome: &mut Outcome) {
    let Some(runtime) = pod.node.and_then(|node| node.runtime.as_deref()) else { return };
    if !runtime.to_ascii_lowercase().contains("containerd") {
        outcome.warn(
            warning_code::RUNTIME_NOT_MODELLED,
            "spec.containers",
            format!("the node runs {runtime}; what is predicted is what containerd would do, and the default capabilities may differ"),
            "drop ALL capabilities and add by name what is needed, which every runtime reads alike",
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::facts::Facts;
    use crate::resolve::testing::{on_node, resolve_spec};

    #[test]
    fn another_runtime_than_containerd_is_a_warning() {
        let warnings = |node: &str| resolve_spec(r#"{"containers": []}"#, &on_node(Facts::default(), node)).warnings;
        assert!(warnings(r#"{"runtime": "containerd 2.4.0 with runc 1.1.5"}"#).is_empty());
        assert!(warnings("{}").is_empty());
        assert_eq!(warnings(r#"{"runtime": "cri-o 1.33.0"}"#)[0].code, "runtime-not-modelled");
    }
}
