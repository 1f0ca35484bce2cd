//! `ringfence verify`.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;

use ringfence_admission::cluster::Kind;
use ringfence_context::facts::Facts;
use ringfence_context::resolve;
use ringfence_manifest::Workload;
use ringfence_operators::{Operators, Platform};
use ringfence_runtime::observe::{self, NamespaceIds, ProcessHandle, namespace_ids};

use crate::cluster::{DumpArgs, LiveArgs, Scope};
use crate::exit::Exit;
use crate::facts::FactsArgs;
use crate::input::Inputs;
use crate::machine;
use crate::objects::Found;
use crate::operators::OperatorArgs;
use crate::pods::{self, Item, Place, Seen, Written};
use crate::verify::{self, Container, Entry, Fit, Output, Report, Running};

/// Hold running processes against what their pods declare
///
/// Reads users, groups, capabilities, no_new_privs, seccomp, labels, mounts and namespaces of processes that run already
/// and compares them with the context of their container: that of a manifest, of the pods of a cluster, or, without
/// either, of the specification that the container runtime was given at the start. Nothing is changed or started.
#[allow(clippy::struct_excessive_bools, reason = "flags of a command line")]
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(false))]
pub(crate) struct Args {
    #[command(flatten)]
    inputs: Inputs,

    /// A process of a container, by its number on this machine. It need not be the container's first.
    #[arg(long, value_name = "PID", group = "what", value_parser = clap::value_parser!(u32).range(1..))]
    pid: Option<u32>,

    /// A container, by its ID in the container runtime or the beginning of it, or by that of `ringfence ps`.
    #[arg(long, value_name = "ID", group = "what")]
    container: Option<String>,

    /// Every container that runs here: the container runtime's and those of ringfence's own pods.
    #[arg(long, group = "what")]
    all: bool,

    /// Every process of the containers, not the first one alone.
    #[arg(long)]
    processes: bool,

    /// Which container of the manifest it is, where that is not known otherwise.
    #[arg(long, value_name = "CONTAINER", conflicts_with = "all")]
    name: Option<String>,

    /// A further manifest; the same as naming it without a flag.
    #[arg(long, value_name = "FILE|DIR|-")]
    manifest: Vec<PathBuf>,

    #[command(flatten)]
    cluster: DumpArgs,

    #[command(flatten)]
    live: LiveArgs,

    /// The container runtime's CRI socket. Otherwise it is where containerd, K3s and CRI-O have it.
    #[arg(long, value_name = "PATH")]
    runtime_endpoint: Option<PathBuf>,

    /// Do not count it as drift where a process has less than it was given, as one that drops its privileges has.
    #[arg(long)]
    allow_narrower: bool,

    #[command(flatten)]
    facts: FactsArgs,

    #[command(flatten)]
    operators: OperatorArgs,

    /// Show every row, also those that agree.
    #[arg(short, long)]
    verbose: bool,

    /// How to print.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Output,
}

const EXAMPLES: &str = "\
Examples:
  ringfence verify --all                            each container against what its runtime was told
  ringfence verify --all --cluster pods.yaml        each against its pod: kubectl get pods -A -o yaml
  ringfence verify --all --processes --context prod with whatever was started in it since
  ringfence verify pod.yaml --pid 4711 --name web   a process against a container of a manifest
  ringfence verify --container 3f2a9c               a container of containerd or CRI-O

Exit status: 0 no drift, 1 drift, 2 something could not be looked at.";

/// A process to look at.
struct Target {
    process: ProcessHandle,
    first: bool,
    container: Option<Rc<Container>>,
}

impl Target {
    /// What is said of it before anything is compared.
    fn entry(&self) -> Entry {
        let start_time = self.process.record().ok().and_then(|record| record.start_time);
        let command = self.process.command();
        Entry::new(self.container.as_deref()).of_process(self.process.pid(), start_time, command, self.first)
    }
}

/// A text with manifests.
struct Text {
    name: String,
    bytes: Vec<u8>,
    /// Whether it was named as the declaration, and not as all that a cluster has.
    named: bool,
}

pub(crate) fn main(args: &Args) -> Exit {
    match verify(args) {
        Ok(exit) => exit,
        Err(message) => {
            super::complain(&crate::view::clean(&message));
            Exit::Failure
        }
    }
}

