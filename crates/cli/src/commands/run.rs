//! `ringfence run`.

use std::collections::BTreeSet;
use std::io;

use ringfence_context::effective::{ContainerKind, EffectiveContainer, EffectivePod};
use ringfence_context::facts::Facts;
use ringfence_context::resolve;
use ringfence_manifest::Workload;
use ringfence_runtime::engine;
use ringfence_runtime::observe;
use ringfence_runtime::run::{PodRun, RunError, Started};

use crate::exit::Exit;
use crate::facts::FactsArgs;
use crate::input::Inputs;
use crate::machine::{self, Machine, MachineArgs};
use crate::objects::Found;
use crate::pods::{self, Item};

/// Run the pod's containers here with their security contexts applied
///
/// Init containers run first, one after the other; then the others run together. The exit status is that of the first
/// container, or of the one that -c names. 125 means that the pod could not be run.
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

    #[command(flatten)]
    facts: FactsArgs,

    #[command(flatten)]
    machine: MachineArgs,
}

const EXAMPLES: &str = "\
Examples:
  ringfence run pod.yaml
  ringfence run pod.yaml -- id                    what does the container's user look like from inside?
  ringfence run -c app pod.yaml -- sh             look around in one container
  ringfence run --rootfs ./unpacked pod.yaml      in an image's root file system";

/// As other tools that run containers say that they could not.
const NOT_RUN: u8 = 125;

pub(crate) fn main(args: &Args) -> Exit {
    match run(args) {
        Ok(exit) => exit,
        Err(message) => {
            super::complain(&message);
            Exit::Passed(NOT_RUN)
        }
    }
}

fn run(args: &Args) -> Result<Exit, String> {
    let mut facts = args.facts.load(Some(observe::node_facts())).map_err(|error| super::chain(&error))?;
    let mut machine = args.machine.machine(args.facts.seccomp_root.as_deref()).map_err(|error| super::chain(&error))?;
    let mut pods: Vec<Given> = Vec::new();
    let mut broken = None;
    let seen = pods::for_each(&args.inputs, |place, item| {
        match item {
            Item::Workload(workload) => pods.push(Given {
                workload: workload.clone(),
                objects: Found::collect(place.documents, workload.namespace()),
                claims: pods::claim_templates(place.document, workload),
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
    let Given { workload, objects, claims } = choose(pods, args.pod.as_deref())?;
    facts.claim_templates = Some(claims);
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
        let chosen = self.chosen(effective)?;
        let Some(first) = chosen.first() else { return Err("the pod has no container to run".to_owned()) };
        let pod = machine::pod(self.workload);
        let state = self.machine.state().map_err(|error| super::chain(&error))?;
        let options = self.machine.options(&state, self.objects, true);
        let run = PodRun::prepare(&pod, effective, first, options).map_err(|error| words(&error))?;
        for (volume, why) in run.stand_ins() {
            super::warn(&format!("volume {volume:?}: {why}"));
        }
        for path in run.created_paths() {
            super::warn(&format!("{} was not there, and is made on this machine as a node makes it", path.display()));
        }
        if chosen.len() > 1 {
            run.share_namespaces(&*self.machine.engine).map_err(|error| words(&error))?;
        }
        Self::warn_of_what_is_weaker(&chosen);

        let (init, main): (Vec<&EffectiveContainer>, Vec<_>) =
            chosen.iter().partition(|container| container.kind == ContainerKind::Init && self.args.container.is_none());
        for container in init {
            let exit = self.start(&run, container)?.running().wait().map_err(|error| super::chain(&error))?;
            if exit != engine::Exit::Code(0) {
                super::complain(&format!("init container {:?} ended with {}", container.name, exit.code()));
                return Ok(Exit::Passed(exit.code()));
            }
        }
        // A kubelet starts sidecars first, and ends them once the main containers have ended: dropping them does.
        let (sidecars, main): (Vec<&EffectiveContainer>, Vec<_>) = main
            .into_iter()
            .partition(|container| container.kind == ContainerKind::Sidecar && self.args.container.is_none());
        let mut beside = Vec::new();
        for container in sidecars {
            beside.push(self.start(&run, container)?);
        }
        let mut started = Vec::new();
        for container in main {
            started.push(self.start(&run, container)?);
        }
        // The first main container decides.
        let mut status = 0;
        for (i, container) in started.iter_mut().enumerate() {
            let exit = container.running().wait().map_err(|error| super::chain(&error))?;
            if i == 0 {
                status = exit.code();
            }
        }
        Ok(Exit::Passed(status))
    }

    /// The containers to run: all but ephemeral ones, or the one that is named. Main containers come before sidecars,
    /// so that the first main one decides the exit status.
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
        let mut chosen: Vec<_> =
            effective.containers.iter().filter(|container| container.kind != ContainerKind::Ephemeral).collect();
        chosen.sort_by_key(|container| match container.kind {
            ContainerKind::Init => 0,
            ContainerKind::Main => 1,
            ContainerKind::Sidecar | ContainerKind::Ephemeral => 2,
        });
        Ok(chosen)
    }

    fn start(&self, run: &PodRun<'_>, container: &EffectiveContainer) -> Result<Started, String> {
        let command = machine::command(self.workload, container, self.facts, &self.args.command)
            .map_err(|error| format!("container {:?}: {error}; give one after --", container.name))?;
        for (name, what) in &command.unresolved {
            super::warn(&format!(
                "container {:?}: variable {name} is not set, as {what} is not known here",
                container.name
            ));
        }
        let rootfs = self.machine.rootfs(container, self.facts);
        run.start(&*self.machine.engine, container, &rootfs, &command.process, engine::Stdio::Inherit)
            .map_err(|error| format!("container {:?}: {}", container.name, words(&error)))
    }

    /// A context is never weaker than declared without a word.
    fn warn_of_what_is_weaker(chosen: &[&EffectiveContainer]) {
        if observe::is_privileged() {
            return;
        }
        super::warn(
            "not root: the containers run in a user namespace of one user and keep the groups of the caller; fsGroup is not applied",
        );
        let user = chosen.first().and_then(|first| first.user.uid.get());
        if chosen.iter().any(|container| container.user.uid.get() != user) {
            super::warn("not root: containers of another user than the first one's cannot be started");
        }
    }
}

fn words(error: &RunError) -> String {
    match error.refusal() {
        Some(refusal) => format!("{}: {}", refusal.reason.as_str(), refusal.message),
        None => super::chain(error),
    }
}
