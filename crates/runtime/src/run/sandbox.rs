//! The sandbox of a pod with several containers: a process that does nothing, whose namespaces the containers join, as
//! the pause container of a CRI runtime does.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use ringfence_context::capability::CapSet;
use ringfence_context::effective::{EffectiveContainer, EffectivePod, Seccomp};
use ringfence_context::origin::{Origin, Value};

use crate::engine::Stdio;
use crate::probe;
use crate::spec::{self, ProcessArgs};

/// The sandbox's container: the user of `like`, no capability, no volume.
pub(super) fn container(pod: &EffectivePod, like: &EffectiveContainer) -> EffectiveContainer {
    let origin = || Origin::runtime("the pod's sandbox");
    let mut sandbox = like.clone();
    "POD".clone_into(&mut sandbox.name);
    sandbox.image = None;
    sandbox.namespaces = pod.namespaces;
    sandbox.capabilities.granted = Value::known(CapSet::EMPTY, origin());
    sandbox.no_new_privileges = Value::known(true, origin());
    sandbox.seccomp = Value::known(Seccomp::RuntimeDefault, origin());
    sandbox.privileged = Value::known(false, origin());
    sandbox.read_only_root_filesystem = Value::known(true, origin());
    sandbox.home = Value::known("/".to_owned(), origin());
    sandbox.mounts = Vec::new();
    // It does nothing, so that there is nothing to limit.
    sandbox.resources = None;
    sandbox.refusal = None;
    sandbox
}

/// The sandbox's program: the probe's binary under another command.
pub(super) fn command(binary: &Path) -> (ProcessArgs, oci_spec::runtime::Mount) {
    let (mut args, mount) = probe::command(binary, &[]);
    args.truncate(2);
    args.push("pause".to_owned());
    (ProcessArgs { args, ..ProcessArgs::default() }, mount)
}

/// Standard streams that lead nowhere.
pub(super) fn silence() -> std::io::Result<Stdio> {
    let null = || fs::File::options().read(true).write(true).open("/dev/null").map(Into::into);
    Ok(Stdio::Fds { stdin: null()?, stdout: null()?, stderr: null()? })
}

/// The sandbox itself: waits to be killed, and as the first process of a PID namespace collects the processes that lost
/// their parents.
pub(crate) fn main() -> ExitCode {
    loop {
        while matches!(rustix::process::wait(rustix::process::WaitOptions::NOHANG), Ok(Some(_))) {}
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// What the containers of the pod join: the namespaces of process `pid`.
pub(super) fn joined(pod: &EffectivePod, pid: u32) -> spec::JoinedNamespaces {
    spec::JoinedNamespaces { pod: Some(pid), pid: pod.share_process_namespace }
}
