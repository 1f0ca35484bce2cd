//! `linux.namespaces`, `linux.uidMappings` and `linux.gidMappings`: which namespaces are made, shared or joined, and
//! by whom. The keeper has a PID namespace of its own around the container's, so that when it ends, for whatever
//! reason, the kernel ends everything inside.

use std::fmt;

use oci_spec::runtime::{LinuxIdMapping, LinuxNamespace, LinuxNamespaceType, Mount};

use super::path::c_path;
use super::{Action, Asked, CALLER, Draft, LAUNCHER, Step, Wanted, unsupported};
use crate::engine::StartError;
use crate::launcher::facts::{Kind, SETGID, SETUID, SYS_ADMIN};

/// The process that starts the container and stays until it has ended.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// CLONE_NEW* of the keeper itself: user and PID.
    pub(crate) own: u32,
    /// CLONE_NEW* of the container.
    pub(crate) container: u32,
    pub(crate) steps: Vec<Step>,
    pub(crate) mapping: Option<Mapping>,
    pub(crate) joined: usize,
    /// Whether the container has a user namespace, made, joined or the launcher's, and so no power over devices and the
    /// host's files.
    pub(crate) confined: bool,
    /// Whether setgroups(2) is allowed there.
    pub(crate) groups: bool,
}

/// The ID mappings of a new user namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    /// As the lines of uid_map: inside, outside, size.
    pub(crate) uid: Vec<[u32; 3]>,
    pub(crate) gid: Vec<[u32; 3]>,
    /// Whether setgroups(2) is denied in it, without which an unprivileged caller may not map its group.
    pub(crate) deny_groups: bool,
    /// Whether newuidmap and newgidmap have to write them.
    pub(crate) helpers: bool,
}

impl Keeper {
    /// Whether ending the keeper ends everything in the container.
    pub(crate) fn contains_all(&self) -> bool {
        self.own & Kind::Pid.flag() != 0
    }
}

impl fmt::Display for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("start the container in new namespaces:")?;
        for kind in Kind::ALL {
            if (self.container | self.own) & kind.flag() != 0 {
                write!(f, " {}", kind.name())?;
            }
        }
        f.write_str(" (linux.namespaces)")
    }
}

pub(super) fn plan(asked: &Asked<'_>, draft: &mut Draft) -> Result<Keeper, StartError> {
    let mut made = 0;
    let mut joined = Vec::new();
    for namespace in asked.linux.namespaces().iter().flatten() {
        let kind = kind(namespace)?;
        let twice = made & kind.flag() != 0 || joined.iter().any(|(other, _)| *other == kind);
        if twice {
            return Err(unsupported(format!("{} twice (linux.namespaces)", kind.name()), LAUNCHER));
        }
        match namespace.path() {
            Some(path) => joined.push((kind, c_path(path)?)),
            None => made |= kind.flag(),
        }
    }
    if made & Kind::Mount.flag() == 0 {
        return Err(unsupported("a container without a mount namespace of its own (linux.namespaces)", LAUNCHER));
    }
    // The user namespace comes first: it gives the right to join the others.
    joined.sort_by_key(|(kind, _)| *kind != Kind::User);
    let joins = |kind| joined.iter().any(|(other, _)| *other == kind);
    let makes_user = made & Kind::User.flag() != 0;
    let mapping = makes_user.then(|| mapping(asked)).transpose()?;

    // The kernel lets whoever is privileged, or has just made a user namespace, make the PID namespace.
    let may_contain = makes_user || asked.facts.has(SYS_ADMIN);
    let contains = made & Kind::Pid.flag() != 0 && may_contain;
    let mut own = made & Kind::User.flag();
    if contains {
        own |= Kind::Pid.flag();
    }

    let groups = match &mapping {
        Some(mapping) => !mapping.deny_groups,
        None if joins(Kind::User) => !asked.facts.joined_denies_groups,
        None => asked.facts.has(SETGID) && !asked.facts.denies_groups,
    };
    let mut steps = Vec::new();
    let mut step = |field: &str, action| steps.push(Step { field: field.to_owned(), action });
    // First, so that whatever is opened later gets a number above them.
    step("process", Action::PlaceDescriptors);
    step("process", Action::NewSession);
    step("process", Action::ClearUmask);
    if let Some(value) = asked.process.oom_score_adj() {
        step("process.oomScoreAdj", Action::OomScoreAdj(value));
    }
    if let Some(mapping) = &mapping {
        step("linux.uidMappings", Action::AwaitMappings);
        if maps_root(mapping) {
            step("linux.uidMappings", Action::BecomeRoot { groups, may_be_unmapped: false });
        }
    }
    for (slot, (_, path)) in joined.iter().enumerate() {
        step("linux.namespaces", Action::OpenNamespace { slot, path: path.clone() });
    }
    for (slot, (kind, _)) in joined.iter().enumerate() {
        step("linux.namespaces", Action::JoinNamespace { slot, kind: *kind });
        if *kind == Kind::User {
            step("linux.namespaces", Action::BecomeRoot { groups, may_be_unmapped: true });
        }
        draft.check("linux.namespaces", Wanted::JoinedNamespace { kind: *kind, slot });
    }
    step("process", Action::HideMemory);
    if !contains {
        step("process", Action::AdoptOrphans);
    }

    for kind in Kind::ALL {
        let inode = asked.facts.namespace(kind);
        if made & kind.flag() != 0 {
            draft.check("linux.namespaces", Wanted::NewNamespace { kind, not: inode });
        } else if inode != 0 && !joins(kind) {
            draft.check("linux.namespaces", Wanted::SameNamespace { kind, inode });
        }
    }
    if let Some(value) = asked.process.oom_score_adj() {
        draft.check("process.oomScoreAdj", Wanted::OomScoreAdj(value));
    }
    Ok(Keeper {
        own,
        container: made & !Kind::User.flag(),
        steps,
        confined: makes_user || joins(Kind::User) || asked.facts.in_user_namespace,
        groups,
        mapping,
        joined: joined.len(),
    })
}

