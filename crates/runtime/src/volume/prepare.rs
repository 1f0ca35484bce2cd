//! Preparing the volumes of a pod, once for all of its containers, and mounting them in each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{self as core, Pod, Volume};
use ringfence_context::effective::{EffectiveContainer, EffectiveMount, EffectivePod, Medium, VolumeKind};
use ringfence_context::origin::Value;
use ringfence_context::process::Namespace;

use super::host_path::HostPath;
use super::id_mapped::IdMapped;
use super::own::{ChangePolicy, Ownership, own};
use super::payload::{self, Missing, Payload};
use super::sub_path::SubPathError;
use super::{Objects, VolumeError, atomic, downward, empty_dir, given, host_path, invalid, stand_in, sub_path};
use crate::spec::{IdMappings, VolumeMount, VolumeSource, expand_known};
use crate::state::StateDir;
use crate::subordinate::Helper;

/// How to prepare.
#[derive(Clone, Copy)]
pub(crate) struct PrepareOptions<'a> {
    /// Where.
    pub state: &'a StateDir,
    /// ConfigMaps and Secrets.
    pub objects: &'a dyn Objects,
    /// The user namespace in which the volumes are seen, when the pod has its own.
    pub id_mappings: Option<&'a IdMappings>,
    /// What gives files to the pod's groups where the caller may not.
    pub helper: Option<&'a Helper<'a>>,
    /// Whether tmpfs can be mounted and files be given to anybody.
    pub privileged: bool,
    /// Directories of the machine in place of volumes that only a cluster has.
    pub given: Option<&'a BTreeMap<String, PathBuf>>,
    /// Whether what a hostPath lacks may be made on the machine as a node makes it. Otherwise something empty stands in.
    pub create_host_paths: bool,
}

/// The volumes of a pod.
#[derive(Debug, Default)]
pub struct Volumes {
    prepared: BTreeMap<String, VolumeSource>,
    /// Those that are shown to users of the pod's own through id-mapped mounts, and how.
    mapped: BTreeSet<String>,
    id_mapped: Option<IdMapped>,
    /// Where what `subPath` names is mounted; `None` where nothing can be mounted.
    sub_paths: Option<PathBuf>,
    /// Volumes whose owner and mode are not what a node would show, with the reason.
    pub not_shown: BTreeMap<String, String>,
    /// Volumes that something empty stands in for, in whole or in part, with the reason.
    pub stand_ins: BTreeMap<String, String>,
    /// What became of fsGroup in the directories that were given.
    pub given: BTreeMap<String, String>,
    /// What was made on the machine itself.
    pub created: BTreeSet<PathBuf>,
}

/// Prepares the volumes that containers mount.
pub(crate) fn prepare(
    pod: &Pod,
    effective: &EffectivePod,
    options: PrepareOptions<'_>,
) -> Result<Volumes, VolumeError> {
    let mut volumes = Volumes::default();
    if let (true, Some(mappings)) = (options.privileged, options.id_mappings)
        && effective.containers.iter().any(|container| !container.mounts.is_empty())
    {
        volumes.id_mapped = Some(IdMapped::new(options.state, mappings)?);
    }
    given::check(pod, effective, options.given)?;
    let declared = pod.spec.as_ref().and_then(|spec| spec.volumes.as_deref()).unwrap_or_default();
    let mounts: Vec<&EffectiveMount> = effective.containers.iter().flat_map(|container| &container.mounts).collect();
    for mount in &mounts {
        if volumes.prepared.contains_key(&mount.volume) {
            continue;
        }
        let of_template;
        let volume = match declared.iter().find(|volume| volume.name == mount.volume) {
            Some(volume) => volume,
            // A StatefulSet's claim, which its pods have as a volume.
            None if matches!(mount.kind, VolumeKind::PersistentVolumeClaim { .. }) => {
                of_template = Volume { name: mount.volume.clone(), ..Volume::default() };
                &of_template
            }
            None => return Err(VolumeError::NotDeclared { volume: mount.volume.clone() }),
        };
        check_name(&volume.name)?;
        let uses: Vec<&EffectiveMount> = mounts.iter().copied().filter(|other| other.volume == mount.volume).collect();
        let source = One { pod, effective, volume, mount, options, volumes: &mut volumes }.prepare(&uses)?;
        volumes.prepared.insert(volume.name.clone(), source);
    }
    if options.privileged && mounts.iter().any(|mount| mount.sub_path.is_some()) {
        volumes.sub_paths = Some(options.state.dir("subpaths", 0o755)?);
    }
    // What is not there at all has no owner to show either.
    volumes.not_shown.extend(volumes.stand_ins.clone());
    Ok(volumes)
}

