//! Users, groups, capabilities, no_new_privs and seccomp of this process: from `/proc/self/status`, or where that
//! cannot be read by one system call each.

use std::collections::BTreeMap;

use ringfence_context::capability::{CapSet, NAMES};
use ringfence_context::process::{CapabilitySets, ProcessState};
use rustix::thread::{self, CapabilitySet};

use crate::observe::parse_status;

pub(super) fn identity(state: &mut ProcessState, not_seen: &mut BTreeMap<String, String>) {
    let status = std::fs::read("/proc/self/status")
        .map_err(|error| error.to_string())
        .and_then(|text| parse_status(&String::from_utf8_lossy(&text)).map_err(|error| error.to_string()));
    match status {
        Ok(status) => {
            let same = |ids: [u32; 4]| ids.iter().all(|id| *id == ids[0]);
            if !same(status.uid) || !same(status.gid) {
                let found = format!("users {:?}, groups {:?} differ", status.uid, status.gid);
                not_seen.insert("uid".to_owned(), found);
            } else {
                state.uid = Some(status.uid[0]);
                state.gid = Some(status.gid[0]);
            }
            state.groups = Some(status.groups);
            state.capabilities = Some(status.capabilities);
            state.no_new_privileges = Some(status.no_new_privs);
            state.seccomp_mode = status.seccomp;
            if status.seccomp.is_none() {
                not_seen.insert("seccompMode".to_owned(), "the kernel does not say".to_owned());
            }
        }
        Err(_) => by_system_calls(state, not_seen),
    }
}

fn by_system_calls(state: &mut ProcessState, not_seen: &mut BTreeMap<String, String>) {
    state.uid = Some(rustix::process::getuid().as_raw());
    state.gid = Some(rustix::process::getgid().as_raw());
    let mut note = |field: &str, error: rustix::io::Errno| {
        not_seen.insert(field.to_owned(), error.to_string());
    };
    match rustix::process::getgroups() {
        Ok(groups) => {
            let mut groups: Vec<u32> = groups.into_iter().map(rustix::fs::Gid::as_raw).collect();
            groups.sort_unstable();
            state.groups = Some(groups);
        }
        Err(error) => note("groups", error),
    }
    match capabilities() {
        Ok(sets) => state.capabilities = Some(sets),
        Err(error) => note("capabilities", error),
    }
    match thread::no_new_privs() {
        Ok(flag) => state.no_new_privileges = Some(flag),
        Err(error) => note("noNewPrivileges", error),
    }
    match thread::secure_computing_mode() {
        Ok(mode) => state.seccomp_mode = Some(mode as u8),
        Err(error) => note("seccompMode", error),
    }
}

fn capabilities() -> Result<CapabilitySets, rustix::io::Errno> {
    let sets = thread::capabilities(None)?;
    let mut bounding = CapSet::EMPTY;
    let mut ambient = CapSet::EMPTY;
    for number in 0..NAMES.len() {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        // A capability that this kernel does not have yet is in no set.
        match thread::capability_is_in_bounding_set(capability) {
            Ok(true) => bounding.0 |= 1 << number,
            Ok(false) | Err(rustix::io::Errno::INVAL) => {}
            Err(error) => return Err(error),
        }
        match thread::capability_is_in_ambient_set(capability) {
            Ok(true) => ambient.0 |= 1 << number,
            Ok(false) | Err(rustix::io::Errno::INVAL) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(CapabilitySets {
        inheritable: CapSet(sets.inheritable.bits()),
        permitted: CapSet(sets.permitted.bits()),
        effective: CapSet(sets.effective.bits()),
        bounding,
        ambient,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_and_the_system_calls_agree() {
        let (mut from_proc, mut from_calls, mut not_seen) = <(ProcessState, ProcessState, BTreeMap<_, _>)>::default();
        identity(&mut from_proc, &mut not_seen);
        by_system_calls(&mut from_calls, &mut not_seen);
        assert_eq!(from_proc, from_calls);
        assert!(not_seen.is_empty(), "{not_seen:?}");
    }
}
