//! The text of a runtime's default AppArmor profile: everything is allowed but writing to the kernel's settings and
//! devices below `/proc` and `/sys`, mounting, and signals and traces across the profile's border (apparmor.d(5); the
//! rules are containerd's in `contrib/apparmor/template.go` and docker's in `profiles/apparmor/template.go`).

use std::fmt::Write as _;

/// Whose default profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// containerd's CRI plugin.
    Containerd,
    /// The docker daemon.
    Docker,
}

impl Runtime {
    /// The name under which the runtime loads its profile.
    pub const fn profile(self) -> &'static str {
        match self {
            Self::Containerd => "cri-containerd.apparmor.d",
            Self::Docker => "docker-default",
        }
    }

    /// The directories of `/proc` that are neither a process nor `sys`, as far as the language can say it.
    const fn proc_directories(self) -> &'static str {
        match self {
            Self::Containerd => "{[^1-9/],[^1-9/][^0-9/],[^1-9s/][^0-9y/][^0-9s/],[^1-9/][^0-9/][^0-9/][^0-9/]*}",
            Self::Docker => "{[^1-9],[^1-9][^0-9],[^1-9s][^0-9y][^0-9s],[^1-9][^0-9][^0-9][^0-9/]*}",
        }
    }
}

/// What the machine's apparmor_parser understands and finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Features {
    /// The version, where it says one.
    pub(super) version: Option<[u32; 3]>,
    /// Whether the description of the kernel's interface of 3.0 is installed (`abi/3.0`).
    pub(super) abi: bool,
    /// Whether `tunables/global` is, which says where /proc is.
    pub(super) tunables: bool,
    /// Whether `abstractions/base` is.
    pub(super) base: bool,
    /// The profile of the program that starts and ends containers, where it has one.
    pub(super) caller: Option<String>,
}

/// What no process may do with paths outside of `/proc`'s directories, whose pattern differs.
const DENIED: [(&str, &str); 13] = [
    ("@{PROC}/*", "w"),
    ("@{PROC}/sys/[^k]**", "w"),
    // All of sys/kernel but what begins with shm.
    ("@{PROC}/sys/kernel/{?,??,[^s][^h][^m]**}", "w"),
    ("@{PROC}/sysrq-trigger", "rwklx"),
    ("@{PROC}/kcore", "rwklx"),
    // All of /sys but /sys/fs/cgroup.
    ("/sys/[^f]*/**", "wklx"),
    ("/sys/f[^s]*/**", "wklx"),
    ("/sys/fs/[^c]*/**", "wklx"),
    ("/sys/fs/c[^g]*/**", "wklx"),
    ("/sys/fs/cg[^r]*/**", "wklx"),
    ("/sys/firmware/**", "rwklx"),
    ("/sys/devices/virtual/powercap/**", "rwklx"),
    ("/sys/kernel/security/**", "rwklx"),
];

/// The first versions that know rules for signals and traces, and for user namespaces and the like. A parser that does
/// not tell its version is taken to be one between them: it refuses what it does not know.
const SIGNALS: [u32; 3] = [2, 8, 95];
const NAMESPACES: [u32; 3] = [4, 0, 0];

/// The profile's text.
pub(super) fn text(runtime: Runtime, features: &Features) -> String {
    let name = runtime.profile();
    let mut head = Vec::new();
    if features.abi {
        // What later interfaces mediate, user namespaces among it, stays as it was.
        head.push("abi <abi/3.0>,");
    }
    head.push(if features.tunables { "#include <tunables/global>" } else { "@{PROC}=/proc/" });

    let mut rules: Vec<String> = Vec::new();
    if features.base {
        rules.push("#include <abstractions/base>".to_owned());
    }
    rules.extend(["network,", "capability,", "file,", "umount,"].map(str::to_owned));
    if !features.abi && features.version.is_some_and(|version| version >= NAMESPACES) {
        rules.extend(["unix,", "userns,", "mqueue,", "io_uring,"].map(str::to_owned));
    }
    if features.version.is_none_or(|version| version >= SIGNALS) {
        // Those who start and end containers may end this one, and its processes each other.
        let mut senders = vec!["unconfined", "runc", "crun"];
        senders.extend(features.caller.as_deref());
        rules.extend(senders.iter().map(|peer| format!("signal (receive) peer={peer},")));
        rules.push(format!("signal (send,receive) peer={name},"));
        rules.push(format!("ptrace (trace,tracedby,read,readby) peer={name},"));
    }
    rules.push("deny mount,".to_owned());
    rules.push(format!("deny @{{PROC}}/{}/** w,", runtime.proc_directories()));
    rules.extend(DENIED.iter().map(|(path, access)| format!("deny {path} {access},")));

    let mut text = head.join("\n");
    // A String takes all that is written to it.
    let _ = write!(text, "\n\nprofile {name} flags=(attach_disconnected,mediate_deleted) {{\n");
    for rule in rules {
        let _ = writeln!(text, "  {rule}");
    }
    text.push_str("}\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modern() -> Features {
        Features { version: Some([3, 0, 8]), abi: true, tunables: true, base: true, caller: None }
    }

    #[test]
    fn the_profile_of_a_node_reads_so() {
        insta::assert_snapshot!(text(Runtime::Containerd, &modern()));
    }

    #[test]
    fn dockers_profile_reads_so_where_nothing_is_installed_beside_the_parser() {
        insta::assert_snapshot!(text(Runtime::Docker, &Features::default()));
    }

    #[test]
    fn an_old_parser_gets_no_rule_that_it_cannot_read() {
        let old = text(Runtime::Containerd, &Features { version: Some([2, 8, 0]), ..Features::default() });
        for word in ["abi <", "signal", "ptrace", "userns", "include"] {
            assert!(!old.contains(word), "{word} in {old}");
        }
        assert!(old.contains("deny mount,"));
    }

    #[test]
    fn what_a_new_parser_mediates_without_an_abi_stays_allowed() {
        let of = |abi| text(Runtime::Docker, &Features { version: Some([4, 1, 0]), abi, ..Features::default() });
        for rule in ["userns,", "unix,", "mqueue,", "io_uring,"] {
            assert!(of(false).contains(rule) && !of(true).contains(rule), "{rule}");
        }
    }

    #[test]
    fn whoever_starts_containers_under_a_profile_of_its_own_can_end_them() {
        let of = |caller: &str| text(Runtime::Containerd, &Features { caller: Some(caller.to_owned()), ..modern() });
        assert!(of("/usr/bin/ringfence").contains("signal (receive) peer=/usr/bin/ringfence,\n"));
    }
}
