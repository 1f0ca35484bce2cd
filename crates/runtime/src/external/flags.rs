//! What an external runtime has to be told on this machine, and what has to be taken from its sight.

use std::ffi::OsString;
use std::path::Path;

/// Where systemd and others mount the cgroup v2 hierarchy beside those of v1.
const UNIFIED: &str = "/sys/fs/cgroup/unified";

/// Flags before the runtime's command.
pub(super) fn global(runtime: &str) -> Vec<&'static str> {
    let mut flags = Vec::new();
    if is_crun(runtime) && !crate::observe::is_privileged() {
        // A user without a delegated cgroup cannot make one; a context asks for none of the limits that one gives.
        flags.push("--cgroup-manager=disabled");
    }
    flags
}

/// Words before the runtime itself. crun refuses machines where cgroup v1 and v2 are both mounted, so that the v2
/// hierarchy is unmounted for it alone, in a mount namespace of its own (unshare(1)).
pub(super) fn wrapper(runtime: &str) -> Vec<OsString> {
    if !is_crun(runtime) || !is_hybrid() || !crate::observe::is_privileged() {
        return Vec::new();
    }
    let script = format!("umount -l {UNIFIED} && exec \"$0\" \"$@\"");
    ["unshare", "--mount", "--propagation", "slave", "sh", "-c", &script].map(OsString::from).to_vec()
}

fn is_crun(runtime: &str) -> bool {
    runtime.contains("crun")
}

fn is_hybrid() -> bool {
    !Path::new("/sys/fs/cgroup/cgroup.controllers").exists() && Path::new(UNIFIED).join("cgroup.procs").exists()
}
