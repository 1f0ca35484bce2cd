//! A container of docker's command line, run.

use std::path::PathBuf;

use ringfence_context::capability::CapSet;
use ringfence_context::facts::{Facts, ImageFacts};
use ringfence_docker::effective::{self, Container};
use ringfence_docker::value::{Mount, MountKind};
use ringfence_docker::{Effect, Refusal, effective::process_args};
use ringfence_runtime::docker::{Devices, DockerError, DockerRun, WithoutRoot, devices};
use ringfence_runtime::engine::{Exit as Ended, Stdio};
use ringfence_runtime::observe;
use ringfence_runtime::state::StateDir;

use super::arguments::Line;
use crate::commands::{chain, complain, warn};
use crate::exit::Exit;
use crate::machine::Machine;

/// Why a container is not run, with the exit status.
pub(super) struct Failed {
    pub(super) exit: u8,
    pub(super) message: String,
}

impl From<Refusal> for Failed {
    fn from(Refusal { exit, message }: Refusal) -> Self {
        Self { exit, message }
    }
}

impl From<DockerError> for Failed {
    fn from(error: DockerError) -> Self {
        Self { exit: error.exit(), message: chain(&error) }
    }
}

impl Failed {
    fn machinery(error: &dyn std::error::Error) -> Self {
        Self { exit: 125, message: chain(error) }
    }
}

/// Everything that is ready before the container starts.
pub(super) struct Ready {
    machine: Machine,
    facts: Facts,
    pub(super) container: Container,
    devices: Devices,
    /// Where named volumes are kept.
    volumes: Option<PathBuf>,
    /// Whether a stand-in takes the image's place.
    pub(super) stand_in: bool,
    /// Who the container's users are, where the caller has no privilege.
    pub(super) without_root: Option<WithoutRoot>,
}

impl Ready {
    /// Looks at everything in docker's order.
    pub(super) fn new(line: &Line) -> Result<Self, Failed> {
        let own = &line.own;
        let mut facts = own.facts.load(Some(observe::node_facts())).map_err(|error| Failed::machinery(&error))?;
        let machine = own.machine.machine(own.facts.seccomp_root.as_deref());
        let machine = machine.map_err(|error| Failed::machinery(&error))?;
        let mut machine = machine.pull_by_default(crate::pull::Pull::Missing);
        let version = own.docker_version.into();
        let bounding = facts.node.as_ref().and_then(|node| node.capabilities.bounding).unwrap_or(CapSet::EMPTY);
        let able = effective::Machine { bounding };
        effective::create(&line.options, version, able)?;
        let unknown = machine.stand_in(&line.options.image, &mut facts).map_err(|error| Failed::machinery(&error))?;
        let stand_in = unknown && !machine.has_rootfs();
        let devices = devices(&line.options)?;
        let nothing = ImageFacts::default();
        let image = facts.image(&line.options.image).unwrap_or(&nothing);
        let mut container = effective::resolve(&line.options, image, version, able)?;
        let without_root = WithoutRoot::new(&line.options, &mut container)?;
        // The store is made by whoever puts something into it, with the mode that it has to have.
        let is_named = |mount: &Mount| matches!(mount.kind, MountKind::Volume { name: Some(_) });
        let volumes = if line.options.mounts.iter().any(is_named) {
            let store = own.machine.store();
            store.open().map_err(|error| Failed::machinery(&error))?;
            Some(store.root().map_err(|error| Failed::machinery(&error))?.join("volumes"))
        } else {
            None
        };
        Ok(Self { machine, facts, container, devices, volumes, stand_in, without_root })
    }

    pub(super) fn image(&self, line: &Line) -> ImageFacts {
        self.facts.image(&line.options.image).cloned().unwrap_or_default()
    }

    pub(super) fn engine(&self) -> &dyn ringfence_runtime::engine::Engine {
        &*self.machine.engine
    }

    pub(super) fn state(&self) -> Result<StateDir, Failed> {
        self.machine.state().map_err(|error| Failed::machinery(&error))
    }

