//! Running a container of docker's command line here: the spec that docker's daemon would write, the engine that starts
//! it, and what the probe saw (moby `daemon/oci_linux.go`, `createSpec`).

mod devices;
mod error;
pub mod life;
mod limits;
mod mounts;
mod named;
mod seccomp;
mod selinux;
mod spec;
mod without_root;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxResources, Spec};
use ringfence_context::process::ProcessState;
use ringfence_docker::effective::{Container, ProcessArgs};
use ringfence_docker::{Options, Version};

use crate::app_armor::{self, Presence, Runtime};
use crate::cgroup::{self, NotApplied};
use crate::engine::{Engine, Launch, Running, Stdio};
use crate::observe::{self, NamespaceIds};
use crate::probe;
use crate::rootfs::{self, Rootfs, RootfsOptions, RootfsRequest};
use crate::run::selinux::label_path;
use crate::run::{pipe, probe_binary, with_limits, with_terminal};
use crate::state::StateDir;

pub use devices::{Devices, devices};
pub use error::DockerError;
pub use without_root::WithoutRoot;

/// What a run needs.
#[derive(Clone, Copy)]
pub struct DockerRun<'a> {
    /// Where everything is prepared.
    pub state: &'a StateDir,
    /// A static program that ends up in [`crate::inside::main`]: the probe.
    pub binary: &'a Path,
    /// The command line.
    pub options: &'a Options,
    /// What it comes to.
    pub container: &'a Container,
    /// The devices of the command line, which docker looks for before all else.
    pub devices: &'a Devices,
    /// Whose rules.
    pub version: Version,
    /// Where named volumes are kept; without it each is empty, and ends with the run.
    pub volumes: Option<&'a Path>,
    /// Whether directories of the machine that a volume lacks may be made, and given labels, as docker does it.
    pub create_host_paths: bool,
    /// Who the container's users are, where the caller has no privilege over the machine.
    pub without_root: Option<&'a WithoutRoot>,
}

/// A container that is ready to be started, and can be started again when it has ended: its root file system stays.
#[derive(Debug)]
pub struct Prepared {
    spec: Spec,
    id: String,
    limited: bool,
    /// What its root file system was made from.
    pub source: rootfs::RootfsSource,
    /// Directories that were made on the machine for volumes.
    pub created: Vec<PathBuf>,
    /// What is known of docker's own AppArmor profile, where the container runs under it.
    pub profile: Option<Presence>,
    /// Limits that cannot be had here.
    pub not_limited: Vec<NotApplied>,
}

/// A started container; dropping it ends it and removes what was prepared for it.
pub struct Started {
    // Dropped in this order: an engine needs its directory to end the container.
    running: Box<dyn Running>,
    _work_dir: WorkDir,
}

impl Prepared {
    /// Starts it with these streams. One that was started before must have ended.
    pub fn start(&self, state: &StateDir, engine: &dyn Engine, stdio: Stdio) -> Result<Started, DockerError> {
        let work_dir = WorkDir(state.dir("work/0", 0o700)?);
        let with_terminal = matches!(stdio, Stdio::Terminal { .. }).then(|| with_terminal(&self.spec));
        let spec = with_terminal.as_ref().unwrap_or(&self.spec);
        let launch = Launch { id: &self.id, spec, work_dir: &work_dir.0, stdio, keep: Vec::new() };
        Ok(Started { running: engine.start(launch)?, _work_dir: work_dir })
    }

    /// Makes it ready to be started again, with what it has written.
    pub(crate) fn renew(state: &StateDir) -> Result<(), DockerError> {
        Ok(rootfs::renew(state)?)
    }

    /// Keeps the spec for `exec`, under the container's name.
    pub(crate) fn keep_spec(&self, state: &StateDir, name: &str) -> Result<(), DockerError> {
        Ok(state.write_spec(name, &with_limits(&self.spec))?)
    }
}

impl Started {
    /// The engine's handle.
    pub fn running(&mut self) -> &mut dyn Running {
        &mut *self.running
    }
}

struct WorkDir(PathBuf);

