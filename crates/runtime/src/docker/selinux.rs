//! SELinux as docker's daemon has it (moby `daemon/create.go`, `generateSecurityOpt`; `daemon/volumes.go`): a pair of
//! categories for each container, the parts that `--security-opt label=` names, no label where the container shares the
//! machine's processes or IPC, and volumes labelled where `:z` or `:Z` asks for it.

use std::path::Path;

use ringfence_context::process::Namespace;
use ringfence_docker::Refusal;
use ringfence_docker::value::MountKind;

use super::{DockerError, DockerRun};
use crate::observe;
use crate::run::selinux::label_path;
use crate::selinux::{ContainerContexts, Label, Named, PodLabels, has_levels};

/// The level of the files of a container without a label; no confined container has both categories by chance alone.
const OF_UNCONFINED: &str = "s0:c1022,c1023";

/// The labels of the container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Labels {
    /// Of its process; none where it is not confined.
    pub(super) process: Option<Label>,
    /// Of its files; none where the kernel has no SELinux.
    pub(super) files: Option<Label>,
}

pub(super) fn labels(run: &DockerRun<'_>) -> Result<Labels, DockerError> {
    if observe::node_facts().selinux != Some(true) {
        return Ok(Labels::default());
    }
    let options = &run.options.security.label;
    let part = |name: &str| options.iter().rev().find_map(|option| option.strip_prefix(name)?.strip_prefix(':'));
    let contexts = ContainerContexts::read();
    let shares = run.container.namespaces.pid == Namespace::Host || run.container.namespaces.ipc == Namespace::Host;
    if run.container.privileged || shares || options.iter().any(|option| option == "disable") {
        let files = Label { level: contexts.file.level.is_some().then(|| OF_UNCONFINED.to_owned()), ..contexts.file };
        return Ok(Labels { process: None, files: Some(files) });
    }
    let level = if has_levels() { Some(run.state.take_levels(part("level"), &[])?.own) } else { None };
    let named =
        Named { user: part("user"), role: part("role"), type_: part("type"), level: None, file_type: part("filetype") };
    let (process, files) = PodLabels::new(contexts, level.as_deref()).with(named);
    Ok(Labels { process: Some(process), files: Some(files) })
}

/// Labels what the command line asks for: `:Z` for this container alone, `:z` for all.
pub(super) fn relabel(run: &DockerRun<'_>, label: &Label) -> Result<(), DockerError> {
    for mount in &run.options.mounts {
        let (MountKind::Bind { source, .. }, Some(how)) = (&mount.kind, mount.relabel) else { continue };
        let level = if how == 'z' { label.level.as_ref().map(|_| "s0".to_owned()) } else { label.level.clone() };
        label_path(Path::new(source), &Label { level, ..label.clone() }).map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            DockerError::Refused(Refusal::daemon(format!("error setting label on mount source '{source}': {cause}")))
        })?;
    }
    Ok(())
}
