//! Which users of a user namespace are which users outside.

use ringfence_context::effective::{EffectiveContainer, EffectivePod};

use super::RunError;
use crate::spec::{IdMapping, IdMappings, SpecError};
use crate::state::{self, StateDir};
use crate::subordinate;

/// The mappings: none where the machine's users are the container's; a block of the pod's own where it has a user
/// namespace; for a caller without privilege all that its subordinate IDs give, or without those the container's user as
/// the caller.
pub(super) fn choose(
    pod: &EffectivePod,
    container: &EffectiveContainer,
    own_user: bool,
    unprivileged: bool,
    state: &StateDir,
) -> Result<Option<IdMappings>, RunError> {
    if unprivileged {
        if let Ok(ids) = subordinate::ids() {
            let (users, groups) = wanted(pod);
            return Ok(Some(ids.mappings(&users, &groups)));
        }
        let known = |field: &'static str, value: &ringfence_context::origin::Value<u32>| {
            value.get().copied().ok_or_else(|| {
                RunError::Spec(SpecError::Undecided { field, why: "needed to map it to the caller".to_owned() })
            })
        };
        let uid = known("user.uid", &container.user.uid)?;
        let gid = known("user.gid", &container.user.gid)?;
        let one = |inside, outside| vec![IdMapping { inside, outside, size: 1 }];
        return Ok(Some(IdMappings {
            uid: one(uid, rustix::process::geteuid().as_raw()),
            gid: one(gid, rustix::process::getegid().as_raw()),
            setgroups: false,
        }));
    }
    if own_user {
        let block = vec![IdMapping { inside: 0, outside: state.reserve_ids()?, size: state::POD_IDS }];
        return Ok(Some(IdMappings { uid: block.clone(), gid: block, setgroups: true }));
    }
    Ok(None)
}

/// The users and groups that the pod's containers have.
fn wanted(pod: &EffectivePod) -> (Vec<u32>, Vec<u32>) {
    let users = pod.containers.iter().filter_map(|container| container.user.uid.get().copied());
    let groups = pod.containers.iter().flat_map(|container| {
        let user = &container.user;
        let supplementary = user.groups.get().unwrap_or(&user.certain_groups).iter().map(|group| group.gid);
        let volumes = container.mounts.iter().filter_map(|mount| mount.fs_group.get().copied().flatten());
        user.gid.get().copied().into_iter().chain(supplementary).chain(volumes)
    });
    (users.collect(), groups.collect())
}
