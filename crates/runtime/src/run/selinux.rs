//! The SELinux labels of a pod: one level for all its containers, and its files labelled for them, as the kubelet and the
//! runtime do it together (containerd `internal/cri/server/container_create.go`, `internal/cri/opts/spec_linux_opts.go`;
//! kubelet `makeMounts`, SelinuxRelabel).
//!
//! containerd draws a further pair of categories for a container that names a type and no level, which keeps it from the
//! volumes of its own pod. Here it has the pod's level, as with CRI-O.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{Pod, SELinuxOptions};
use ringfence_context::effective::{EffectiveContainer, SeLinux, VolumeKind};

use super::{PodRun, RunError};
use crate::selinux::{self, ContainerContexts, Label, Named, PodLabels};
use crate::spec::{VolumeMount, VolumeSource};
use crate::state::StateDir;
use crate::volume::{OwnOptions, RelabelOptions, relabel};

/// What is decided for the whole pod.
#[derive(Debug)]
pub(super) struct PodSeLinux {
    pub(super) labels: PodLabels,
    /// What people should know of it.
    pub(super) notes: Vec<String>,
    /// Whether containers that ask for no label get one.
    by_default: bool,
}

/// Decides on a kernel with SELinux.
pub(super) fn prepare(pod: &Pod, state: &StateDir) -> Result<PodSeLinux, RunError> {
    let spec = pod.spec.as_ref();
    let of_pod = spec.and_then(|spec| spec.security_context.as_ref()?.se_linux_options.as_ref());
    let init = spec.and_then(|spec| spec.init_containers.as_deref()).unwrap_or_default();
    let main = spec.map(|spec| spec.containers.as_slice()).unwrap_or_default();
    let ephemeral = spec.and_then(|spec| spec.ephemeral_containers.as_deref()).unwrap_or_default();
    let of_ephemeral = ephemeral.iter().map(|one| &one.security_context);
    let contexts = init.iter().chain(main).map(|one| &one.security_context).chain(of_ephemeral);
    let of_containers = contexts.filter_map(|context| context.as_ref()?.se_linux_options.as_ref());
    let level = |options: &SELinuxOptions| options.level.clone().filter(|level| !level.is_empty());
    let named: Vec<String> = of_containers.filter_map(level).collect();

    let contexts = ContainerContexts::read();
    let mut notes = Vec::new();
    let own = if selinux::has_levels() {
        let taken = state.take_levels(of_pod.and_then(level).as_deref(), &named)?;
        notes.extend(taken.shared.iter().map(|level| {
            format!("another pod runs with the SELinux level {level}: each can access the other's volumes; give each a level of its own")
        }));
        Some(taken.own)
    } else {
        None
    };
    let declared = contexts.declared;
    let labels = PodLabels::new(contexts, own.as_deref());
    let by_default = declared || labels.process.is_known() && labels.file.is_known();
    if !by_default {
        notes.push(
            "the SELinux policy names no labels for containers (lxc_contexts): those without seLinuxOptions get none, as on a node"
                .to_owned(),
        );
    }
    Ok(PodSeLinux { labels, notes, by_default })
}

impl PodSeLinux {
    /// The labels of the container's process and of its files.
    pub(super) fn of(&self, container: &EffectiveContainer) -> Option<(Option<Label>, Label)> {
        let labels = match container.selinux.get()? {
            SeLinux::Label { user, role, type_, level } => self.labels.with(Named {
                user: user.as_deref(),
                role: role.as_deref(),
                type_: type_.as_deref(),
                level: level.as_deref(),
                file_type: None,
            }),
            SeLinux::Runtime | SeLinux::Unconfined if self.by_default => self.labels.with(Named::default()),
            _ => return None,
        };
        let privileged = container.selinux.get() == Some(&SeLinux::Unconfined);
        Some(((!privileged).then_some(labels.0), labels.1))
    }
}

impl PodRun<'_> {
    /// What people should know of the pod's SELinux labels before it runs.
    pub fn selinux_notes(&self) -> &[String] {
        self.selinux.as_ref().map_or(&[], |selinux| &selinux.notes)
    }

    /// Labels what is the pod's own for the container: its root directory, its files for /etc, and the volumes that lie in
    /// the state directory, each for the first container that mounts it. The machine's own paths stay as they are.
    pub(super) fn label(
        &self,
        container: &EffectiveContainer,
        label: &Label,
        root: &Path,
        volumes: &[VolumeMount],
    ) -> Result<(), RunError> {
        let etc = [&self.etc.hosts, &self.etc.hostname, &self.etc.resolv_conf];
        let mut paths: Vec<PathBuf> = etc.into_iter().flatten().chain(&self.shm).cloned().collect();
        if root.starts_with(self.options.state.path()) {
            paths.push(root.to_path_buf());
        }
        let mut labelled = self.labelled.borrow_mut();
        let mut now = BTreeSet::new();
        for (mount, volume) in container.mounts.iter().zip(volumes) {
            let VolumeSource::Path(path) = &volume.source else { continue };
            let is_of_machine = matches!(mount.kind, VolumeKind::HostPath { .. })
                && !self.volumes.stand_ins.contains_key(&mount.volume);
            let is_own = path.starts_with(self.options.state.path()) && !is_of_machine;
            if is_own && !labelled.contains(&mount.volume) {
                paths.push(path.clone());
                now.insert(mount.volume.clone());
            }
        }
        labelled.append(&mut now);
        paths.iter().try_for_each(|path| label_path(path, label))
    }
}

/// Labels a tree; a file system that has no labels is left as it is.
pub(crate) fn label_path(path: &Path, label: &Label) -> Result<(), RunError> {
    let what = || format!("relabel {:?} with {:?}", path.display().to_string(), label.to_string());
    let failed = |source| RunError::Machinery { what: what(), source };
    let options = RelabelOptions { threads: OwnOptions::default().threads, dry_run: false, progress: None };
    let done = relabel(path, &label.to_string(), &options).map_err(|error| failed(std::io::Error::other(error)))?;
    match done.first_failure {
        Some((_, error)) if error.raw_os_error() != Some(libc::EOPNOTSUPP) => Err(failed(error)),
        _ => Ok(()),
    }
}