fn verify(args: &Args) -> Result<Exit, String> {
    let facts = args.facts.load(Some(observe::node_facts())).map_err(|error| super::chain(&error))?;
    let Some(operators) = args.operators.load(Platform::default()) else { return Ok(Exit::Failure) };
    let mut exit = Exit::Clean;
    let mut report = Report::new(args.output, args.verbose);
    // Before anything is asked: the number may be another's afterwards.
    let process = args.pid.map(handle).transpose()?;
    let running = Running::find(args.runtime_endpoint.as_deref());
    for failed in &running.failed {
        super::complain(&crate::view::clean(failed));
        // Whoever names a process or a manifest needs no runtime.
        if process.is_none() || args.runtime_endpoint.is_some() {
            exit = Exit::Failure;
        }
    }
    if args.all && args.output == Output::Text && running.asked.iter().all(|asked| asked == "ringfence") {
        super::warn("no container runtime was found here; --runtime-endpoint names its socket");
    }
    let targets = match process {
        Some(process) => of_process(process, args, &running, &mut report)?,
        None => of_containers(args, &running, &mut report)?,
    };
    let texts = texts(args, &targets, &mut exit)?;
    let mut host = BTreeMap::new();
    let host = namespace_ids("self", &mut host);
    let mut verify = Verify { args, facts, host, targets, found: Vec::new() };
    verify.found.resize_with(verify.targets.len(), || None);
    for text in &texts {
        let mut seen = Seen::default();
        let each = |place: Place<'_>, item: Item<'_>| {
            match item {
                Item::Workload(workload) => verify.workload(place, workload, text.named),
                Item::Broken { title, line, column, message } => {
                    exit = exit.max(Exit::Failure);
                    let text = format!("{}:{line}:{column}: {message} (in {title})", place.source);
                    super::complain(&crate::view::clean(&text));
                }
            }
            Ok(())
        };
        in_text(text, &operators, &mut seen, each).map_err(|error| error.to_string())?;
        exit = exit.max(seen.exit.unwrap_or(Exit::Clean));
    }
    for entry in verify.finish(!texts.is_empty()) {
        report.add(entry);
    }
    match report.print() {
        Ok(found) => Ok(exit.max(found)),
        Err(error) => Ok(super::output_failed(&error)),
    }
}

fn in_text(
    text: &Text,
    operators: &Operators,
    seen: &mut Seen,
    mut each: impl FnMut(Place<'_>, Item<'_>) -> io::Result<()>,
) -> io::Result<()> {
    pods::for_each_in(&text.name, &text.bytes, operators, seen, &mut each)
}

fn handle(pid: u32) -> Result<ProcessHandle, String> {
    let process = ProcessHandle::open(pid).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("there is no process {pid}"),
        _ => format!("process {pid}: {error}"),
    })?;
    match process.record() {
        Ok(_) => Ok(process),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(process),
        Err(_) => Err(format!("process {pid} has ended")),
    }
}

/// The process that was named, with the container that it is in.
fn of_process(
    process: ProcessHandle,
    args: &Args,
    running: &Running,
    report: &mut Report,
) -> Result<Vec<Target>, String> {
    let container = running.of_process(&process).cloned();
    if container.is_none()
        && let Some(sandbox) = running.sandbox_of(&process)
    {
        let record = process.record().ok().and_then(|record| record.start_time);
        let entry = Entry::new(None).of_process(process.pid(), record, process.command(), true);
        report.add(entry.skipped(sandbox_words(&sandbox.namespace, &sandbox.pod)));
        return Ok(Vec::new());
    }
    let has_manifest = args.inputs.are_named() || !args.manifest.is_empty();
    if container.is_none() && !has_manifest {
        let asked = match running.asked.as_slice() {
            [] => "nobody could be asked".to_owned(),
            asked => format!("asked were {}", asked.join(" and ")),
        };
        return Err(format!(
            "process {} is in no container that is known here ({asked}), so that there is nothing to compare it with; \
             name its manifest, or the runtime's socket with --runtime-endpoint",
            process.pid()
        ));
    }
    let first = container.as_ref().is_none_or(|container| container.first == process.pid());
    Ok(vec![Target { process, first, container }])
}

