//! `ringfence run`.

pub(crate) mod detach;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Pod};
use ringfence_context::effective::{ContainerKind, EffectiveContainer, EffectivePod};
use ringfence_context::facts::{Facts, StorageFacts};
use ringfence_context::resolve;
use ringfence_manifest::Workload;
use ringfence_runtime::observe;
use ringfence_runtime::protect;
use ringfence_runtime::run::life::{self, Event, LifeOptions, Member, Restart};
use ringfence_runtime::run::signals::Signals;
use ringfence_runtime::run::{PodRun, RunError, RunOptions};
use ringfence_runtime::spec::Sources;
use ringfence_runtime::state::{FoundPod, PodPhase, PodRecord, ProcessRecord, StateDir};
use ringfence_runtime::subordinate;
use rustix::process::Signal;

use crate::exit::Exit;
use crate::facts::FactsArgs;
use crate::input::Inputs;
use crate::machine::{self, Machine, MachineArgs};
use crate::objects::Found;
use crate::pods::{self, Item};
use crate::pull::Pull;
use crate::running;

/// Run the pod's containers here with their security contexts applied
///
/// Init containers run first, one after the other, with the sidecars among them; then the others run together. The exit
/// status is that of the first main container, or of the one that -c names. 125 means that the pod could not be run.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The manifest with the pod, or - for standard input.
    #[command(flatten)]
    inputs: Inputs,

    /// Run this command instead of the container's own.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,

    /// Which pod or workload to run, by its name, if there are several.
    #[arg(long, value_name = "NAME")]
    pod: Option<String>,

    /// Run only this container.
    #[arg(short, long, value_name = "NAME")]
    container: Option<String>,

    /// Leave the pod running, and print its name once all its containers have started: see `ps`, `exec`, `logs` and `rm`.
    #[arg(short, long)]
    detach: bool,

    /// With -d: remove the pod when its containers have ended.
    #[arg(long, requires = "detach")]
    rm: bool,

    /// Whether main containers that have ended start again: Always, OnFailure or Never. A pod that is waited for ends;
    /// with -d its own restartPolicy decides.
    #[arg(long, value_name = "POLICY", value_enum, ignore_case = true, hide_possible_values = true)]
    restart: Option<RestartArg>,

    /// Start this ephemeral container of the pod, too.
    #[arg(long, value_name = "NAME")]
    ephemeral: Vec<String>,

    /// A directory of this machine for a volume that only a cluster has: a claim, a CSI or generic ephemeral volume, by
    /// the volume's name. It stays, and is given to the pod's fsGroup as the kubelet would.
    #[arg(long = "volume", value_name = "NAME=DIR", value_parser = volume)]
    volumes: Vec<(String, PathBuf)>,

    #[command(flatten)]
    facts: FactsArgs,

    #[command(flatten)]
    machine: MachineArgs,
}

/// `spec.restartPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "PascalCase")]
enum RestartArg {
    Always,
    OnFailure,
    Never,
}

/// `NAME=DIR`; the directory as the kernel knows it.
fn volume(text: &str) -> Result<(String, PathBuf), String> {
    let (name, dir) = text.split_once('=').ok_or("write it as NAME=DIR")?;
    let found = std::fs::canonicalize(dir).map_err(|error| format!("{dir}: {error}"))?;
    if !found.is_dir() {
        return Err(format!("{dir} is no directory"));
    }
    Ok((name.to_owned(), found))
}

const EXAMPLES: &str = "\
Examples:
  ringfence run pod.yaml
  ringfence run -d pod.yaml                       leave it running, then: ringfence exec -it NAME -- sh
  ringfence run pod.yaml -- id                    what does the container's user look like from inside?
  ringfence run -c app pod.yaml -- sh             look around in one container
  ringfence run --rootfs ./unpacked pod.yaml      in an image's root file system";

/// As other tools that run containers say that they could not.
const NOT_RUN: u8 = 125;

pub(crate) fn main(args: &Args) -> Exit {
    let protected =
        protect::protect().map_err(|error| format!("cannot keep containers from writing to this program: {error}"));
    let outcome =
        protected.and_then(|()| if args.detach && !detach::is_supervisor() { detach::start() } else { run(args) });
    match outcome {
        Ok(exit) => exit,
        Err(message) => {
            super::complain(&message);
            Exit::Passed(NOT_RUN)
        }
    }
}

