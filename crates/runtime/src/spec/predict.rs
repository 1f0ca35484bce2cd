//! The state that the kernel will report of the first process of a spec, as far as the spec decides it.

use std::path::Path;

use oci_spec::runtime::{Capabilities as OciSet, LinuxCapabilities, LinuxNamespaceType as Type, Spec};
use ringfence_context::capability::{CapSet, Capability};
use ringfence_context::process::{CapabilitySets, Namespace, Namespaces, ProcessState};

/// What `/proc` will say of the process once it has executed its command. Capabilities are what execve(2) leaves of the
/// spec's (capabilities(7)), for a file without capabilities of its own.
pub fn predict(spec: &Spec) -> ProcessState {
    let process = spec.process().as_ref();
    let linux = spec.linux().as_ref();
    let user = process.map(oci_spec::runtime::Process::user);
    let uid = user.map(oci_spec::runtime::User::uid);
    let namespaces = linux.and_then(|linux| linux.namespaces().as_ref());
    let own = |kind: Type| {
        let listed = namespaces.is_some_and(|list| list.iter().any(|one| one.typ() == kind));
        if listed { Namespace::Own } else { Namespace::Host }
    };
    let masked = linux.and_then(|linux| linux.masked_paths().as_ref());
    let groups = user.map(|user| {
        let mut groups = user.additional_gids().clone().unwrap_or_default();
        groups.sort_unstable();
        groups.dedup();
        groups
    });
    ProcessState {
        uid,
        gid: user.map(oci_spec::runtime::User::gid),
        groups,
        capabilities: process.zip(uid).map(|(process, uid)| after_exec(process.capabilities().as_ref(), uid == 0)),
        no_new_privileges: process.map(|process| process.no_new_privileges().unwrap_or(false)),
        seccomp_mode: Some(if linux.is_some_and(|linux| linux.seccomp().is_some()) { 2 } else { 0 }),
        read_only_root_filesystem: spec.root().as_ref().map(|root| root.readonly().unwrap_or(false)),
        proc_masked: Some(masked.is_some_and(|paths| paths.iter().any(|path| Path::new(path).starts_with("/proc/")))),
        namespaces: Some(Namespaces {
            pid: own(Type::Pid),
            ipc: own(Type::Ipc),
            net: own(Type::Network),
            uts: own(Type::Uts),
            user: own(Type::User),
        }),
        app_armor_profile: process.and_then(|process| process.apparmor_profile().clone()),
        selinux_label: process.and_then(|process| process.selinux_label().clone()),
        ..ProcessState::default()
    }
}

fn after_exec(sets: Option<&LinuxCapabilities>, root: bool) -> CapabilitySets {
    let set = |pick: fn(&LinuxCapabilities) -> &Option<OciSet>| {
        sets.and_then(|sets| pick(sets).as_ref()).map(names).unwrap_or_default()
    };
    let bounding = set(LinuxCapabilities::bounding);
    let inheritable = set(LinuxCapabilities::inheritable);
    // Ambient capabilities are both permitted and inheritable, or not ambient.
    let permitted = set(LinuxCapabilities::permitted);
    let ambient = set(LinuxCapabilities::ambient).intersection(permitted).intersection(inheritable);
    let gained = if root { bounding.union(inheritable).union(ambient) } else { ambient };
    CapabilitySets { inheritable, permitted: gained, effective: gained, bounding, ambient }
}

fn names(set: &OciSet) -> CapSet {
    set.iter()
        .filter_map(|capability| Capability::from_name(capability.to_string().trim_start_matches("CAP_")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(json: &str) -> ProcessState {
        predict(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn root_has_its_bounding_set_and_another_user_what_is_ambient() {
        let spec = |uid: u32| {
            format!(
                r#"{{"ociVersion": "1.0.2", "process": {{"cwd": "/", "user": {{"uid": {uid}, "gid": 5, "additionalGids": [9, 7, 9]}},
                "capabilities": {{"bounding": ["CAP_CHOWN", "CAP_KILL"], "permitted": ["CAP_CHOWN"], "effective": ["CAP_CHOWN"],
                "inheritable": ["CAP_CHOWN"], "ambient": ["CAP_CHOWN", "CAP_KILL"]}}}},
                "linux": {{"namespaces": [{{"type": "pid"}}], "maskedPaths": ["/proc/keys"]}}}}"#
            )
        };
        let root = state(&spec(0));
        assert_eq!(root.capabilities.map(|sets| sets.effective), Some(CapSet(0b10_0001)));
        assert_eq!(root.groups.as_deref(), Some(&[7, 9][..]));
        assert_eq!((root.proc_masked, root.seccomp_mode), (Some(true), Some(0)));
        assert_eq!(root.namespaces.map(|all| (all.pid, all.net)), Some((Namespace::Own, Namespace::Host)));
        let user = state(&spec(1000)).capabilities.unwrap();
        assert_eq!((user.effective, user.ambient, user.bounding), (CapSet(1), CapSet(1), CapSet(0b10_0001)));
    }

    #[test]
    fn a_spec_that_says_nothing_decides_little() {
        let state = state(r#"{"ociVersion": "1.0.2"}"#);
        assert_eq!((state.uid, state.capabilities, state.read_only_root_filesystem), (None, None, None));
    }
}