fn sandbox_words(namespace: &str, pod: &str) -> String {
    format!(
        "it is the sandbox of pod {namespace}/{pod}: it holds the pod's namespaces, and no context is declared for it"
    )
}

/// The containers that are asked for.
fn of_containers(args: &Args, running: &Running, report: &mut Report) -> Result<Vec<Target>, String> {
    let containers: Vec<&Rc<Container>> = match &args.container {
        None => running.containers.iter().collect(),
        Some(id) => {
            let found = running.by_id(id);
            let pods: std::collections::BTreeSet<_> = found.iter().map(|one| (&one.namespace, &one.pod)).collect();
            if pods.len() > 1 {
                let ids: Vec<_> = found.iter().map(|one| one.id.as_str()).collect();
                return Err(format!("more than one container's ID begins with {id:?}: {}", ids.join(", ")));
            }
            if found.is_empty() {
                if let Some(sandbox) = running.sandboxes.iter().find(|sandbox| sandbox.id.starts_with(id)) {
                    report.add(Entry::new(None).skipped(sandbox_words(&sandbox.namespace, &sandbox.pod)));
                    return Ok(Vec::new());
                }
                let asked = running.asked.join(" and ");
                return Err(format!("no container whose ID begins with {id:?} runs here; asked were {asked}"));
            }
            found
        }
    };
    let mut targets = Vec::new();
    for container in containers {
        let gone = |error: io::Error| format!("its first process, {}, cannot be looked at: {error}", container.first);
        let process = match ProcessHandle::open(container.first) {
            Ok(process) => process,
            // It has ended since the runtime was asked.
            Err(_) if !container.still_runs() => continue,
            Err(error) => {
                report.add(Entry::new(Some(container)).failed(gone(error)));
                continue;
            }
        };
        // The runtime still says so while the handle is held: then it is a handle of the container's own process.
        if !container.still_runs() {
            continue;
        }
        targets.push(Target { process, first: true, container: Some(Rc::clone(container)) });
        if args.processes {
            match container.other_processes() {
                Ok(others) => targets.extend(others.into_iter().map(|process| Target {
                    process,
                    first: false,
                    container: Some(Rc::clone(container)),
                })),
                Err(error) => report.add(Entry::new(Some(container)).failed(format!("its other processes: {error}"))),
            }
        }
    }
    Ok(targets)
}

/// The manifests, from files, a dump or a running cluster.
fn texts(args: &Args, targets: &[Target], exit: &mut Exit) -> Result<Vec<Text>, String> {
    let mut texts = Vec::new();
    let mut read = |inputs: &Inputs, named: bool| {
        let (entries, errors) = inputs.entries();
        for error in &errors {
            super::complain(&super::chain(error));
            *exit = Exit::Failure;
        }
        for entry in entries {
            match entry.read() {
                Ok(bytes) => texts.push(Text { name: entry.name(), bytes: bytes.clone(), named }),
                Err(error) => {
                    super::complain(&super::chain(&error));
                    *exit = Exit::Failure;
                }
            }
        }
    };
    if args.inputs.are_named() {
        read(&args.inputs, !args.all);
    }
    if !args.manifest.is_empty() {
        read(&Inputs::of(args.manifest.clone()), !args.all);
    }
    if args.cluster.is_given() {
        if args.live.is_given() {
            return Err("a dump or a running cluster, not both: --cluster, or --kubeconfig and --context".to_owned());
        }
        read(&args.cluster.inputs(), false);
    }
    if args.live.is_given() {
        let live = args.live.connect().ok_or("the cluster cannot be asked")?;
        let of_targets = targets.iter().filter_map(|target| Some(target.container.as_ref()?.namespace.clone()));
        let namespaces: Vec<String> = of_targets.filter(|name| !name.is_empty()).collect();
        let mut bytes = Vec::new();
        let mut visit = |object: serde_json::Value| {
            bytes.extend_from_slice(b"---\n");
            bytes.extend_from_slice(object.to_string().as_bytes());
            bytes.push(b'\n');
        };
        let asked = live.each(|kind, _| kind == Kind::Pod, Scope::Named(&namespaces), &mut visit);
        if asked.ok_or("the cluster cannot be asked")?.incomplete {
            *exit = Exit::Failure;
        }
        texts.push(Text { name: "the cluster".to_owned(), bytes, named: false });
    }
    Ok(texts)
}

