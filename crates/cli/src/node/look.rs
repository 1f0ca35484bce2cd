//! The facts of this machine, or of the node mounted below a directory.

use std::io;
use std::path::{Path, PathBuf};

use ringfence_context::facts::{NodeFacts, RuntimeHandler};
use ringfence_runtime::observe::{Look, inspect_node};
use serde_json::Value;

use super::runtime;

/// Looks at the node, and asks its container runtime: the one at `endpoint`, or the one whose socket is there.
pub(crate) fn look(root: &Path, endpoint: Option<&Path>) -> io::Result<NodeFacts> {
    let mut look = Look::at(root);
    let said = match (endpoint, look.sees_node()) {
        (Some(endpoint), _) => runtime::ask(endpoint, &endpoint.display().to_string()),
        (None, true) => runtime::find(root),
        // A socket in a pod is that of a runtime within the pod.
        (None, false) => Err("a pod does not see the node's container runtime".to_owned()),
    };
    look.base_spec = said.as_ref().ok().and_then(|said| said.base_spec.clone()).map(PathBuf::from);
    let mut facts = inspect_node(&look)?;
    match said {
        Ok(said) => {
            facts.runtime = Some(said.version);
            match said.handlers {
                Ok(handlers) => facts.runtime_handlers = handlers,
                Err(why) => drop(facts.unknown.insert("runtimeHandlers".to_owned(), why)),
            }
        }
        Err(why) => drop(facts.unknown.insert("runtime".to_owned(), why)),
    }
    Ok(facts)
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
            facts.unknown.remove("runtimeHandlers");
        }
    }
}