impl Volumes {
    /// The mounts of one container. `declared` are those of the manifest, from which the propagation comes, and
    /// `env` the container's variables, for `subPathExpr`.
    pub fn mounts(
        &self,
        container: &EffectiveContainer,
        declared: &[core::VolumeMount],
        env: &BTreeMap<&str, &str>,
    ) -> Result<Vec<VolumeMount>, VolumeError> {
        container
            .mounts
            .iter()
            .enumerate()
            .map(|(index, mount)| {
                let source = self
                    .prepared
                    .get(&mount.volume)
                    .ok_or_else(|| VolumeError::NotDeclared { volume: mount.volume.clone() })?;
                // The kubelet puts a slash before a relative path.
                let at = |path: &str| path == mount.mount_path || mount.mount_path.strip_prefix('/') == Some(path);
                let declared = declared.iter().find(|it| it.name == mount.volume && at(&it.mount_path));
                let expression = declared.and_then(|mount| mount.sub_path_expr.as_deref()).unwrap_or_default();
                let expanded = if expression.is_empty() { None } else { Some(expanded(mount, expression, env)?) };
                let path = expanded.as_deref().or(mount.sub_path.as_deref()).filter(|path| !path.is_empty());
                let source = match (source, path) {
                    (VolumeSource::Path(root), Some(path)) => self.sub_path(container, index, root, path)?,
                    (source, _) => source.clone(),
                };
                let source = match (source, &self.id_mapped) {
                    (VolumeSource::Path(path), Some(id_mapped)) if self.mapped.contains(&mount.volume) => {
                        VolumeSource::Path(id_mapped.show(&mount.volume, &path, &mount_name(container, index))?)
                    }
                    (source, _) => source,
                };
                let recursive = declared.and_then(|mount| mount.recursive_read_only.as_deref());
                Ok(VolumeMount {
                    mount_path: mount.mount_path.clone(),
                    source,
                    read_only: mount.read_only.get().copied().unwrap_or(false),
                    recursive_read_only: matches!(recursive, Some("Enabled" | "IfPossible")),
                    propagation: declared.and_then(|mount| mount.mount_propagation.clone()).unwrap_or_default(),
                })
            })
            .collect()
    }

    /// What `sub_path` is in the volume at `root`, for the container's mount with this index.
    fn sub_path(
        &self,
        container: &EffectiveContainer,
        index: usize,
        root: &Path,
        sub_path: &str,
    ) -> Result<VolumeSource, VolumeError> {
        let find = || -> Result<VolumeSource, SubPathError> {
            let held = sub_path::resolve(root, sub_path)?;
            // Where nothing can be mounted it is mounted by its path, and the container that mounts it makes sure that
            // it is this: another container of the pod could put a link in its place.
            let Some(dir) = &self.sub_paths else { return sub_path::held(held).map(VolumeSource::Held) };
            let target = dir.join(mount_name(container, index));
            if !sub_path::is_mounted(&held, &target)? {
                sub_path::mount(&held, &target)?;
            }
            Ok(VolumeSource::Path(target))
        };
        find().map_err(|source| VolumeError::SubPath {
            what: match source {
                SubPathError::Make { .. } => "create subPath directory",
                _ => "prepare subPath",
            },
            volume: container.mounts.get(index).map(|mount| mount.volume.clone()).unwrap_or_default(),
            container: container.name.clone(),
            source,
        })
    }
}

/// A name in a directory for one of a container's mounts, whatever a manifest that no API server has seen calls its
/// container.
/// What `subPathExpr` comes to, which must lie in the volume (kubelet, `makeMounts`).
fn expanded(mount: &EffectiveMount, expression: &str, env: &BTreeMap<&str, &str>) -> Result<String, VolumeError> {
    let path = expand_known(expression, env)
        .map_err(|name| invalid(&mount.volume, format!("missing value for {name:?} (subPathExpr)")))?;
    if path.starts_with('/') {
        return Err(invalid(&mount.volume, format!("error SubPath `{path}` must not be an absolute path")));
    }
    if path.split('/').any(|part| part == "..") {
        return Err(invalid(&mount.volume, format!("unable to provision SubPath `{path}`: must not contain '..'")));
    }
    Ok(path)
}

fn mount_name(container: &EffectiveContainer, index: usize) -> String {
    format!("{}.{index}", container.name.replace('/', "_"))
}

