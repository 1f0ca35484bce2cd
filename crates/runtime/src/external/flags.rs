//! What an external runtime has to be told on this machine.

use std::path::Path;

/// Flags before the runtime's command.
pub(super) fn global(runtime: &str) -> Vec<&'static str> {
    let mut flags = Vec::new();
    if runtime.contains("crun") && (is_hybrid() || !crate::observe::is_privileged()) {
        // crun refuses machines where cgroup v1 and v2 are both mounted, and a user without a delegated cgroup cannot
        // make one. A context asks for none of the limits that a cgroup gives.
        flags.push("--cgroup-manager=disabled");
    }
    flags
}

/// Whether cgroup v1 hierarchies are mounted with a cgroup v2 hierarchy among them.
fn is_hybrid() -> bool {
    !Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
        && Path::new("/sys/fs/cgroup/unified/cgroup.procs").exists()
}