fn run(args: &Args) -> Result<Exit, String> {
    let mut facts = args.facts.load(Some(observe::node_facts())).map_err(|error| super::chain(&error))?;
    let machine = args.machine.machine(args.facts.seccomp_root.as_deref()).map_err(|error| super::chain(&error))?;
    let mut machine = machine.pull_by_default(Pull::Missing);
    let mut pods: Vec<Given> = Vec::new();
    let mut broken = None;
    let seen = pods::for_each(&args.inputs, |place, item| {
        match item {
            Item::Workload(workload) => pods.push(Given {
                workload: workload.clone(),
                objects: Found::collect(place.documents, workload.namespace()),
                claims: pods::claim_templates(place.document, workload),
                storage: crate::objects::storage(place.documents),
            }),
            Item::Broken { line, column, message, .. } => {
                broken = Some(format!("{}:{line}:{column}: {message}", place.source));
            }
        }
        Ok(())
    });
    if seen.map_err(|error: io::Error| error.to_string())?.exit.is_some() {
        return Err("not everything that was given could be read".to_owned());
    }
    if let Some(broken) = broken {
        return Err(broken);
    }
    let Given { workload, objects, claims, storage } = choose(pods, args.pod.as_deref())?;
    facts.claim_templates = Some(claims);
    facts.storage = storage;
    facts.objects = Some(objects.names());
    for image in machine.stand_ins(&workload, &mut facts).map_err(|error| super::chain(&error))? {
        super::warn(&format!("image {image:?} is not here; a stand-in takes its place, with USER root"));
    }
    let effective = resolve(&machine::pod(&workload).metadata, &workload.spec, &facts);
    Run { args, workload: &workload, machine: &machine, facts: &facts, objects: &objects }.pod(&effective)
}

/// A workload with what came beside it.
struct Given {
    workload: Workload,
    objects: Found,
    claims: BTreeSet<String>,
    storage: StorageFacts,
}

/// The one that is named, or the only one.
fn choose(pods: Vec<Given>, name: Option<&str>) -> Result<Given, String> {
    let titles: Vec<String> = pods.iter().map(|pod| pods::title(&pod.workload)).collect();
    let mut left: Vec<Given> =
        pods.into_iter().filter(|pod| name.is_none_or(|name| pod.workload.name() == name)).collect();
    match (left.pop(), left.is_empty(), titles.is_empty()) {
        (Some(pod), true, _) => Ok(pod),
        (_, _, true) => Err("there is no pod to run in what was given".to_owned()),
        (None, ..) => Err(format!("no pod of this name was given; there is {}", titles.join(", "))),
        (Some(_), false, _) => Err(format!("more than one pod was given; choose with --pod: {}", titles.join(", "))),
    }
}

struct Run<'a> {
    args: &'a Args,
    workload: &'a Workload,
    machine: &'a Machine,
    facts: &'a Facts,
    objects: &'a Found,
}

