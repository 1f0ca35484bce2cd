//! Running a pod's containers here: volumes, root file system, spec and engine put together, and what the probe saw.

mod app_armor;
pub mod attach;
mod error;
mod etc;
mod home;
pub mod life;
pub mod log;
mod mapping;
mod names;
mod observed;
pub(crate) mod pipe;
mod probe_binary;
mod resolv_conf;
mod restore;
mod sandbox;
mod seccomp;
pub(crate) mod selinux;
pub mod signals;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{self as core, Pod};
use ringfence_context::effective::{EffectiveContainer, EffectivePod, VolumeKind};
use ringfence_context::process::Namespace;

use crate::app_armor::Presence;
use crate::cgroup::{self, NotApplied};
use crate::engine::{Engine, Exit, Launch, Running, Stdio};
use crate::observe::{self, NamespaceIds};
use crate::probe;
use crate::rootfs::{self, Rootfs, RootfsOptions, RootfsRequest};
use crate::spec::{self, EtcFiles, HostFacts, IdMappings, JoinedNamespaces, ProcessArgs, SpecOptions};
use crate::state::StateDir;
use crate::subordinate::Helper;
use crate::volume::{self, Objects, Volumes};

pub use error::{RunError, RunRefusal};
pub use observed::Observed;
pub(crate) use probe_binary::probe_binary;
pub(crate) use restore::main as restore_main;
pub(crate) use sandbox::main as sandbox_main;

/// What a run needs beside the pod.
#[derive(Clone, Copy)]
pub struct RunOptions<'a> {
    /// Where everything is prepared.
    pub state: &'a StateDir,
    /// A static program that ends up in [`crate::inside::main`]: the probe.
    pub binary: &'a Path,
    /// ConfigMaps and Secrets that came with the pod.
    pub objects: &'a dyn Objects,
    /// The directory of Localhost seccomp profiles, when there is one.
    pub seccomp_root: Option<&'a Path>,
    /// Directories of this machine in place of volumes that only a cluster has, by the volume's name.
    pub given_volumes: Option<&'a BTreeMap<String, PathBuf>>,
    /// Whether what a hostPath lacks may be made on the machine, as a node makes it; [`PodRun::created_paths`] says what
    /// was. Otherwise nothing outside `state` is changed, and something empty stands in.
    pub create_host_paths: bool,
}

/// A pod whose volumes and files are prepared.
pub struct PodRun<'a> {
    options: RunOptions<'a>,
    pod: &'a Pod,
    effective: &'a EffectivePod,
    volumes: Volumes,
    etc: EtcFiles,
    shm: Option<PathBuf>,
    host: HostFacts,
    namespaces: NamespaceIds,
    mappings: Option<IdMappings>,
    unprivileged: bool,
    /// The cgroup around those of the containers; made when the first one starts.
    group: std::cell::OnceCell<cgroup::Prepared>,
    serial: Cell<u32>,
    sandbox: RefCell<Option<Started>>,
    join: Cell<JoinedNamespaces>,
    /// Whether each container's spec is kept for `exec`.
    keep_specs: Cell<bool>,
    /// What was seen of the AppArmor profiles that containers start under.
    profiles: RefCell<BTreeMap<String, Presence>>,
    /// What is decided of SELinux labels, where the kernel has them.
    selinux: Option<selinux::PodSeLinux>,
    /// The volumes that are labelled already.
    labelled: RefCell<BTreeSet<String>>,
}

/// A started container; dropping it ends it and removes what was prepared for it.
pub struct Started {
    // Dropped in this order: an engine needs its directory to end the container.
    running: Box<dyn Running>,
    _work_dir: WorkDir,
    /// What its root file system was made from.
    pub source: rootfs::RootfsSource,
    /// Whether a cgroup was made for it.
    pub cgroup: bool,
}

impl Started {
    /// The engine's handle.
    pub fn running(&mut self) -> &mut dyn Running {
        &mut *self.running
    }
}

/// An engine's directory, removed at the end.
struct WorkDir(PathBuf);