/// The `/dev/shm` that the containers of a pod share: `None` where there is one container, which has its own, or where
/// the pod shares the node's.
pub(crate) fn shared_memory(
    state: &StateDir,
    pod: &EffectivePod,
    id_mappings: Option<&IdMappings>,
    privileged: bool,
) -> Result<Option<PathBuf>, VolumeError> {
    // The size that containerd's sandbox gives it.
    const SIZE: u64 = 64 << 20;
    if pod.containers.len() < 2 || pod.namespaces.ipc == Namespace::Host {
        return Ok(None);
    }
    // No volume's name has a dot.
    let dir = if privileged {
        empty_dir::in_memory(state, "dev.shm", Some(SIZE))?
    } else {
        empty_dir::on_disk(state, "dev.shm", empty_dir::MEMORY_MODE)?
    };
    if let (true, Some(mappings)) = (privileged, id_mappings)
        && let (Some(uid), Some(gid)) = (mappings.outside_uid(0), mappings.outside_gid(0))
    {
        chown_tree("dev.shm", &dir, uid, gid)?;
    }
    Ok(Some(dir))
}

/// A volume's name becomes that of a directory; the API admits DNS labels only.
fn check_name(name: &str) -> Result<(), VolumeError> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.is_empty() && name.len() <= 63 && name.chars().all(fits) {
        Ok(())
    } else {
        Err(invalid(name, "the name is not a DNS label"))
    }
}

struct One<'a, 'n> {
    pod: &'a Pod,
    effective: &'a EffectivePod,
    volume: &'a Volume,
    mount: &'a EffectiveMount,
    options: PrepareOptions<'a>,
    volumes: &'n mut Volumes,
}

impl One<'_, '_> {
    fn prepare(mut self, uses: &[&EffectiveMount]) -> Result<VolumeSource, VolumeError> {
        let name = self.volume.name.clone();
        let state = self.options.state;
        if let Some(dir) = self.options.given.and_then(|given| given.get(&name)) {
            return self.given(dir);
        }
        match &self.mount.kind {
            VolumeKind::EmptyDir { medium: Medium::Disk, .. } => {
                let dir = empty_dir::on_disk(state, &name, empty_dir::DISK_MODE)?;
                self.give(dir, false)
            }
            VolumeKind::EmptyDir { medium: Medium::Memory, size_limit } => {
                let gid = self.fs_group();
                let alone = uses.len() == 1 && uses.iter().all(|mount| mount.sub_path.is_none());
                if alone {
                    // What fsGroup makes of the mode of a tmpfs.
                    let mode = empty_dir::MEMORY_MODE | if gid.is_some() { 0o2770 } else { 0 };
                    if let Some(gid) = gid
                        && self.options.id_mappings.is_some_and(|mappings| mappings.outside_gid(gid).is_none())
                    {
                        return Ok(self.without_group(gid, VolumeSource::Tmpfs { mode, gid: None, size: *size_limit }));
                    }
                    return Ok(VolumeSource::Tmpfs { mode, gid, size: *size_limit });
                }
                if self.options.privileged {
                    let dir = empty_dir::in_memory(state, &name, *size_limit)?;
                    return self.give(dir, false);
                }
                let dir = empty_dir::on_disk(state, &name, empty_dir::MEMORY_MODE)?;
                self.give(dir, false)
            }
            VolumeKind::HostPath { path, type_ } => self.host_path(path, type_),
            VolumeKind::ConfigMap { .. } => {
                let Some(source) = &self.volume.config_map else {
                    return self.stand_in(&stand_in::kind("configMap"), empty_dir::DISK_MODE);
                };
                let payload = payload::config_map(&name, source, self.options.objects)?;
                self.files(&payload, false)
            }
            VolumeKind::Secret { .. } => {
                let Some(source) = &self.volume.secret else {
                    return self.stand_in(&stand_in::kind("secret"), empty_dir::DISK_MODE);
                };
                let payload = payload::secret(&name, source, self.options.objects)?;
                self.files(&payload, true)
            }
            VolumeKind::Projected => {
                let Some(source) = &self.volume.projected else {
                    return self.stand_in(&stand_in::kind("projected"), empty_dir::DISK_MODE);
                };
                let mut missing = Missing::default();
                let payload = payload::projected(&name, source, self.pod, self.options.objects, &mut missing)?;
                self.missing(&missing);
                self.files(&payload, true)
            }
            VolumeKind::DownwardApi => {
                let Some(source) = &self.volume.downward_api else {
                    return self.stand_in(&stand_in::kind("downwardAPI"), empty_dir::DISK_MODE);
                };
                let items = source.items.as_deref().unwrap_or_default();
                let mut missing = Missing::default();
                let mode = source.default_mode.unwrap_or(0o644);
                let payload = downward::payload(&name, items, mode, self.pod, &mut missing)?;
                self.missing(&missing);
                self.files(&payload, true)
            }
            VolumeKind::EmptyDir { medium: Medium::HugePages, .. } => {
                self.stand_in("a file system of huge pages", 0o755)
            }
            VolumeKind::PersistentVolumeClaim { .. } => self.stand_in("a claim", empty_dir::DISK_MODE),
            VolumeKind::Other { type_ } => self.stand_in(&stand_in::kind(type_), empty_dir::DISK_MODE),
        }
    }