fn kind(namespace: &LinuxNamespace) -> Result<Kind, StartError> {
    Ok(match namespace.typ() {
        LinuxNamespaceType::Mount => Kind::Mount,
        LinuxNamespaceType::Cgroup => Kind::Cgroup,
        LinuxNamespaceType::Uts => Kind::Uts,
        LinuxNamespaceType::Ipc => Kind::Ipc,
        LinuxNamespaceType::User => Kind::User,
        LinuxNamespaceType::Pid => Kind::Pid,
        LinuxNamespaceType::Network => Kind::Network,
        LinuxNamespaceType::Time => return Err(unsupported("a time namespace (linux.namespaces)", LAUNCHER)),
    })
}

fn mapping(asked: &Asked<'_>) -> Result<Mapping, StartError> {
    let uid = lines(asked.linux.uid_mappings().as_deref(), "linux.uidMappings")?;
    let gid = lines(asked.linux.gid_mappings().as_deref(), "linux.gidMappings")?;
    let facts = asked.facts;
    let privileged = facts.has(SETUID | SETGID);
    // user_namespaces(7): without privilege, one line that maps the caller's own ID alone.
    let own = |lines: &[[u32; 3]], id: u32| matches!(lines, [[_, outside, 1]] if *outside == id);
    let alone = own(&uid, facts.uid) && own(&gid, facts.gid);
    Ok(Mapping { deny_groups: !privileged && alone || facts.denies_groups, helpers: !privileged && !alone, uid, gid })
}

fn lines(mappings: Option<&[LinuxIdMapping]>, field: &str) -> Result<Vec<[u32; 3]>, StartError> {
    let mappings = mappings.unwrap_or_default();
    if mappings.is_empty() {
        return Err(unsupported(format!("a user namespace without mappings ({field})"), LAUNCHER));
    }
    Ok(mappings.iter().map(|mapping| [mapping.container_id(), mapping.host_id(), mapping.size()]).collect())
}

/// The mapping of a mount: its own, or the container's.
pub(super) fn mount_mapping(asked: &Asked<'_>, mount: &Mount) -> Result<Mapping, StartError> {
    if asked.facts.in_user_namespace || !asked.facts.has(SYS_ADMIN | SETUID | SETGID) {
        return Err(unsupported("an id-mapped mount (mounts)", CALLER));
    }
    let or_container = |own: &Option<Vec<LinuxIdMapping>>, container: &Option<Vec<LinuxIdMapping>>| {
        own.clone().filter(|own| !own.is_empty()).or_else(|| container.clone())
    };
    let uid = or_container(mount.uid_mappings(), asked.linux.uid_mappings());
    let gid = or_container(mount.gid_mappings(), asked.linux.gid_mappings());
    Ok(Mapping {
        uid: lines(uid.as_deref(), "mounts.uidMappings")?,
        gid: lines(gid.as_deref(), "mounts.gidMappings")?,
        deny_groups: false,
        helpers: false,
    })
}

fn maps_root(mapping: &Mapping) -> bool {
    let root = |lines: &[[u32; 3]]| lines.iter().any(|[inside, _, size]| *inside == 0 && *size > 0);
    root(&mapping.uid) && root(&mapping.gid)
}

/// The groups that a container gets where setgroups(2) is denied: none can be set or dropped.
pub(super) fn refuse_groups(asked: &Asked<'_>, wanted: &[u32]) -> Result<(), StartError> {
    if !wanted.is_empty() {
        return Err(unsupported(format!("setting groups {wanted:?} (process.user.additionalGids)"), CALLER));
    }
    let foreign = asked.facts.groups.iter().any(|group| *group != asked.facts.gid);
    if foreign && !asked.policy.keep_groups {
        return Err(unsupported(
            format!("dropping the caller's groups {:?} (process.user.additionalGids)", asked.facts.groups),
            CALLER,
        ));
    }
    Ok(())
}