impl Drop for WorkDir {
    fn drop(&mut self) {
        // The state directory's end removes the rest, and this too where it fails.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl<'a> PodRun<'a> {
    /// Prepares what the pod's containers share. One user namespace mapping holds for all of them; without privilege it
    /// is made for the user of `first`.
    pub fn prepare(
        pod: &'a Pod,
        effective: &'a EffectivePod,
        first: &EffectiveContainer,
        options: RunOptions<'a>,
    ) -> Result<Self, RunError> {
        if let Some(refusal) = &effective.refusal {
            return Err(RunError::Refused(refusal.into()));
        }
        let unprivileged = !observe::is_privileged();
        let own_user = effective.namespaces.user == Namespace::Own;
        let mappings = mapping::choose(effective, first, own_user, unprivileged, options.state)?;
        let helper = match &mappings {
            Some(mappings) if unprivileged && mappings.setgroups => Some(
                Helper::new(mappings, options.binary)
                    .map_err(io::Error::other)
                    .map_err(RunError::machinery("look after files of subordinate IDs"))?,
            ),
            _ => None,
        };
        if mappings.is_some() {
            options.state.let_others_pass()?;
        }
        let privileged_container =
            effective.containers.iter().any(|container| container.privileged.get().copied().unwrap_or(false));
        let volumes = volume::prepare(
            pod,
            effective,
            volume::PrepareOptions {
                state: options.state,
                objects: options.objects,
                id_mappings: mappings.as_ref(),
                helper: helper.as_ref(),
                privileged: !unprivileged,
                create_host_paths: options.create_host_paths,
                given: options.given_volumes,
            },
        )?;
        let etc = etc::write(options.state, pod, effective)?;
        if let (false, Some(mappings)) = (unprivileged, &mappings) {
            etc::give(&etc, mappings)?;
        }
        let shm = volume::shared_memory(options.state, effective, mappings.as_ref(), !unprivileged)?;
        let mut not_seen = BTreeMap::new();
        let namespaces = observe::namespace_ids("self", &mut not_seen);
        if let Some((field, why)) = not_seen.pop_first() {
            let what = format!("see the machine's own {field}");
            return Err(RunError::Machinery { what, source: io::Error::other(why) });
        }
        let host = observe::host_facts(privileged_container);
        let selinux = host.selinux.then(|| selinux::prepare(pod, options.state)).transpose()?;
        Ok(Self {
            options,
            pod,
            effective,
            volumes,
            etc,
            shm,
            host,
            namespaces,
            mappings,
            unprivileged,
            group: std::cell::OnceCell::new(),
            serial: Cell::new(0),
            sandbox: RefCell::new(None),
            join: Cell::new(JoinedNamespaces::default()),
            keep_specs: Cell::new(false),
            profiles: RefCell::default(),
            selinux,
            labelled: RefCell::default(),
        })
    }

    /// The volumes that something empty stands in for, in whole or in part, because only a cluster can provide them or
    /// the machine lacks them: the reason by the volume's name.
    pub fn stand_ins(&self) -> &BTreeMap<String, String> {
        &self.volumes.stand_ins
    }

    /// What became of the directories that were given for volumes, by the volume's name.
    pub fn given_volumes(&self) -> &BTreeMap<String, String> {
        &self.volumes.given
    }

    /// What was or will be made on the machine itself for the pod's hostPath volumes. It stays there, as on a node.
    pub fn created_paths(&self) -> &BTreeSet<PathBuf> {
        &self.volumes.created
    }

    /// Makes the cgroup around those of the containers, where the pod's `resources` ask for any, and says which limits
    /// cannot be had here. An external engine makes its own groups, for the containers alone.
    pub fn not_limited(&self, engine: &dyn Engine) -> Result<&[NotApplied], RunError> {
        self.group(engine).map(|group| group.not_applied.as_slice())
    }

    fn group(&self, engine: &dyn Engine) -> Result<&cgroup::Prepared, RunError> {
        if let Some(group) = self.group.get() {
            return Ok(group);
        }
        let group = match &self.effective.resources {
            Some(resources) if engine.makes_groups_here() => {
                let together = spec::limits(&resources.limits)?;
                let mut needed = cgroup::controllers(&together);
                for own in self.effective.containers.iter().filter_map(|container| container.resources.as_ref()) {
                    needed.extend(cgroup::controllers(&spec::limits(own)?));
                }
                let name = format!("ringfence-{}", self.run_name());
                cgroup::prepare(self.options.state, &name, &together, &needed)
                    .map_err(|failure| RunError::Limits { source: Box::new(failure) })?
            }
            _ => cgroup::Prepared::default(),
        };
        Ok(self.group.get_or_init(|| group))
    }

    /// Starts a sandbox whose IPC, network and UTS namespaces, and PID namespace where the pod shares it, the containers
    /// started from now on join. Without it each has namespaces of its own.
    pub fn share_namespaces(&self, engine: &dyn Engine) -> Result<(), RunError> {
        let Some(first) = self.effective.containers.first() else { return Ok(()) };
        if self.sandbox.borrow().is_some() {
            return Ok(());
        }
        let container = sandbox::container(self.effective, first);
        let (process, mount) = sandbox::command(&self.probe_binary()?);
        let stdio = sandbox::silence().map_err(RunError::machinery("open /dev/null"))?;
        let root = RootfsRequest::Empty;
        let mut started = self.start_with(engine, &container, &root, &process, stdio, &[mount])?;
        self.join.set(sandbox::joined(self.effective, started.running().pid()));
        self.sandbox.replace(Some(started));
        Ok(())
    }

    /// Keeps the spec of each container that is started from now on in the state directory, for `exec`.
    pub fn keep_specs(&self) {
        self.keep_specs.set(true);
    }

    /// Runs the probe in place of the container's command and returns what it saw.
    pub fn probe(
        &self,
        engine: &dyn Engine,
        container: &EffectiveContainer,
        rootfs: &RootfsRequest<'_>,
        process: &ProcessArgs,
    ) -> Result<Observed, RunError> {
        let mut looks: Vec<String> = container
            .mounts
            .iter()
            .map(|mount| {
                // Nothing is written to directories of the machine itself.
                let own = !matches!(mount.kind, VolumeKind::HostPath { .. });
                format!("{}{}", if own { probe::WITH_FILE } else { probe::AS_IT_IS }, mount.mount_path)
            })
            .collect();
        let (mut mounts, mut no_program) = (Vec::new(), None);
        if container.capabilities.adds("SYS_RESOURCE") {
            let program = self.raising_program(container);
            let path = if matches!(program, Ok(Some(_))) { probe::RAISE_PATH } else { "" };
            looks.push(format!("{}{path}", probe::RAISE));
            match program {
                Ok(program) => mounts.extend(program.map(|program| probe::raise_mount(&program))),
                // It is one of two ways to show something, and no part of the container.
                Err(error) => no_program = Some(with_cause(&error)),
            }
        }
        let (args, mount) = probe::command(&self.probe_binary()?, &looks);
        mounts.push(mount);
        let process = ProcessArgs { args, ..process.clone() };
        let pipe = pipe::Pipes::new().map_err(RunError::machinery("make pipes for the probe"))?;
        let (stdio, reader) = pipe.split();
        let mut started = self.start_with(engine, container, rootfs, &process, stdio, &mounts)?;
        let (out, err, in_time) = reader.read().map_err(RunError::machinery("read what the probe says"))?;
        if !in_time {
            started.running().signal(libc::SIGKILL)?;
        }
        let exit = started.running().wait()?;
        let mut lines = out.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{"));
        let report = lines.next().and_then(|line| serde_json::from_slice(line).ok());
        let raised = container.capabilities.adds("SYS_RESOURCE").then(|| {
            let ended = || Err(format!("the probe ended while it tried: {exit:?}"));
            let mut raised: Result<observe::RaisedLimit, _> =
                lines.next().and_then(|line| serde_json::from_slice(line).ok()).unwrap_or_else(ended);
            if let (Ok(raised), Some(error)) = (&mut raised, no_program) {
                let failed = observe::Attempt { error: Some(error), ..observe::Attempt::default() };
                raised.program.get_or_insert(failed);
            }
            raised
        });
        match (report, exit) {
            (Some(report), _) => Ok(observed::observed(
                report,
                raised,
                &self.namespaces,
                container,
                &self.volumes,
                self.unprivileged.then_some(self.mappings.as_ref()).flatten(),
                started.source.clone(),
            )),
            (None, exit) => {
                Err(RunError::Probe { exit, stderr: String::from_utf8_lossy(&err).trim().to_owned(), in_time })
            }
        }
    }

    /// The program through which a user who is not root gets SYS_RESOURCE, where that can make a difference: the
    /// capability raises no limit in a user namespace.
    fn raising_program(&self, container: &EffectiveContainer) -> Result<Option<PathBuf>, RunError> {
        let root = container.capabilities.sets.get().is_some_and(|sets| sets.effective.0 >> 24 & 1 == 1);
        if root || self.unprivileged || self.mappings.is_some() {
            return Ok(None);
        }
        let name = format!("raise-{}", self.serial.get());
        probe_binary::with_sys_resource(self.options.state, self.options.binary, &name).map(Some)
    }

    /// Starts the container's command.
    pub fn start(
        &self,
        engine: &dyn Engine,
        container: &EffectiveContainer,
        rootfs: &RootfsRequest<'_>,
        process: &ProcessArgs,
        stdio: Stdio,
    ) -> Result<Started, RunError> {
        self.start_with(engine, container, rootfs, process, stdio, &[])
    }

    /// Runs the container's command to its end with the caller's standard streams.
    pub fn run(
        &self,
        engine: &dyn Engine,
        container: &EffectiveContainer,
        rootfs: &RootfsRequest<'_>,
        process: &ProcessArgs,
    ) -> Result<Exit, RunError> {
        Ok(self.start(engine, container, rootfs, process, Stdio::Inherit)?.running().wait()?)
    }

    fn start_with(
        &self,
        engine: &dyn Engine,
        container: &EffectiveContainer,
        rootfs: &RootfsRequest<'_>,
        process: &ProcessArgs,
        stdio: Stdio,
        probe: &[oci_spec::runtime::Mount],
    ) -> Result<Started, RunError> {
        // What the runtime refuses is left to the runtime; what comes before it is decided already.
        if let Some(refusal) = &container.refusal
            && !error::is_the_runtimes(refusal)
        {
            return Err(RunError::Refused(refusal.into()));
        }
        let profile = self.app_armor(container)?;
        let serial = self.serial.get();
        self.serial.set(serial + 1);
        let name = format!("{serial}");
        let read_only = container.read_only_root_filesystem.get().copied().unwrap_or(false);
        let user_namespace = self.mappings.is_some();
        let options = RootfsOptions { read_only, user_namespace, own_files: user_namespace && !self.unprivileged };
        let Rootfs { root, mounts, readonly_paths, fixed, source } =
            rootfs::prepare(self.options.state, &name, rootfs, options)?;
        self.give_root(&root)?;

        // A variable that only the image sets counts, too, where a kubelet would find it missing.
        let variables = process.env.iter().filter_map(|set| set.split_once('=')).collect();
        let volumes = self.volumes.mounts(container, self.declared(container), &variables)?;
        for volume in &volumes {
            error::check_mount_point(&volume.mount_path, &fixed)?;
        }
        let (process_label, file_label) = self.selinux.as_ref().and_then(|selinux| selinux.of(container)).unzip();
        if let Some(label) = &file_label {
            self.label(container, label, &root, &volumes)?;
        }
        let decided;
        let container = if container.home.get().is_some() {
            container
        } else {
            decided = EffectiveContainer { home: home::decide(container, &volumes, rootfs), ..container.clone() };
            &decided
        };
        let id = format!("ringfence-{}-{name}", self.run_name());
        let group = self.group(engine)?;
        let limited = container.resources.as_ref().and(group.path.as_ref());
        let spec = spec::build(
            self.effective,
            container,
            process,
            &SpecOptions {
                root: &root,
                root_mounts: &mounts,
                root_readonly_paths: &readonly_paths,
                extra_mounts: probe,
                volumes: &volumes,
                etc: &self.etc,
                shm: self.shm.as_deref(),
                seccomp: seccomp::profile(container, self.options.seccomp_root)?,
                host: &self.host,
                process_label: process_label.flatten().map(|label| label.to_string()),
                mount_label: file_label.map(|label| label.to_string()),
                id_mappings: self.mappings.as_ref(),
                unprivileged: self.unprivileged,
                join: self.join.get(),
                cgroups_path: limited.map(|path| path.join(&name)),
                not_applied: &group.not_applied,
            },
        )?;
        let work_dir = WorkDir(self.options.state.dir(&format!("work/{name}"), 0o700)?);
        if probe.is_empty() && self.keep_specs.get() {
            self.options.state.write_spec(&container.name, &with_limits(&spec))?;
        }
        let launch = Launch { id: &id, spec: &spec, work_dir: &work_dir.0, stdio, keep: Vec::new() };
        let running = engine.start(launch).map_err(|error| app_armor::explain(error, profile))?;
        Ok(Started { running, _work_dir: work_dir, source, cgroup: limited.is_some() })
    }

    /// The container's mounts as declared: what the effective ones do not repeat is in them.
    fn declared(&self, container: &EffectiveContainer) -> &'a [core::VolumeMount] {
        let Some(spec) = &self.pod.spec else { return &[] };
        let init = spec.init_containers.iter().flatten().map(|it| (&it.name, &it.volume_mounts));
        let main = spec.containers.iter().map(|it| (&it.name, &it.volume_mounts));
        let ephemeral = spec.ephemeral_containers.iter().flatten().map(|it| (&it.name, &it.volume_mounts));
        let mut all = init.chain(main).chain(ephemeral);
        all.find(|(name, _)| **name == container.name).and_then(|(_, mounts)| mounts.as_deref()).unwrap_or_default()
    }

    fn run_name(&self) -> String {
        self.options.state.path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// In a user namespace the files belong to its users: each owner becomes the one who is mapped to it.
    fn give_root(&self, root: &Path) -> Result<(), RunError> {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        let Some(mappings) = self.mappings.as_ref().filter(|_| !self.unprivileged) else { return Ok(()) };
        let failed = || RunError::machinery("give the root file system to the user namespace");
        let mut open = vec![root.to_path_buf()];
        while let Some(path) = open.pop() {
            let metadata = fs::symlink_metadata(&path).map_err(failed())?;
            let (uid, gid) = (mappings.outside_uid(metadata.uid()), mappings.outside_gid(metadata.gid()));
            std::os::unix::fs::lchown(&path, uid, gid).map_err(failed())?;
            if metadata.is_symlink() {
                continue;
            }
            // The change of owner took setuid and setgid bits away.
            fs::set_permissions(&path, fs::Permissions::from_mode(metadata.mode() & 0o7777)).map_err(failed())?;
            if metadata.is_dir() {
                open.extend(fs::read_dir(&path).map_err(failed())?.flatten().map(|entry| entry.path()));
            }
        }
        Ok(())
    }

    fn probe_binary(&self) -> Result<PathBuf, RunError> {
        probe_binary::probe_binary(self.options.state, self.options.binary, self.mappings.is_some(), self.unprivileged)
    }
}

/// The error with what caused it.
fn with_cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// The spec for a start with a terminal.
pub(crate) fn with_terminal(spec: &oci_spec::runtime::Spec) -> oci_spec::runtime::Spec {
    let mut spec = spec.clone();
    if let Some(process) = spec.process_mut() {
        process.set_terminal(Some(true));
    }
    spec
}

/// The spec with the resource limits that a process gets without any in the spec: those of this process, which starts
/// it. A further process must get the same, whoever starts that.
pub(crate) fn with_limits(spec: &oci_spec::runtime::Spec) -> oci_spec::runtime::Spec {
    use oci_spec::runtime::{PosixRlimitBuilder, PosixRlimitType as Type};
    use rustix::process::Resource;
    const ALL: [(Type, Resource); 15] = [
        (Type::RlimitCpu, Resource::Cpu),
        (Type::RlimitFsize, Resource::Fsize),
        (Type::RlimitData, Resource::Data),
        (Type::RlimitStack, Resource::Stack),
        (Type::RlimitCore, Resource::Core),
        (Type::RlimitRss, Resource::Rss),
        (Type::RlimitNproc, Resource::Nproc),
        (Type::RlimitNofile, Resource::Nofile),
        (Type::RlimitMemlock, Resource::Memlock),
        (Type::RlimitAs, Resource::As),
        (Type::RlimitLocks, Resource::Locks),
        (Type::RlimitSigpending, Resource::Sigpending),
        (Type::RlimitMsgqueue, Resource::Msgqueue),
        (Type::RlimitNice, Resource::Nice),
        (Type::RlimitRtprio, Resource::Rtprio),
    ];
    let mut spec = spec.clone();
    if let Some(process) = spec.process_mut() {
        let mut limits = process.rlimits().clone().unwrap_or_default();
        for (typ, resource) in ALL {
            if limits.iter().any(|limit| limit.typ() == typ) {
                continue;
            }
            let own = rustix::process::getrlimit(resource);
            let value = |value: Option<u64>| value.unwrap_or(u64::MAX);
            let limit =
                PosixRlimitBuilder::default().typ(typ).soft(value(own.current)).hard(value(own.maximum)).build();
            limits.extend(limit);
        }
        process.set_rlimits(Some(limits));
    }
    spec
}
