//! Subordinate IDs (subuid(5), subgid(5)): users and groups that a user without privilege may map in a user namespace of
//! his own, with newuidmap(1) and newgidmap(1). With them a container's users are as many as root's containers have, and
//! what they write belongs to them; so whatever is done to their files is done in such a namespace, by a helper.

mod find;
mod helper;
mod map;

use std::os::fd::OwnedFd;
use std::sync::OnceLock;

use crate::engine::StartError;
use crate::launcher;
use crate::spec::IdMappings;

pub(crate) use helper::{Helper, main as helper_main};

/// The caller's subordinate IDs, tried out.
#[derive(Debug)]
pub(crate) struct Subordinate {
    /// The caller.
    own: (u32, u32),
    /// First ID and number, on this machine.
    uid: Vec<Range>,
    gid: Vec<Range>,
    /// A user namespace that maps all of them.
    namespace: OwnedFd,
}

/// IDs that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    first: u32,
    count: u32,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoIds {
    /// No line is the user's.
    #[error("{file} gives user {user:?} no subordinate IDs")]
    NoLine {
        /// `/etc/subuid` or `/etc/subgid`.
        file: &'static str,
        /// Name or number.
        user: String,
    },
    /// Root of a user namespace has the users and groups of it, and there are none but itself.
    #[error("the user namespace that this runs in has a single user, or none of whom groups can be set")]
    OneUser,
    /// The kernel or a helper program did not make the namespace.
    #[error("subordinate IDs could not be mapped")]
    Refused(#[source] StartError),
}

/// The IDs of the user who runs this. Tried once in a process.
pub(crate) fn ids() -> Result<&'static Subordinate, &'static NoIds> {
    static IDS: OnceLock<Result<Subordinate, NoIds>> = OnceLock::new();
    IDS.get_or_init(|| {
        let (uid, gid) = find::ranges()?;
        let own = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let mappings = map::mappings(own, (&uid, &gid), &[], &[]);
        let namespace = launcher::user_namespace(&mappings, by_helpers()).map_err(NoIds::Refused)?;
        Ok(Subordinate { own, uid, gid, namespace })
    })
    .as_ref()
}

/// Whether newuidmap(1) and newgidmap(1) have to write the mappings, because the caller may not.
pub(crate) fn by_helpers() -> bool {
    !crate::observe::is_namespace_root()
}

/// Why containers of a caller without privilege have a single user; `None` where they have more.
pub fn missing() -> Option<String> {
    let error: &dyn std::error::Error = ids().err()?;
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    Some(text)
}

impl Subordinate {
    /// All of them, from 1 on, with the caller as 0. IDs that lie beyond get some from the end of the ranges.
    pub(crate) fn mappings(&self, users: &[u32], groups: &[u32]) -> IdMappings {
        map::mappings(self.own, (&self.uid, &self.gid), users, groups)
    }
}
