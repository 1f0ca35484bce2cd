//! What was observed, less what this run could not show.

use std::collections::BTreeMap;

use ringfence_context::effective::EffectiveContainer;
use ringfence_context::process::{Namespace, ProcessState};

use crate::observe::{NamespaceIds, ProbeReport, RaisedLimit};
use crate::rootfs::RootfsSource;
use crate::spec::IdMappings;
use crate::volume::Volumes;

/// What the probe saw in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The state.
    pub state: ProcessState,
    /// Fields of the state that are not what a node would show, or that could not be seen, with the reason: `groups`,
    /// `namespaces.user`, `volumes./data`… They prove nothing.
    pub not_shown: BTreeMap<String, String>,
    /// What the root file system was made from.
    pub rootfs: RootfsSource,
    /// What came of raising a limit, in a container that adds SYS_RESOURCE; or why it could not be tried.
    pub raised_limit: Option<Result<RaisedLimit, String>>,
}

/// Takes out of the report what the run could not show. `caller` is the mapping of a run without privilege.
pub(super) fn observed(
    report: ProbeReport,
    raised_limit: Option<Result<RaisedLimit, String>>,
    host: &NamespaceIds,
    container: &EffectiveContainer,
    volumes: &Volumes,
    caller: Option<&IdMappings>,
    rootfs: RootfsSource,
) -> Observed {
    let (mut state, mut not_shown) = report.against(host);
    if let Some(mappings) = caller {
        if !mappings.setgroups {
            state.groups = None;
            not_shown
                .insert("groups".to_owned(), "a user without privilege cannot take on groups; run as root".to_owned());
        }
        if container.namespaces.user == Namespace::Host {
            not_shown.insert(
                "namespaces.user".to_owned(),
                "without privilege the container needs a user namespace of its own; run as root".to_owned(),
            );
        }
    }
    for mount in &container.mounts {
        if let Some(why) = volumes.not_shown.get(&mount.volume) {
            state.volumes.remove(&mount.mount_path);
            state.created_files.remove(&mount.mount_path);
            state.created_files.remove(&mount.mount_path);
            not_shown.insert(format!("volumes.{}", mount.mount_path), why.clone());
        }
    }
    Observed { state, not_shown, rootfs, raised_limit }
}
