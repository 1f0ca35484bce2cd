//! The kernel: release, capabilities, seccomp, no_new_privs, security modules and sysctls.

use ringfence_context::facts::NodeFacts;

use super::Look;
use super::files::Files;
use super::processes::Processes;
use crate::observe::{is_privileged, parse_status};

/// Sysctls of the whole node that workloads are known to meet.
const SYSCTLS: [&str; 10] = [
    "fs.inotify.max_user_instances",
    "fs.inotify.max_user_watches",
    "kernel.apparmor_restrict_unprivileged_userns",
    "kernel.pid_max",
    "kernel.threads-max",
    "kernel.unprivileged_userns_clone",
    "user.max_user_namespaces",
    "vm.max_map_count",
    "vm.overcommit_memory",
    "vm.swappiness",
];

pub(super) fn look(look: &Look, files: &Files, facts: &mut NodeFacts) {
    let uname = rustix::system::uname();
    facts.kernel = Some(uname.release().to_string_lossy().into_owned());
    if !look.in_pod {
        facts.name = Some(uname.nodename().to_string_lossy().into_owned());
    }
    facts.seccomp_actions = Some(match files.read("proc/sys/kernel/seccomp/actions_avail") {
        Ok(text) => text.split_whitespace().map(str::to_owned).collect(),
        // The file is there since 4.14; a kernel without filters has no field in a status either.
        Err(_) => vec![],
    });
    if facts.seccomp_actions.as_ref().is_some_and(Vec::is_empty) && may_have_filters(files) {
        facts.seccomp_actions = None;
        unknown(facts, "seccompActions", "/proc/sys/kernel/seccomp/actions_avail cannot be read");
    }
    facts.no_new_privileges = Some(rustix::thread::no_new_privs().is_ok());
    modules(look, files, facts);
    for name in SYSCTLS {
        if let Some(value) = files.line(&format!("proc/sys/{}", name.replace('.', "/"))) {
            facts.sysctls.insert(name.to_owned(), value);
        }
    }
}

/// Where no status can be read, /proc is not there, which says nothing of the kernel.
fn may_have_filters(files: &Files) -> bool {
    files.read("proc/self/status").map_or(true, |text| text.lines().any(|line| line.starts_with("Seccomp:")))
}

fn modules(look: &Look, files: &Files, facts: &mut NodeFacts) {
    // Every kernel with sysfs has this directory; where it is not to be seen, nothing below /sys says anything.
    if !files.exists("sys/module") {
        unknown(facts, "apparmor", "the node's /sys is not mounted there");
        unknown(facts, "selinux", "the node's /sys is not mounted there");
        return;
    }
    facts.apparmor =
        Some(files.line("sys/module/apparmor/parameters/enabled").is_some_and(|text| text.starts_with('Y')));
    match files.line("sys/fs/selinux/enforce") {
        Some(mode) => {
            facts.selinux = Some(true);
            facts.selinux_mode = Some(if mode == "1" { "enforcing" } else { "permissive" }.to_owned());
        }
        // The kernel lists the file system of SELinux whether or not it is mounted where we can see it: a node
        // below a directory may have its /sys there without what is mounted on it.
        None if !look.is_plain() && files.read("proc/filesystems").is_ok_and(|text| text.contains("selinuxfs")) => {
            unknown(
                facts,
                "selinux",
                "the kernel has SELinux, and its file system is not mounted there to tell whether it is enabled",
            );
        }
        None => facts.selinux = Some(false),
    }
}

/// The bounding set of the container runtime, or of this process where it could be one.
pub(super) fn capabilities(look: &Look, files: &Files, processes: &Processes, facts: &mut NodeFacts) {
    if let Some(status) = processes.runtime.as_ref().and_then(|runtime| runtime.status(files)) {
        facts.capabilities.bounding = Some(status.capabilities.bounding);
        return;
    }
    let from = |path: &str| Some(parse_status(&files.read(path).ok()?).ok()?.capabilities.bounding);
    let found = match (look.in_pod, look.sees_node()) {
        // What starts the node's services has what they can have.
        (true, true) => from("proc/1/status"),
        (true, false) => None,
        (false, _) if is_privileged() => from("proc/self/status"),
        (false, _) => from("proc/1/status").or_else(|| from("proc/self/status")),
    };
    match found {
        Some(set) => facts.capabilities.bounding = Some(set),
        None => unknown(facts, "capabilities.bounding", "a pod sees its own bounding set, not the container runtime's"),
    }
}

pub(super) fn unknown(facts: &mut NodeFacts, key: &str, why: impl Into<String>) {
    facts.unknown.insert(key.to_owned(), why.into());
}
