//! `linux.namespaces`: a mount namespace always; PID, IPC, network and UTS unless the node's are shared; a user
//! namespace where `hostUsers` is false or the caller has no privilege; a cgroup namespace on cgroup v2.

use std::path::PathBuf;

use oci_spec::runtime::{LinuxNamespace, LinuxNamespaceType as Type};
use ringfence_context::effective::{EffectiveContainer, EffectivePod};
use ringfence_context::process::Namespace;

use super::{JoinedNamespaces, SpecOptions};

pub(super) fn namespaces(
    container: &EffectiveContainer,
    privileged: bool,
    options: &SpecOptions<'_>,
) -> Vec<LinuxNamespace> {
    let of = |typ: Type, name: &str, joined: bool| {
        let mut namespace = LinuxNamespace::default();
        namespace.set_typ(typ);
        let pod = options.join.pod.filter(|_| joined);
        namespace.set_path(pod.map(|pid| PathBuf::from(format!("/proc/{pid}/ns/{name}"))));
        namespace
    };
    let own = container.namespaces;
    let mut list = Vec::new();
    if own.user == Namespace::Own || options.unprivileged {
        list.push(of(Type::User, "user", true));
    }
    if own.pid == Namespace::Own {
        list.push(of(Type::Pid, "pid", options.join.pid));
    }
    if own.ipc == Namespace::Own {
        list.push(of(Type::Ipc, "ipc", true));
    }
    if own.uts == Namespace::Own {
        list.push(of(Type::Uts, "uts", true));
    }
    list.push(of(Type::Mount, "mnt", false));
    if own.net == Namespace::Own {
        list.push(of(Type::Network, "net", true));
    }
    if options.host.unified_cgroups && !privileged {
        list.push(of(Type::Cgroup, "cgroup", false));
    }
    list
}

/// The hostname to set: none where the UTS namespace is the node's or a sandbox's.
pub(super) fn hostname(
    pod: &EffectivePod,
    container: &EffectiveContainer,
    hostname: &str,
    join: &JoinedNamespaces,
) -> Option<String> {
    let own = container.namespaces.uts == Namespace::Own && pod.namespaces.uts == Namespace::Own;
    (own && join.pod.is_none()).then(|| hostname.to_owned())
}
