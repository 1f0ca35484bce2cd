//! Whether a process has less than it was given. A program may give up privileges, as a server does that begins as root;
//! nobody can take them back.

use ringfence_context::capability::CapSet;
use ringfence_context::process::{CapabilitySets, Namespace, Namespaces, ProcessState};

/// Whether what is observed in a row of this name is a part of what was expected.
pub(super) fn is_narrower(field: &str, expected: &ProcessState, observed: &ProcessState) -> bool {
    let caps = |pick: fn(CapabilitySets) -> CapSet| match (expected.capabilities, observed.capabilities) {
        (Some(expected), Some(observed)) => pick(observed).difference(pick(expected)).is_empty(),
        _ => false,
    };
    let gained = |expected: Option<bool>, observed: Option<bool>| (expected, observed) == (Some(false), Some(true));
    let own = |pick: fn(Namespaces) -> Namespace| {
        let (expected, observed) = (expected.namespaces.map(pick), observed.namespaces.map(pick));
        (expected, observed) == (Some(Namespace::Host), Some(Namespace::Own))
    };
    match field {
        "user" => expected.uid == Some(0) && observed.uid.is_some_and(|uid| uid != 0),
        "group" => expected.gid == Some(0) && observed.gid.is_some_and(|gid| gid != 0),
        "groups" => match (&expected.groups, &observed.groups) {
            (Some(expected), Some(observed)) => observed.iter().all(|group| expected.contains(group)),
            _ => false,
        },
        "effective" => caps(|sets| sets.effective),
        "permitted" => caps(|sets| sets.permitted),
        "bounding" => caps(|sets| sets.bounding),
        "inheritable" => caps(|sets| sets.inheritable),
        "ambient" => caps(|sets| sets.ambient),
        "no_new_privs" => gained(expected.no_new_privileges, observed.no_new_privileges),
        "seccomp" => expected.seccomp_mode == Some(0) && observed.seccomp_mode.is_some_and(|mode| mode != 0),
        "read-only root" => gained(expected.read_only_root_filesystem, observed.read_only_root_filesystem),
        "/proc masked" => gained(expected.proc_masked, observed.proc_masked),
        "pid namespace" => own(|all| all.pid),
        "ipc namespace" => own(|all| all.ipc),
        "net namespace" => own(|all| all.net),
        "uts namespace" => own(|all| all.uts),
        "user namespace" => own(|all| all.user),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_is_narrower_and_anything_else_is_not() {
        let state = |uid, bounding, nnp| ProcessState {
            uid: Some(uid),
            groups: Some(vec![bounding as u32]),
            capabilities: Some(CapabilitySets { bounding: CapSet(bounding), ..CapabilitySets::default() }),
            no_new_privileges: Some(nnp),
            ..ProcessState::default()
        };
        let (root, user) = (state(0, 3, false), state(7, 1, true));
        for field in ["user", "bounding", "no_new_privs"] {
            assert!(is_narrower(field, &root, &user), "{field}");
            assert!(!is_narrower(field, &user, &root), "{field}");
        }
        assert!(!is_narrower("user", &state(7, 0, false), &state(8, 0, false)));
        assert!(!is_narrower("groups", &root, &user));
        assert!(!is_narrower("mount /data", &root, &user));
    }
}
