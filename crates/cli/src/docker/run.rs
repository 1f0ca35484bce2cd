//! A container of docker's command line, run.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use ringfence_context::capability::CapSet;
use ringfence_context::facts::{Facts, ImageFacts};
use ringfence_docker::effective::{self, Container};
use ringfence_docker::value::{Mount, MountKind, Restart, signal};
use ringfence_docker::{Effect, Refusal, effective::process_args};
use ringfence_runtime::docker::life::{self, Event, LifeOptions, Logged, Streams};
use ringfence_runtime::docker::{Devices, DockerError, DockerRun, WithoutRoot, devices};
use ringfence_runtime::run::life::now;
use ringfence_runtime::run::signals::Signals;
use ringfence_runtime::state::{PodPhase, PodRecord, ProcessRecord, StateDir};
use ringfence_runtime::{observe, protect};

use super::arguments::Line;
use super::streams::Attached;
use crate::commands::run::detach;
use crate::commands::{chain, complain, warn};
use crate::exit::Exit;
use crate::machine::Machine;
use crate::running;

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
        Self::said(&chain(error))
    }

    fn said(message: &str) -> Self {
        Self { exit: 125, message: message.to_owned() }
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
    if options.restart != Restart::No && !is(line, "detach") {
        warnings.push("--restart is not applied: a container that is waited for runs once; give -d with it".to_owned());
    }
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
    let outcome = protect::protect()
        .map_err(|error| Failed::said(&format!("cannot keep containers from writing to this program: {error}")))
        .and_then(|()| {
            if is(line, "detach") && !detach::is_supervisor() {
                detach::start().map_err(|message| Failed::said(&message))
            } else {
                run(line)
            }
        });
    match outcome {
        Ok(exit) => exit,
        Err(failed) => {
            complain(&failed.message);
            Exit::Passed(failed.exit)
        }
    }
}

/// Whether a switch is on.
fn is(line: &Line, switch: &str) -> bool {
    line.options.beside(switch) == Some("true")
}

/// docker's time between the stop signal and SIGKILL (moby `container.DefaultStopTimeout`).
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

fn run(line: &Line) -> Result<Exit, Failed> {
    // Before there is anything to be ended.
    let signals =
        Signals::of_container().map_err(|error| Failed::said(&format!("cannot watch for signals: {error}")))?;
    let detached = is(line, "detach");
    if !detached && is(line, "tty") && is(line, "interactive") && !rustix::termios::isatty(rustix::stdio::stdin()) {
        // docker's command ends with 1 here (docker/cli `cli/streams/in.go`, `CheckTty`).
        return Err(Failed { exit: 1, message: "the input device is not a TTY".to_owned() });
    }
    let ready = Ready::new(line)?;
    let image = ready.image(line);
    let process = process_args(&line.options, &image)?;
    let stop_signal = stop_signal(line, &image)?;
    refuse_second(line)?;
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
    let prepared = run.prepare(ready.engine(), &ready.rootfs(line), &process)?;
    if let Some(note) = prepared.profile.as_ref().and_then(|profile| profile.note("docker-default")) {
        warn(&note);
    }
    for path in &prepared.created {
        warn(&format!("{} was not there, and is made on this machine as docker makes it", path.display()));
    }
    for limit in &prepared.not_limited {
        warn(&format!("limits of {} are not applied: {}", limit.what, limit.why));
    }
    let record = record(line, &state)?;
    let (id, name) = (record.id.clone(), record.name.clone());
    let options = LifeOptions {
        state: &state,
        restart: if detached { line.options.restart } else { Restart::No },
        stop_signal,
        stop_timeout: match line.options.stop_timeout {
            None => Some(STOP_TIMEOUT),
            Some(seconds) => u64::try_from(seconds).ok().map(Duration::from_secs),
        },
        stay: detached && !is(line, "rm"),
        signals: &signals,
    };
    let mut streams: Box<dyn Streams> = if detached {
        Box::new(Logged::new(&state, &name, is(line, "interactive"), is(line, "tty")))
    } else {
        Box::new(Attached::new(is(line, "interactive"), is(line, "tty")))
    };
    let mut tell = |event: Event| -> io::Result<()> {
        match event {
            Event::Started if detached => detach::ready(&id)?,
            Event::Started => {}
            Event::OutOfMemory => complain("OOMKilled: the container wanted more memory than --memory"),
            Event::Stopping(Some(time)) => {
                warn(&format!("ending the container, within {} s; at once if asked again", time.as_secs()));
            }
            Event::Stopping(None) => warn("ending the container; at once if asked again"),
        }
        Ok(())
    };
    let command = process.args.first().map(String::as_str).unwrap_or_default();
    let ended = life::live(&prepared, ready.engine(), &mut *streams, record, &line.options.image, &options, &mut tell)
        .map_err(|error| not_executed(error, command))?;
    Ok(Exit::Passed(ended.code()))
}

/// `--stop-signal`, or the image's, or docker's own.
fn stop_signal(line: &Line, image: &ImageFacts) -> Result<i32, Failed> {
    match (line.options.stop_signal, image.stop_signal.as_str()) {
        (Some(signal), _) => Ok(signal),
        (None, "") => Ok(rustix::process::Signal::TERM.as_raw()),
        (None, text) => Ok(signal(text).ok_or_else(|| Refusal::daemon(format!("Invalid signal: {text}")))?),
    }
}

fn record(line: &Line, state: &StateDir) -> Result<PodRecord, Failed> {
    let supervisor =
        ProcessRecord::of(std::process::id()).map_err(|error| Failed::said(&format!("cannot read /proc: {error}")))?;
    let id = state.path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // As docker's short IDs, which are also the host names.
    let short = || id.chars().take(12).collect();
    Ok(PodRecord {
        name: given_name(line).map_or_else(short, str::to_owned),
        id,
        namespace: String::new(),
        created: now(),
        detached: is(line, "detach"),
        supervisor,
        phase: PodPhase::Pending,
        containers: Vec::new(),
    })
}

fn given_name(line: &Line) -> Option<&str> {
    line.options.beside("name").map(|name| name.strip_prefix('/').unwrap_or(name))
}

/// A name names one container.
fn refuse_second(line: &Line) -> Result<(), Failed> {
    let Some(name) = given_name(line) else { return Ok(()) };
    let all = running::all().map_err(|message| Failed::said(&message))?;
    match all.iter().find(|other| other.record.name == name) {
        Some(other) => Err(Refusal::daemon(format!(
            "Conflict. The container name \"/{name}\" is already in use by container \"{}\". You have to remove (or rename) that container to be able to reuse that name.",
            other.record.id
        ))
        .into()),
        None => Ok(()),
    }
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
