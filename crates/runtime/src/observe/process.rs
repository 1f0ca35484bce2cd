//! A process as seen from outside.

use std::collections::BTreeMap;

use ringfence_context::process::ProcessState;

use super::{NamespaceIds, is_masked, namespace_ids, parse_mountinfo, parse_status, root_is_read_only};

/// Reads what `/proc/PID` says of a process, its namespaces held against `host`'s. What could not be read, for want of
/// privilege or because the process is gone, comes back with the reason.
pub fn observe(pid: u32, host: &NamespaceIds) -> (ProcessState, BTreeMap<String, String>) {
    let mut state = ProcessState::default();
    let mut not_seen = BTreeMap::new();
    let read = |name: &str| std::fs::read(format!("/proc/{pid}/{name}"));

    match read("status")
        .map_err(|error| error.to_string())
        .and_then(|text| parse_status(&String::from_utf8_lossy(&text)).map_err(|error| error.to_string()))
    {
        Ok(status) => {
            state.uid = Some(status.uid[1]);
            state.gid = Some(status.gid[1]);
            state.groups = Some(status.groups);
            state.capabilities = Some(status.capabilities);
            state.no_new_privileges = Some(status.no_new_privs);
            state.seccomp_mode = status.seccomp;
        }
        Err(error) => drop(not_seen.insert("status".to_owned(), error)),
    }
    match read("mountinfo") {
        Ok(text) => {
            let mounts = parse_mountinfo(&String::from_utf8_lossy(&text));
            state.read_only_root_filesystem = root_is_read_only(&mounts);
            state.proc_masked = Some(is_masked(&mounts));
        }
        Err(error) => drop(not_seen.insert("mountinfo".to_owned(), error.to_string())),
    }
    match read("environ") {
        Ok(text) => {
            state.home = text
                .split(|byte| *byte == 0)
                .find_map(|setting| setting.strip_prefix(b"HOME="))
                .map(|home| String::from_utf8_lossy(home).into_owned());
        }
        Err(error) => drop(not_seen.insert("home".to_owned(), error.to_string())),
    }
    if let Ok(label) = read("attr/apparmor/current") {
        state.app_armor_profile = Some(String::from_utf8_lossy(&label).trim_end_matches(['\n', '\0']).to_owned());
    }
    state.namespaces = namespace_ids(&pid.to_string(), &mut not_seen).against(host);
    (state, not_seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_this_process_as_it_is() {
        let mut not_seen = BTreeMap::new();
        let host = namespace_ids("self", &mut not_seen);
        let (state, not_seen) = observe(std::process::id(), &host);
        assert!(not_seen.is_empty(), "{not_seen:?}");
        assert_eq!(state.uid, Some(rustix::process::geteuid().as_raw()));
        assert_eq!(state.home, std::env::var("HOME").ok());
        assert!(state.namespaces.is_some());
    }

    #[test]
    fn a_process_that_is_gone_is_not_seen() {
        let (state, not_seen) = observe(u32::MAX, &NamespaceIds::default());
        assert_eq!(state.uid, None);
        assert!(not_seen.contains_key("status"));
    }
}