impl Drop for WorkDir {
    fn drop(&mut self) {
        // The state directory's end removes the rest, and this too where it fails.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What the probe saw.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The state.
    pub state: ProcessState,
    /// What could not be seen, by field, with the reason.
    pub not_seen: std::collections::BTreeMap<String, String>,
    /// What the root file system was made from.
    pub source: rootfs::RootfsSource,
}

impl DockerRun<'_> {
    /// Runs the probe in place of a command.
    pub fn probe(&self, engine: &dyn Engine, rootfs: &RootfsRequest<'_>) -> Result<Observed, DockerError> {
        let unprivileged = self.without_root.is_some();
        let binary = probe_binary(self.state, self.binary, unprivileged, unprivileged)?;
        let (args, mount) = probe::command(&binary, &[]);
        let process = ProcessArgs { args, env: self.container.env.clone(), cwd: "/".to_owned() };
        let machinery = |what: &str| {
            let what = what.to_owned();
            move |source| DockerError::Machinery { what, source }
        };
        let pipes = pipe::Pipes::new().map_err(machinery("make pipes for the probe"))?;
        let (stdio, reader) = pipes.split();
        let prepared = self.prepare_with(engine, rootfs, &process, Some(&mount))?;
        let mut started = prepared.start(self.state, engine, stdio)?;
        let (out, err, in_time) = reader.read().map_err(machinery("read what the probe says"))?;
        if !in_time {
            started.running().signal(libc::SIGKILL)?;
        }
        let exit = started.running().wait()?;
        let line = out.split(|byte| *byte == b'\n').find(|line| line.starts_with(b"{"));
        let report: Option<observe::ProbeReport> = line.and_then(|line| serde_json::from_slice(line).ok());
        let Some(report) = report else {
            return Err(DockerError::Probe { exit, stderr: String::from_utf8_lossy(&err).trim().to_owned() });
        };
        let mut not_seen = std::collections::BTreeMap::new();
        let host: NamespaceIds = observe::namespace_ids("self", &mut not_seen);
        if let Some((field, why)) = not_seen.pop_first() {
            let what = format!("see the machine's own {field}");
            return Err(DockerError::Machinery { what, source: io::Error::other(why) });
        }
        let (mut state, mut not_seen) = report.against(&host);
        if self.without_root.is_some_and(|users| !users.sets_groups()) {
            state.groups = None;
            let why = "a user without privilege cannot take on groups; run as root, or with subordinate IDs";
            not_seen.insert("groups".to_owned(), why.to_owned());
        }
        Ok(Observed { state, not_seen, source: prepared.source.clone() })
    }

    /// Prepares the command.
    pub fn prepare(
        &self,
        engine: &dyn Engine,
        rootfs: &RootfsRequest<'_>,
        process: &ProcessArgs,
    ) -> Result<Prepared, DockerError> {
        self.prepare_with(engine, rootfs, process, None)
    }

    fn prepare_with(
        &self,
        engine: &dyn Engine,
        rootfs: &RootfsRequest<'_>,
        process: &ProcessArgs,
        probe: Option<&oci_spec::runtime::Mount>,
    ) -> Result<Prepared, DockerError> {
        if self.without_root.is_some() {
            self.state.let_others_pass()?;
        }
        // The order of the daemon and its runtime: mounts are made ready before the runtime refuses anything.
        let mut created = Vec::new();
        let mounts = mounts::mounts(self, &mut created)?;
        let etc = mounts::etc(self)?;
        if let Some(refusal) = &self.container.refusal {
            return Err(DockerError::Refused(refusal.clone()));
        }
        let options = RootfsOptions {
            read_only: self.container.read_only,
            user_namespace: self.without_root.is_some(),
            own_files: false,
        };
        let Rootfs { root, mounts: root_mounts, readonly_paths, fixed: _, source } =
            rootfs::prepare(self.state, "0", rootfs, options)?;
        let mut all = root_mounts;
        all.extend(mounts::defaults(self));
        all.extend(etc.into_iter().chain(mounts));
        all.extend(probe.cloned());
        let profile = self.load_profile()?;
        let labels = selinux::labels(self)?;
        if let Some(label) = &labels.files {
            if self.create_host_paths {
                selinux::relabel(self, label)?;
            }
            // What lies in the state directory is the container's own: its root, its files for /etc, its volumes.
            let own = ["etc", "volumes", "rootfs"].map(|name| self.state.path().join(name));
            own.iter().filter(|path| path.exists()).try_for_each(|path| label_path(path, label))?;
        }
        let name = self.state.path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let limits = limits::resources(&self.options.limits);
        let refused = |why| DockerError::Refused(ringfence_docker::Refusal::daemon(why));
        let cpus = rustix::thread::sched_getaffinity(None).map_or(i64::MAX, |cpus| i64::from(cpus.count()));
        self.options.limits.check_cpus(cpus).map_err(refused)?;
        let group = if engine.makes_groups_here() {
            let needed = cgroup::controllers(&limits);
            cgroup::prepare(self.state, &format!("ringfence-{name}"), &LinuxResources::default(), &needed)
                .map_err(|failure| DockerError::Limits { source: Box::new(failure) })?
        } else {
            cgroup::Prepared::default()
        };
        let limits = cgroup::without(&limits, &group.not_applied);
        let mut spec = spec::spec(self, process, &root, all, &readonly_paths, limits, &labels)?;
        if let (Some(linux), Some(path)) = (spec.linux_mut(), &group.path) {
            linux.set_cgroups_path(Some(path.join("0")));
        }
        Ok(Prepared {
            spec,
            id: format!("ringfence-{name}-0"),
            limited: group.path.is_some(),
            source,
            created,
            profile,
            not_limited: group.not_applied,
        })
    }

    /// The daemon loads its profile before the first container that needs it; a profile of another name is left to the
    /// engine, which refuses one that is not there.
    fn load_profile(&self) -> Result<Option<Presence>, DockerError> {
        let own = Runtime::Docker.profile();
        let is_own = spec::app_armor(self).is_some_and(|profile| profile == own);
        Ok(if is_own { Some(app_armor::load_default(Runtime::Docker)?) } else { None })
    }

    /// The name of the container's machine.
    fn hostname(&self) -> String {
        let host = || rustix::system::uname().nodename().to_string_lossy().into_owned();
        if !self.options.hostname.is_empty() {
            return self.options.hostname.clone();
        }
        if self.options.host_uts || self.options.network == "host" {
            return host();
        }
        // docker takes the first twelve digits of the container's ID.
        let name = self.state.path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.chars().take(12).collect()
    }
}