    /// A directory of the machine, with the pod's group where the kubelet would give it to the volume.
    fn given(&mut self, dir: &Path) -> Result<VolumeSource, VolumeError> {
        let name = self.volume.name.clone();
        let shown = dir.display();
        if self.volumes.id_mapped.is_some() {
            self.volumes.mapped.insert(name.clone());
        }
        let said = match &self.mount.fs_group {
            Value::Known { value: None, .. } => None,
            Value::Unknown { unknown } => Some(format!("{shown} keeps its groups: {unknown}")),
            // Without root there is no other way to show the directory's IDs.
            Value::Known { .. } if self.options.id_mappings.is_some() && self.volumes.id_mapped.is_none() => {
                Some(format!("{shown} keeps its groups: in the pod's user namespace they are other ones"))
            }
            Value::Known { value: Some(group), .. } => {
                let context = self.pod.spec.as_ref().and_then(|spec| spec.security_context.as_ref());
                let policy = context.and_then(|context| context.fs_group_change_policy.as_deref());
                let policy = match policy {
                    Some("OnRootMismatch") => ChangePolicy::OnRootMismatch,
                    _ => ChangePolicy::Always,
                };
                let claim = self.volume.persistent_volume_claim.as_ref();
                let read_only = claim.is_some_and(|claim| claim.read_only == Some(true));
                let ownership = Ownership { fs_group: *group, policy, read_only };
                let owned = own(dir, ownership).map_err(|source| VolumeError::Own { volume: name.clone(), source })?;
                match (owned.failed, &owned.first_hard_link) {
                    (1.., _) => Some(format!(
                        "{} of {} entries of {shown} could not be given to group {group}",
                        owned.failed, owned.entries
                    )),
                    (0, Some(link)) => Some(format!(
                        "{} has another name, which may lie outside of {shown}: group {group} has it, too",
                        link.display()
                    )),
                    (0, None) => None,
                }
            }
        };
        self.volumes.given.extend(said.map(|said| (name, said)));
        Ok(VolumeSource::Path(dir.to_path_buf()))
    }

    /// An empty directory in place of `what`.
    fn stand_in(&mut self, what: &str, mode: u32) -> Result<VolumeSource, VolumeError> {
        self.volumes.stand_ins.insert(self.volume.name.clone(), stand_in::directory(what));
        let dir = empty_dir::on_disk(self.options.state, &self.volume.name, mode)?;
        self.give(dir, false)
    }

    /// Says which files are empty because only a cluster has their content.
    fn missing(&mut self, missing: &Missing) {
        self.volumes.stand_ins.extend(missing.reason().map(|reason| (self.volume.name.clone(), reason)));
    }

    /// A path of the machine, or where something would have to be made and may not, something empty.
    fn host_path(&mut self, path: &str, type_: &str) -> Result<VolumeSource, VolumeError> {
        let name = &self.volume.name;
        // Of the machine's own file systems: whether they take it shows when it is mounted.
        if self.volumes.id_mapped.is_some() {
            self.volumes.mapped.insert(name.clone());
        }
        let may = |path: &Path| self.options.create_host_paths && host_path::can_make(path);
        let mut stand_in = |path: &Path, what: &str| {
            let reason =
                format!("{} is not there, and is not made: an empty {what} stands in for the volume", path.display());
            self.volumes.stand_ins.insert(name.clone(), reason);
        };
        let host = match host_path::prepare(name, path, type_, may(Path::new(path)))? {
            HostPath::There(host) => host,
            HostPath::Made(host) => {
                self.volumes.created.insert(PathBuf::from(path));
                host
            }
            HostPath::NoFile => {
                stand_in(Path::new(path), "file");
                return Ok(VolumeSource::Path(stand_in::make_file(self.options.state, name)?));
            }
            HostPath::NoDirectory => {
                stand_in(Path::new(path), "directory");
                return Ok(VolumeSource::Path(empty_dir::on_disk(self.options.state, name, 0o755)?));
            }
        };
        if let Some(missing) = stand_in::would_be_made(self.effective, name, &host)
            && !may(&missing)
        {
            stand_in(&missing, "directory");
            return Ok(VolumeSource::Path(empty_dir::on_disk(self.options.state, name, 0o755)?));
        }
        for sub_path in self.effective.containers.iter().flat_map(|container| &container.mounts) {
            let Some(sub_path) = sub_path.sub_path.as_deref().filter(|_| sub_path.volume == *name) else { continue };
            let path = host.join(sub_path);
            if !path.exists() {
                self.volumes.created.insert(path);
            }
        }
        Ok(VolumeSource::Path(host))
    }

