//! The facts of this machine, or of the node mounted below a directory.

use std::io;
use std::path::Path;

use ringfence_context::facts::{NodeFacts, RuntimeHandler};
use ringfence_runtime::observe::{Look, inspect_node};
use serde_json::Value;

/// Looks at the node.
pub(crate) fn look(root: &Path) -> io::Result<NodeFacts> {
    inspect_node(&Look::at(root))
}

/// Adds what a Node object's status says: the kubelet and the runtime are the cluster's to know.
pub(crate) fn complete(facts: &mut NodeFacts, node: &Value) {
    let info = |key: &str| node.pointer(&format!("/status/nodeInfo/{key}")).and_then(Value::as_str);
    if facts.kubelet.is_none() {
        facts.kubelet = info("kubeletVersion").map(str::to_owned);
    }
    if facts.runtime.is_none() {
        // containerd://2.1.4
        facts.runtime = info("containerRuntimeVersion").map(|runtime| runtime.replacen("://", " ", 1));
        if facts.runtime.is_some() {
            facts.unknown.remove("runtime");
        }
    }
    let handlers = node.pointer("/status/runtimeHandlers").and_then(Value::as_array);
    if facts.runtime_handlers.is_empty() {
        for handler in handlers.into_iter().flatten() {
            let name = handler.get("name").and_then(Value::as_str).unwrap_or_default();
            let can = |key: &str| handler.pointer(&format!("/features/{key}")).and_then(Value::as_bool) == Some(true);
            let features = RuntimeHandler {
                user_namespaces: can("userNamespaces"),
                recursive_read_only_mounts: can("recursiveReadOnlyMounts"),
            };
            facts.runtime_handlers.insert(name.to_owned(), features);
        }
    }
}
