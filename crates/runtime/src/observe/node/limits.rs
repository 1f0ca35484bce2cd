//! How many files a process in a pod may open.
//!
//! Kubernetes sets no such limit: a container inherits the container runtime's, unless the runtime is configured to set
//! one. So the best witness is a process of a pod, then the runtime's configuration, then the runtime's own process, then
//! the unit that starts it.

use ringfence_context::capability::Capability;
use ringfence_context::facts::{Limits, NodeFacts};
use rustix::process::{Resource, getrlimit};

use super::files::Files;
use super::kernel::unknown;
use super::processes::{Process, Processes};
use super::{Look, runtime_config, unit};

pub(super) fn look(look: &Look, files: &Files, processes: &Processes, facts: &mut NodeFacts) {
    facts.open_files.nr_open = files.number("proc/sys/fs/nr_open");
    facts.open_files.file_max = files.number("proc/sys/fs/file-max");
    for (key, path, missing) in [
        ("openFiles.nrOpen", "/proc/sys/fs/nr_open", facts.open_files.nr_open.is_none()),
        ("openFiles.fileMax", "/proc/sys/fs/file-max", facts.open_files.file_max.is_none()),
    ] {
        if missing {
            unknown(facts, key, format!("{path} cannot be read"));
        }
    }
    let own = getrlimit(Resource::Nofile);
    let or_all = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
    let own = Limits { soft: or_all(own.current), hard: or_all(own.maximum), source: "this process".to_owned() };
    facts.open_files.pod = if look.in_pod {
        Some(Limits { source: "this process, which runs in a pod".to_owned(), ..own.clone() })
    } else {
        inherited(look, files, processes, facts.open_files.nr_open)
    };
    facts.open_files.own = Some(own);
    if facts.open_files.pod.is_none() {
        let why = "there is no process of a pod, none of containerd, crio or dockerd, and no unit of theirs";
        unknown(facts, "openFiles.pod", why);
    }
}

fn inherited(look: &Look, files: &Files, processes: &Processes, nr_open: Option<u64>) -> Option<Limits> {
    if let Some(pause) = &processes.pause
        && let Some(limits) = pause.limits(files)
    {
        let source = format!("the sandbox of a pod, {} (PID {})", pause.name, pause.pid);
        return Some(Limits { source, ..limits });
    }
    // A configuration left behind by a runtime that is not installed counts for nothing.
    let unit = unit::find(files);
    let runtime = processes.runtime.as_ref().map(|runtime| runtime.name.as_str());
    let runtime = runtime.or(unit.as_ref().map(|unit| unit.runtime))?;
    if let Some(limits) = runtime_config::limits(runtime, look.base_spec.as_deref(), files) {
        return Some(limits);
    }
    if let Some(process) = &processes.runtime
        && let Some(limits) = process.limits(files)
    {
        let source = format!("{} (PID {}), from which a container inherits them", process.name, process.pid);
        return Some(Limits { source, ..limits });
    }
    Some(attainable(unit?.limits(nr_open)?, files))
}

/// What a unit asks for is what its process gets only if systemd may raise limits. Where PID 1 lacks SYS_RESOURCE, its
/// own hard limit is the end.
fn attainable(limits: Limits, files: &Files) -> Limits {
    let init = Process { pid: 1, name: String::new() };
    let (Some(status), Some(own)) = (init.status(files), init.limits(files)) else { return limits };
    let can_raise = Capability::from_name("SYS_RESOURCE").is_some_and(|one| status.capabilities.bounding.contains(one));
    if can_raise || own.hard >= limits.hard {
        return limits;
    }
    let source = format!("PID 1, which lacks the SYS_RESOURCE that {} takes", limits.source);
    Limits { soft: limits.soft.min(own.hard), hard: own.hard, source }
}