    pub(super) fn run<'r>(&'r self, line: &'r Line, state: &'r StateDir, create_host_paths: bool) -> DockerRun<'r> {
        DockerRun {
            state,
            binary: self.machine.binary(),
            options: &line.options,
            container: &self.container,
            devices: &self.devices,
            version: line.own.docker_version.into(),
            volumes: self.volumes.as_deref().filter(|_| create_host_paths),
            create_host_paths,
            without_root: self.without_root.as_ref(),
        }
    }

    pub(super) fn rootfs(&self, line: &Line) -> ringfence_runtime::rootfs::RootfsRequest<'_> {
        self.machine.rootfs_of(&line.options.image, &self.facts)
    }
}

/// Says which flags are not applied, and what else is not as docker has it.
pub(super) fn warnings(line: &Line) -> Vec<String> {
    let mut warnings = Vec::new();
    for given in &line.given {
        if let Effect::Warned(why) = given.flag.effect {
            warnings.push(format!("--{} {} is not applied: {why}", given.flag.name, given.value));
        }
    }
    let options = &line.options;
    if !["", "none", "host"].contains(&options.network.as_str()) {
        warnings.push(format!(
            "--network {}: no network is made here; the container has a loopback of its own",
            options.network
        ));
    }
    if options.privileged && !(options.cap_add.is_empty() && options.cap_drop.is_empty()) {
        warnings.push("--cap-add and --cap-drop say nothing beside --privileged, as with docker".to_owned());
    }
    for mount in &options.mounts {
        if let (Some(which), false) = (mount.relabel, observe::node_facts().selinux == Some(true)) {
            warnings.push(format!("{}: {which} changes nothing: this kernel has no SELinux", mount.target));
        }
    }
    warnings
}

pub(super) fn main(line: &Line) -> Exit {
    match run(line) {
        Ok(exit) => exit,
        Err(failed) => {
            complain(&failed.message);
            Exit::Passed(failed.exit)
        }
    }
}

fn run(line: &Line) -> Result<Exit, Failed> {
    let ready = Ready::new(line)?;
    let process = process_args(&line.options, &ready.image(line))?;
    for warning in warnings(line) {
        warn(&warning);
    }
    if ready.stand_in {
        let image = &line.options.image;
        warn(&format!("image {image:?} is not here; this machine's own /usr stands in for it, with USER root"));
    }
    for note in ready.without_root.iter().flat_map(|users| &users.notes) {
        warn(note);
    }
    let state = ready.state()?;
    let run = ready.run(line, &state, true);
    let mut started = run.start(ready.engine(), &ready.rootfs(line), &process, Stdio::Inherit).map_err(|error| {
        let name = process.args.first().cloned().unwrap_or_default();
        not_executed(error, &name)
    })?;
    if let Some(note) = started.profile.as_ref().and_then(|profile| profile.note("docker-default")) {
        warn(&note);
    }
    for path in &started.created {
        warn(&format!("{} was not there, and is made on this machine as docker makes it", path.display()));
    }
    for limit in &started.not_limited {
        warn(&format!("limits of {} are not applied: {}", limit.what, limit.why));
    }
    let ended = started.running().wait().map_err(|error| Failed::machinery(&error))?;
    if started.running().ran_out_of_memory() {
        complain("OOMKilled: the container wanted more memory than --memory");
    }
    Ok(Exit::Passed(match ended {
        Ended::Code(code) => code,
        signal @ Ended::Signal(_) => signal.code(),
    }))
}

/// docker's exit status where the command is not there (127) or cannot be executed (126).
fn not_executed(error: DockerError, command: &str) -> Failed {
    use ringfence_runtime::engine::StartError;
    if let DockerError::Start(StartError::Exec { source, .. }) = &error {
        let why = match source.raw_os_error() {
            Some(2) if !command.contains('/') => "executable file not found in $PATH".to_owned(),
            _ => {
                let text = source.to_string();
                text.split(" (os error").next().unwrap_or(&text).to_lowercase()
            }
        };
        return Refusal::daemon(format!("exec: {command:?}: {why}")).into();
    }
    error.into()
}