impl Run<'_> {
    fn pod(&self, effective: &EffectivePod) -> Result<Exit, String> {
        // Before there is anything to be ended.
        let signals = Signals::of_end().map_err(|error| format!("cannot watch for signals: {error}"))?;
        let chosen = self.chosen(effective)?;
        let Some(first) = chosen.first().copied() else { return Err("the pod has no container to run".to_owned()) };
        let pod = machine::pod(self.workload);
        if self.args.detach {
            self.refuse_second(&pod)?;
        }
        let state = self.machine.state().map_err(|error| super::chain(&error))?;
        let given: BTreeMap<String, PathBuf> = self.args.volumes.iter().cloned().collect();
        let options = RunOptions { given_volumes: Some(&given), ..self.machine.options(&state, self.objects, true) };
        let run = PodRun::prepare(&pod, effective, first, options).map_err(|error| words(&error))?;
        for (volume, why) in run.stand_ins() {
            super::warn(&format!("volume {volume:?}: {why}"));
        }
        for (volume, what) in run.given_volumes() {
            super::warn(&format!("volume {volume:?}: fsGroup: {what}"));
        }
        for path in run.created_paths() {
            super::warn(&format!("{} was not there, and is made on this machine as a node makes it", path.display()));
        }
        for limit in run.not_limited(&*self.machine.engine).map_err(|error| words(&error))? {
            super::warn(&format!("limits of {} (resources) are not applied: {}", limit.what, limit.why));
        }
        let members = chosen.iter().map(|container| self.member(container, &pod)).collect::<Result<Vec<_>, _>>()?;
        self.warn_of_what_is_not_done();
        for note in run.selinux_notes() {
            super::warn(note);
        }
        let mut profiles = BTreeSet::new();
        for container in &chosen {
            if let Some((name, presence)) = run.app_armor(container).map_err(|error| words(&error))? {
                profiles.extend(presence.note(&name));
            }
        }
        for note in &profiles {
            super::warn(note);
        }
        Self::warn_of_what_is_weaker(&chosen);
        // A container that starts again must find the pod's namespaces as they were.
        if chosen.len() > 1 || self.args.detach {
            run.share_namespaces(&*self.machine.engine).map_err(|error| words(&error))?;
        }

        let grace = self.workload.spec.termination_grace_period_seconds.unwrap_or(30);
        let options = LifeOptions {
            restart: self.restart(),
            grace: Duration::from_secs(u64::try_from(grace).unwrap_or(0)),
            logs: self.args.detach,
            stay: self.args.detach && !self.args.rm,
            signals: &signals,
        };
        let record = self.record(&pod, &state)?;
        let mut ready = self.args.detach.then(|| record.name.clone());
        let mut tell = |event: Event<'_>| tell(event, &mut ready);
        let exit = life::live(&run, &*self.machine.engine, &members, record, &options, &mut tell)
            .map_err(|error| words(&error))?;
        Ok(Exit::Passed(exit.code()))
    }

    /// A pod's name names one pod, as in a namespace of a cluster.
    fn refuse_second(&self, pod: &Pod) -> Result<(), String> {
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        let same = |other: &&FoundPod| other.record.name == name && other.record.namespace == self.namespace();
        match running::all()?.iter().find(same) {
            Some(_) => Err(format!("pod {name:?} runs already; `ringfence rm {name}` ends it")),
            None => Ok(()),
        }
    }

    fn namespace(&self) -> &str {
        Some(self.workload.namespace()).filter(|namespace| !namespace.is_empty()).unwrap_or("default")
    }

    fn record(&self, pod: &Pod, state: &StateDir) -> Result<PodRecord, String> {
        let supervisor =
            ProcessRecord::of(std::process::id()).map_err(|error| format!("cannot read /proc: {error}"))?;
        Ok(PodRecord {
            id: state.path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            name: pod.metadata.name.clone().unwrap_or_default(),
            namespace: self.namespace().to_owned(),
            created: life::now(),
            detached: self.args.detach,
            supervisor,
            phase: PodPhase::Pending,
            containers: Vec::new(),
        })
    }

    fn restart(&self) -> Restart {
        match (self.args.restart, self.args.detach, self.workload.spec.restart_policy.as_deref()) {
            (Some(RestartArg::OnFailure), ..) | (None, true, Some("OnFailure")) => Restart::OnFailure,
            // Whoever waits for a run wants to see its end.
            (Some(RestartArg::Never), ..) | (None, false, _) | (None, true, Some("Never")) => Restart::Never,
            (Some(RestartArg::Always), ..) | (None, true, _) => Restart::Always,
        }
    }

    fn member<'m>(&'m self, container: &'m EffectiveContainer, pod: &Pod) -> Result<Member<'m>, String> {
        let sources = Sources { pod, objects: self.objects };
        let command = machine::command(self.workload, container, self.facts, &self.args.command, sources)
            .map_err(|error| format!("container {:?}: {error}; give one after --", container.name))?;
        for (name, what) in &command.unresolved {
            super::warn(&format!(
                "container {:?}: variable {name} is not set, as {what} is not known here",
                container.name
            ));
        }
        let picked = self.args.container.is_some() || !self.args.command.is_empty();
        Ok(Member {
            container,
            kind: if picked { ContainerKind::Main } else { container.kind },
            rootfs: self.machine.rootfs(container, self.facts),
            process: command.process,
            stop_signal: self.stop_signal(container)?,
        })
    }

    fn declared(&self) -> impl Iterator<Item = &Container> {
        self.workload.spec.init_containers.iter().flatten().chain(&self.workload.spec.containers)
    }

    /// `lifecycle.stopSignal`, or the image's `StopSignal`.
    fn stop_signal(&self, container: &EffectiveContainer) -> Result<i32, String> {
        let name = &container.name;
        let declared = self.declared().find(|declared| declared.name == *name);
        let declared = declared.and_then(|declared| declared.lifecycle.as_ref()?.stop_signal.as_deref());
        let image = self.facts.image(container.image.as_deref().unwrap_or_default());
        let image = image.map(|image| image.stop_signal.as_str()).filter(|signal| !signal.is_empty());
        let (signal, from) = match (declared, image) {
            // The API server takes names alone.
            (Some(signal), _) if signal.starts_with("SIG") => (signal, "lifecycle.stopSignal"),
            (Some(signal), _) => {
                return Err(format!("container {name:?}: {signal:?} is no signal (lifecycle.stopSignal)"));
            }
            (None, Some(signal)) => (signal, "the image's StopSignal"),
            (None, None) => return Ok(Signal::TERM.as_raw()),
        };
        ringfence_docker::value::signal(signal)
            .ok_or_else(|| format!("container {name:?}: {signal:?} is no signal that can be sent here ({from})"))
    }

    /// What a kubelet would do while the pod runs, and this does not.
    fn warn_of_what_is_not_done(&self) {
        for declared in self.declared() {
            let streams = [
                (declared.tty == Some(true), "tty", "its output goes to a pipe"),
                (declared.stdin == Some(true) && self.args.detach, "stdin", "there is nothing to read, not even later"),
            ];
            for (_, field, instead) in streams.iter().filter(|(declared, ..)| *declared) {
                super::warn(&format!("container {:?}: {field} is not done here: {instead}", declared.name));
            }
            let probes = [
                (declared.liveness_probe.is_some(), "livenessProbe"),
                (declared.readiness_probe.is_some(), "readinessProbe"),
                (declared.startup_probe.is_some(), "startupProbe"),
                (declared.lifecycle.as_ref().is_some_and(|hooks| hooks.post_start.is_some()), "lifecycle.postStart"),
                (declared.lifecycle.as_ref().is_some_and(|hooks| hooks.pre_stop.is_some()), "lifecycle.preStop"),
            ];
            let fields: Vec<_> = probes.iter().filter(|(declared, _)| *declared).map(|(_, field)| *field).collect();
            if !fields.is_empty() {
                super::warn(&format!("container {:?}: {} is not run here", declared.name, fields.join(", ")));
            }
        }
    }

    /// The containers to run: all but ephemeral ones that nobody asked for, or the one that is named.
    fn chosen<'e>(&self, effective: &'e EffectivePod) -> Result<Vec<&'e EffectiveContainer>, String> {
        if let Some(name) = &self.args.container {
            let found = effective.containers.iter().find(|container| container.name == *name);
            let names: Vec<_> = effective.containers.iter().map(|container| container.name.as_str()).collect();
            return found
                .map(|found| vec![found])
                .ok_or_else(|| format!("the pod has no container called {name:?}; it has {}", names.join(", ")));
        }
        if !self.args.command.is_empty() {
            let main = effective.containers.iter().find(|container| container.kind == ContainerKind::Main);
            return Ok(main.into_iter().collect());
        }
        for name in &self.args.ephemeral {
            let is_there =
                |container: &EffectiveContainer| container.kind == ContainerKind::Ephemeral && container.name == *name;
            if !effective.containers.iter().any(is_there) {
                return Err(format!("the pod has no ephemeral container called {name:?}"));
            }
        }
        // The order of the manifest: init containers and sidecars first.
        let is_wanted = |container: &&EffectiveContainer| {
            container.kind != ContainerKind::Ephemeral || self.args.ephemeral.contains(&container.name)
        };
        Ok(effective.containers.iter().filter(is_wanted).collect())
    }

    /// A context is never weaker than declared without a word.
    fn warn_of_what_is_weaker(chosen: &[&EffectiveContainer]) {
        if observe::is_privileged() {
            return;
        }
        let Some(why) = subordinate::missing() else { return };
        super::warn(&format!(
            "not the machine's root: the containers run in a user namespace of one user and keep the groups of the caller; fsGroup is not applied ({why})",
        ));
        let user = chosen.first().and_then(|first| first.user.uid.get());
        if chosen.iter().any(|container| container.user.uid.get() != user) {
            super::warn("not the machine's root: containers of another user than the first one's cannot be started");
        }
    }
}

/// Says what happens; `ready` is the name of a pod that someone waits for to be ready.
fn tell(event: Event<'_>, ready: &mut Option<String>) -> io::Result<()> {
    match event {
        Event::Ready => match ready.take() {
            Some(name) => return detach::ready(&name),
            None => return Ok(()),
        },
        Event::InitFailed(name, exit) => {
            super::complain(&format!("init container {name:?} ended with {}", exit.code()));
        }
        Event::OutOfMemory(name) => {
            super::complain(&format!(
                "container {name:?}: OOMKilled: it wanted more memory than resources.limits.memory"
            ));
        }
        Event::BackOff(name, wait) => {
            super::warn(&format!("container {name:?} has ended; it starts again in {} s", wait.as_secs()));
        }
        Event::NotStarted(name, error) => super::warn(&format!("container {name:?}: {}", words(error))),
        Event::Ending(grace) => {
            super::warn(&format!("ending the containers, within {} s; at once if asked again", grace.as_secs()));
        }
    }
    Ok(())
}

fn words(error: &RunError) -> String {
    match error.refusal() {
        Some(refusal) => format!("{}: {}", refusal.reason.as_str(), refusal.message),
        None => super::chain(error),
    }
}
