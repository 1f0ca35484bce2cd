//! Which namespaces a process is in: the inode numbers of `/proc/PID/ns/*` (namespaces(7)).

use std::collections::BTreeMap;

use ringfence_context::process::{Namespace, Namespaces};
use serde::{Deserialize, Serialize};

/// The namespaces of which a context decides whether they are the node's.
pub const NAMESPACES: [&str; 5] = ["pid", "ipc", "net", "uts", "user"];

/// Inode numbers by namespace; those that could not be read are missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NamespaceIds(pub BTreeMap<String, u64>);

impl NamespaceIds {
    /// Which of the namespaces are the same as `host`'s; `None` when one of them is not known.
    pub fn against(&self, host: &Self) -> Option<Namespaces> {
        let compare = |name: &str| {
            let same = self.0.get(name)? == host.0.get(name)?;
            Some(if same { Namespace::Host } else { Namespace::Own })
        };
        Some(Namespaces {
            pid: compare("pid")?,
            ipc: compare("ipc")?,
            net: compare("net")?,
            uts: compare("uts")?,
            user: compare("user")?,
        })
    }
}

/// Reads the namespaces of a process: its ID, or `self`. Reasons for what could not be read go to `not_seen`.
pub fn namespace_ids(pid: &str, not_seen: &mut BTreeMap<String, String>) -> NamespaceIds {
    let mut ids = NamespaceIds::default();
    for name in NAMESPACES {
        let path = format!("/proc/{pid}/ns/{name}");
        match std::fs::read_link(&path) {
            Ok(link) => match id(&link.to_string_lossy()) {
                Some(id) => {
                    ids.0.insert(name.to_owned(), id);
                }
                None => drop(not_seen.insert(format!("namespaces.{name}"), format!("{path} is {}", link.display()))),
            },
            Err(error) => drop(not_seen.insert(format!("namespaces.{name}"), format!("{path}: {error}"))),
        }
    }
    ids
}

/// `pid:[4026531836]`.
fn id(link: &str) -> Option<u64> {
    link.split_once(":[")?.1.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_shares_all_namespaces_with_itself() {
        let mut not_seen = BTreeMap::new();
        let ids = namespace_ids("self", &mut not_seen);
        assert!(not_seen.is_empty(), "{not_seen:?}");
        let Some(same) = ids.against(&ids) else { panic!("{ids:?}") };
        assert_eq!((same.pid, same.user), (Namespace::Host, Namespace::Host));
        let mut other = ids.clone();
        other.0.insert("net".to_owned(), 1);
        assert_eq!(other.against(&ids).map(|namespaces| namespaces.net), Some(Namespace::Own));
        other.0.remove("uts");
        assert_eq!(other.against(&ids), None);
    }
}