    /// Files of an object: in memory where they are secret or come from the pod, as the kubelet keeps them.
    fn files(&mut self, payload: &Payload, in_memory: bool) -> Result<VolumeSource, VolumeError> {
        let (state, name) = (self.options.state, &self.volume.name);
        let dir = match (in_memory, self.options.privileged) {
            (true, true) => empty_dir::in_memory(state, name, None)?,
            (true, false) => empty_dir::on_disk(state, name, empty_dir::MEMORY_MODE)?,
            (false, _) => empty_dir::on_disk(state, name, empty_dir::DISK_MODE)?,
        };
        atomic::write(name, &dir, payload)?;
        self.give(dir, true)
    }

    /// Gives the directory to root of the pod, and to fsGroup where it applies.
    fn give(&mut self, dir: PathBuf, read_only: bool) -> Result<VolumeSource, VolumeError> {
        let name = &self.volume.name;
        let is_mapped = self.volumes.id_mapped.as_ref().is_some_and(|id_mapped| id_mapped.takes(&dir));
        if is_mapped {
            self.volumes.mapped.insert(name.clone());
        } else if let Some(mappings) = self.options.id_mappings {
            // Nobody else sees a volume that was made for the pod, so that it can as well belong to the IDs themselves.
            match (self.options.privileged, mappings.outside_uid(0), mappings.outside_gid(0)) {
                (true, Some(uid), Some(gid)) => chown_tree(name, &dir, uid, gid)?,
                // The pod's root is the caller, to whom it belongs already.
                _ if self.options.helper.is_some() => {}
                _ => {
                    self.volumes.not_shown.insert(
                        name.clone(),
                        "the volume belongs to the user who runs this, since no files can be given to others"
                            .to_owned(),
                    );
                }
            }
        }
        let Some(group) = self.fs_group() else { return Ok(VolumeSource::Path(dir)) };
        let outside = match self.options.id_mappings {
            Some(mappings) if !is_mapped => mappings.outside_gid(group),
            _ => Some(group),
        };
        let Some(outside) = outside else { return Ok(self.without_group(group, VolumeSource::Path(dir))) };
        if let Some(helper) = self.options.helper {
            let ownership = Ownership { fs_group: group, policy: ChangePolicy::Always, read_only };
            helper
                .own(&dir, ownership)
                .map_err(|error| VolumeError::Give { volume: name.clone(), source: std::io::Error::other(error) })?;
            return Ok(VolumeSource::Path(dir));
        }
        let ownership = Ownership { fs_group: outside, policy: ChangePolicy::Always, read_only };
        let owned = own(&dir, ownership).map_err(|source| VolumeError::Own { volume: name.clone(), source })?;
        if owned.failed > 0 {
            return Ok(self.without_group(group, VolumeSource::Path(dir)));
        }
        Ok(VolumeSource::Path(dir))
    }

    fn without_group(&mut self, group: u32, source: VolumeSource) -> VolumeSource {
        self.volumes.not_shown.insert(
            self.volume.name.clone(),
            format!("files cannot be given to group {group} without root or a subordinate group ID"),
        );
        source
    }

    fn fs_group(&self) -> Option<u32> {
        match &self.mount.fs_group {
            Value::Known { value, .. } => *value,
            Value::Unknown { .. } => None,
        }
    }
}

/// Changes the owner of all that was just written below `dir`, which nobody else could enter yet.
fn chown_tree(volume: &str, dir: &Path, uid: u32, gid: u32) -> Result<(), VolumeError> {
    let mut open = vec![dir.to_path_buf()];
    while let Some(path) = open.pop() {
        std::os::unix::fs::lchown(&path, Some(uid), Some(gid)).map_err(super::io_error(
            volume,
            "change the owner of",
            &path,
        ))?;
        let is_dir = std::fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir());
        if is_dir {
            for entry in std::fs::read_dir(&path).map_err(super::io_error(volume, "list", &path))? {
                open.push(entry.map_err(super::io_error(volume, "list", &path))?.path());
            }
        }
    }
    Ok(())
}
