//! User namespaces and id-mapped mounts: by making one of each.

use std::path::Path;

use ringfence_context::facts::NodeFacts;

use super::Look;
use super::files::Files;
use super::kernel::unknown;
use crate::launcher::attempt;
use crate::observe::is_privileged;

/// Where a pod's volumes are, and where the rest of them would be on a machine without a kubelet.
const VOLUMES: [&str; 3] = ["/var/lib/kubelet", "/var/lib", "/"];
/// Secrets, ConfigMaps and tokens are on a file system in memory.
const MEMORY: &str = "/dev/shm";

pub(super) fn look(look: &Look, files: &Files, facts: &mut NodeFacts) {
    if files.number("proc/sys/user/max_user_namespaces") == Some(0) {
        facts.user_namespaces = Some(false);
        facts.id_mapped_mounts = Some(false);
        return;
    }
    // A pod's filter and capabilities keep it from trying, which says nothing of the node.
    if look.in_pod {
        unknown(facts, "userNamespaces", "a pod may not try to make one");
        unknown(facts, "idMappedMounts", "a pod may not try to make one");
        return;
    }
    match attempt::user_namespace() {
        Ok(()) => facts.user_namespaces = Some(true),
        // The runtime is root; what others may not do is not its concern.
        Err(error) if !is_privileged() => unknown(facts, "userNamespaces", format!("it takes root to try: {error}")),
        Err(_) => facts.user_namespaces = Some(false),
    }
    if facts.user_namespaces != Some(true) {
        facts.id_mapped_mounts = facts.user_namespaces;
        return;
    }
    if !is_privileged() {
        unknown(facts, "idMappedMounts", "it takes root to try");
        return;
    }
    let volumes = VOLUMES.iter().find(|path| Path::new(path).is_dir());
    for path in volumes.into_iter().chain(std::iter::once(&MEMORY).filter(|path| Path::new(path).is_dir())) {
        if let Err(error) = attempt::id_mapped_mount(path) {
            facts.id_mapped_mounts = Some(false);
            unknown(facts, "idMappedMounts", format!("the file system of {path} cannot: {error}"));
            return;
        }
    }
    facts.id_mapped_mounts = Some(true);
}