struct Verify<'a> {
    args: &'a Args,
    facts: Facts,
    host: NamespaceIds,
    targets: Vec<Target>,
    /// What was found of each target so far.
    found: Vec<Option<(Fit, Entry)>>,
}

impl Verify<'_> {
    /// Compares the processes that this workload declares.
    fn workload(&mut self, place: Place<'_>, workload: &Workload, named: bool) {
        let better = |at: usize, target: &Target| {
            let fit = verify::fit(workload, target.container.as_deref(), named)?;
            let known = self.found.get(at).and_then(Option::as_ref).map(|(fit, _)| *fit);
            known.is_none_or(|known| known < fit).then_some(fit)
        };
        let fits: Vec<(usize, Fit)> =
            self.targets.iter().enumerate().filter_map(|(at, target)| Some((at, better(at, target)?))).collect();
        if fits.is_empty() {
            return;
        }
        let objects = Found::collect(place.documents, workload.namespace());
        let mut facts = self.facts.clone();
        // Without any object beside it a dump says nothing of those that there are.
        facts.objects = named.then(|| objects.names()).filter(|names| !names.is_empty());
        facts.claim_templates = Some(pods::claim_templates(place.document, workload));
        facts.storage = crate::objects::storage(place.documents);
        let pod = machine::pod(workload);
        let effective = resolve(&pod.metadata, &workload.spec, &facts);
        for (at, fit) in fits {
            let Some(target) = self.targets.get(at) else { continue };
            let known = target.container.as_deref();
            let name = self.args.name.as_deref().or(known.map(|container| container.name.as_str()));
            let entry = match verify::index(&effective, name) {
                Err(_) if fit == Fit::Template => continue,
                Err(error) => target.entry().failed(error),
                Ok(index) => self.entry_of(target, |seen| {
                    let container = effective.containers.get(index)?;
                    let written = Written { place, workload };
                    let compared = verify::manifest(&target.process, seen, container, &written, known);
                    Some((("manifest", place.source.to_owned()), compared))
                }),
            };
            if let Some(found) = self.found.get_mut(at) {
                *found = Some((fit, entry));
            }
        }
    }

    /// Observes a process and compares it.
    fn entry_of(
        &self,
        target: &Target,
        compare: impl FnOnce(&observe::Outside) -> Option<((&'static str, String), verify::Compared)>,
    ) -> Entry {
        let entry = target.entry();
        let seen = target.process.observe(&self.host);
        let compared = compare(&seen);
        if target.process.record().is_err_and(|error| error.kind() != io::ErrorKind::PermissionDenied) {
            return entry.failed("it has ended while it was looked at".to_owned());
        }
        match compared {
            Some((against, compared)) => entry.compared(against, compared, seen, self.args.allow_narrower),
            None => entry.failed("nothing is declared for it".to_owned()),
        }
    }

    /// What is said of each process; those that no manifest declares are held against what their runtime was told.
    fn finish(mut self, has_manifests: bool) -> Vec<Entry> {
        let found = std::mem::take(&mut self.found);
        let mut entries = Vec::new();
        for (target, found) in self.targets.iter().zip(found) {
            if let Some((_, entry)) = found {
                entries.push(entry);
                continue;
            }
            let Some(container) = target.container.as_deref() else {
                entries.push(target.entry().failed("the manifests have no pod for it".to_owned()));
                continue;
            };
            if has_manifests {
                let whose = format!("{}/{} container {}", container.namespace, container.pod, container.name);
                super::warn(&crate::view::clean(&format!("no manifest declares {whose}")));
            }
            entries.push(match &container.spec {
                Err(why) => target.entry().failed(why.clone()),
                Ok(spec) => self.entry_of(target, |seen| {
                    let compared = verify::specification(&target.process, seen, spec, container, &self.host);
                    Some((("specification", container.runtime.clone()), compared))
                }),
            });
        }
        entries
    }
}
