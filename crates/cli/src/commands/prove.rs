//! `ringfence prove`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::PathBuf;

use ringfence_context::effective::{EffectiveContainer, EffectivePod};
use ringfence_context::facts::Facts;
use ringfence_context::process::ProcessState;
use ringfence_context::resolve;
use ringfence_manifest::Workload;
use ringfence_runtime::observe;
use ringfence_runtime::run::{Observed, PodRun, RunError, RunRefusal};
use ringfence_runtime::spec::Sources;
use ringfence_runtime::state::StateDir;
use serde::Serialize;

use crate::demonstration::{self, Demonstration};
use crate::exit::Exit;
use crate::facts::FactsArgs;
use crate::input::Inputs;
use crate::jsonl;
use crate::machine::{self, Machine, MachineArgs};
use crate::objects::Found;
use crate::operators::OperatorArgs;
use crate::pods::{self, Item, Place, Written, title};
use crate::view::{self, Agreement, BAD, GOOD, clean};

/// Declared, computed and observed side by side: start each context in the real kernel and read it back
///
/// Starts every container's context on this machine with a small probe in place of its command, and compares what the
/// kernel says with what the manifest comes to. No command of an image is run. Works as root, and without root in a
/// user namespace; what cannot be shown there is said.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    inputs: Inputs,

    #[command(flatten)]
    facts: FactsArgs,

    #[command(flatten)]
    operators: OperatorArgs,

    #[command(flatten)]
    machine: MachineArgs,

    // Taken only to say what to use instead: what is observed is this machine, and so must be what it is held against.
    #[arg(long, value_name = "FILE", hide = true)]
    node: Option<PathBuf>,

    /// Show every row, also those that say nothing out of the ordinary.
    #[arg(short, long)]
    all: bool,

    /// How to print.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

const EXAMPLES: &str = "\
Examples:
  ringfence prove examples/walkthrough
  ringfence prove --engine runc app.yaml          what another runtime makes of the same context
  ringfence prove --images images.yaml app.yaml   with the images' own users
  ringfence prove --rootfs ./unpacked app.yaml    in an image's root file system

Exit status: 0 every container runs as computed, 1 something differs or is refused, 2 something could not be done.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A table for each container.
    Text,
    /// One JSON document.
    Json,
    /// A line of JSON for each object.
    Jsonl,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    source: &'a str,
    document: usize,
    kind: &'a str,
    namespace: &'a str,
    name: &'a str,
    engine: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    containers: Vec<Container>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    name: String,
    computed: ProcessState,
    observed: Option<ProcessState>,
    /// Why it did not start.
    error: Option<Problem>,
    /// What was predicted, when a refusal was.
    #[serde(skip_serializing_if = "Option::is_none")]
    predicted: Option<Problem>,
    /// Fields that prove nothing here, each with the reason.
    not_shown: BTreeMap<String, String>,
    agreement: bool,
    /// What a capability that the manifest adds makes possible; compared with nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    demonstrations: Vec<Demonstration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rootfs: Option<String>,
    effective: EffectiveContainer,
}

#[derive(Clone, Serialize)]
struct Problem {
    /// As a pod's status or event says it; null where only this machine failed.
    reason: Option<&'static str>,
    message: String,
}

pub(crate) fn main(args: &Args) -> Exit {
    if args.node.is_some() {
        super::complain(
            "prove has no --node: it observes this machine, and takes its facts from it; `explain --node FILE` computes for \
             another node, and `check --node FILE` says what that cannot honour",
        );
        return Exit::Failure;
    }
    let ready = || -> Result<_, Box<dyn std::error::Error>> {
        let facts = args.facts.load(Some(observe::node_facts()))?;
        Ok((facts, args.machine.machine(args.facts.seccomp_root.as_deref())?))
    };
    let (facts, machine) = match ready() {
        Ok(ready) => ready,
        Err(error) => {
            super::complain(&super::chain(&*error));
            return Exit::Failure;
        }
    };
    let Some(operators) = args.operators.load(ringfence_operators::Platform::default()) else { return Exit::Failure };
    let out = super::stdout(args.output == Format::Text);
    let mut prove = Prove { args, facts, machine, out, all: vec![], counts: Counts::default(), exit: Exit::Clean };
    let seen = pods::for_each_with(&args.inputs, &operators, |place, item| prove.item(place, item));
    match seen.and_then(|seen| prove.finish(&seen)) {
        Ok(exit) => exit,
        Err(error) => super::output_failed(&error),
    }
}

#[derive(Default)]
struct Counts {
    fields: usize,
    not_shown: usize,
    agree: usize,
    differ: usize,
    refused: usize,
    failed: usize,
}

struct Prove<'a> {
    args: &'a Args,
    facts: Facts,
    machine: Machine,
    out: io::BufWriter<Box<dyn Write>>,
    all: Vec<serde_json::Value>,
    counts: Counts,
    exit: Exit,
}

impl Prove<'_> {
    fn item(&mut self, place: Place<'_>, item: Item<'_>) -> io::Result<()> {
        match item {
            Item::Workload(workload) => self.workload(place, workload),
            Item::Broken { title, line, column, message } => {
                self.exit = self.exit.max(Exit::Findings);
                let error = format!("{}:{line}:{column}: {message}", place.source);
                if self.args.output == Format::Text {
                    super::complain(&format!("{error} (in {title})"));
                    return Ok(());
                }
                self.print(place, None, Some(error), vec![])
            }
        }
    }

    fn workload(&mut self, place: Place<'_>, workload: &Workload) -> io::Result<()> {
        let found = Found::collect(place.documents, workload.namespace());
        let mut facts = self.facts.clone();
        facts.objects = Some(found.names());
        facts.claim_templates = Some(pods::claim_templates(place.document, workload));
        facts.storage = crate::objects::storage(place.documents);
        let stand_ins = match self.machine.stand_ins(workload, &mut facts) {
            Ok(stand_ins) => stand_ins,
            Err(error) => {
                self.exit = self.exit.max(Exit::Failure);
                let error = super::chain(&error);
                if self.args.output == Format::Text {
                    super::complain(&format!("{}: {error}", title(workload)));
                    return Ok(());
                }
                return self.print(place, Some(workload), Some(error), vec![]);
            }
        };
        let pod = machine::pod(workload);
        let effective = resolve(&pod.metadata, &workload.spec, &facts);
        let mut containers = Vec::new();
        for group in groups(&effective) {
            let observed = self.observe(&pod, &effective, group, workload, &found, &facts);
            for (container, observed) in group.iter().zip(observed) {
                containers.push(self.compare(place, workload, container, observed, &stand_ins)?);
            }
        }
        if self.args.output == Format::Text {
            return Ok(());
        }
        self.print(place, Some(workload), None, containers)
    }

    /// Runs the probe in each container of the group.
    fn observe(
        &self,
        pod: &k8s_openapi::api::core::v1::Pod,
        effective: &EffectivePod,
        group: &[EffectiveContainer],
        workload: &Workload,
        objects: &Found,
        facts: &Facts,
    ) -> Vec<Result<Observed, RunError>> {
        let Some(first) = group.first() else { return vec![] };
        let run = |state: &StateDir| -> Result<Vec<Result<Observed, RunError>>, RunError> {
            // Looking leaves the machine as it is.
            let options = self.machine.options(state, objects, false);
            let run = PodRun::prepare(pod, effective, first, options)?;
            // A profile that cannot be there is told by the probe below, for its container.
            let profiles = group.iter().filter_map(|container| run.app_armor(container).ok().flatten());
            let notes: BTreeSet<_> = profiles.filter_map(|(name, presence)| presence.note(&name)).collect();
            for note in &notes {
                super::warn(note);
            }
            let probe = |container| {
                let process = machine::probe_process(workload, container, facts, Sources { pod, objects });
                run.probe(&*self.machine.engine, container, &self.machine.rootfs(container, facts), &process)
            };
            Ok(group.iter().map(probe).collect())
        };
        match self.machine.state().map_err(RunError::from).and_then(|state| run(&state)) {
            Ok(observed) => observed,
            // What keeps the whole group from starting is said of each, and of the first in its own words.
            Err(error) => {
                let again = error.refusal().unwrap_or_else(|| RunRefusal {
                    reason: ringfence_context::effective::RefusalReason::FailedCreatePodSandBox,
                    message: super::chain(&error),
                });
                let mut all = vec![Err(error)];
                all.extend(group.iter().skip(1).map(|_| Err(RunError::Refused(again.clone()))));
                all
            }
        }
    }

    fn compare(
        &mut self,
        place: Place<'_>,
        workload: &Workload,
        container: &EffectiveContainer,
        observed: Result<Observed, RunError>,
        stand_ins: &[String],
    ) -> io::Result<Container> {
        let predicted = container.refusal.as_ref();
        let computed = container.process();
        let (observed, error, failed) = match observed {
            Ok(observed) => (Some(observed), None, false),
            Err(error) => {
                let refusal = error.refusal();
                let message = refusal.as_ref().map_or_else(|| super::chain(&error), |refusal| refusal.message.clone());
                let failed = refusal.is_none();
                (None, Some(Problem { reason: refusal.map(|refusal| refusal.reason.as_str()), message }), failed)
            }
        };
        let not_shown = observed.as_ref().map(|observed| observed.not_shown.clone()).unwrap_or_default();
        let state = observed.as_ref().map(|observed| &observed.state);
        let written = Written { place, workload };
        let mut rows = view::rows(container, &computed, state, &not_shown, &written);
        let differs = rows.iter().any(|row| row.agreement == Agreement::Differs);
        let agreement = match (&error, predicted) {
            (None, None) => !differs,
            (Some(error), Some(predicted)) => error.reason == Some(predicted.reason.as_str()),
            _ => false,
        };
        self.counts.not_shown += not_shown.len();
        self.counts.fields += rows.iter().filter(|row| row.agreement != Agreement::Open).count();
        match (&error, agreement) {
            _ if failed => self.counts.failed += 1,
            (Some(_), true) => self.counts.refused += 1,
            (None, true) => self.counts.agree += 1,
            (_, false) => self.counts.differ += 1,
        }
        let exit = if failed { Exit::Failure } else { Exit::Findings };
        if error.is_some() || !agreement {
            self.exit = self.exit.max(exit);
        }
        let demonstrations = demonstration::of(container, observed.as_ref());
        if self.args.output == Format::Text {
            view::heading(&mut self.out, &title(workload), container, place.source)?;
            rows.retain(|row| self.args.all || !row.is_dull());
            if state.is_some() {
                writeln!(self.out, "{}", view::table(&rows, true))?;
            }
            self.notes(container, &written, observed.as_ref(), error.as_ref(), stand_ins)?;
            self.demonstrations(&demonstrations)?;
        }
        Ok(Container {
            name: container.name.clone(),
            computed,
            rootfs: observed.as_ref().map(|observed| observed.rootfs.to_string()),
            observed: observed.map(|observed| observed.state),
            error,
            predicted: predicted
                .map(|refusal| Problem { reason: Some(refusal.reason.as_str()), message: refusal.message.clone() }),
            not_shown,
            agreement,
            demonstrations,
            effective: container.clone(),
        })
    }

    fn notes(
        &mut self,
        container: &EffectiveContainer,
        written: &Written<'_>,
        observed: Option<&Observed>,
        error: Option<&Problem>,
        stand_ins: &[String],
    ) -> io::Result<()> {
        let out = &mut self.out;
        match (error, &container.refusal) {
            (Some(error), _) => {
                let reason = error.reason.map_or_else(String::new, |reason| format!("{reason}: "));
                writeln!(out, "  {BAD}did not start{BAD:#}: {reason}{}", clean(&error.message))?;
                view::notes(out, written, container.refusal.as_ref(), &container.warnings)?;
            }
            (None, refusal) => view::notes(out, written, refusal.as_ref(), &container.warnings)?,
        }
        if let Some(observed) = observed {
            for (field, why) in &observed.not_shown {
                writeln!(out, "  not shown here: {}: {}", clean(field), clean(why))?;
            }
            let image = container.image.as_deref().unwrap_or_default();
            let assumed =
                if stand_ins.iter().any(|name| name == image) { "; its USER is taken to be root" } else { "" };
            writeln!(out, "  root file system: {}{assumed}", observed.rootfs)?;
        }
        Ok(())
    }

    fn demonstrations(&mut self, all: &[Demonstration]) -> io::Result<()> {
        for Demonstration { capability, shown, statement, .. } in all {
            let word = if *shown { "at work" } else { "not shown at work" };
            writeln!(self.out, "  {capability} {word}: {}", clean(statement))?;
        }
        writeln!(self.out)
    }

    fn print(
        &mut self,
        place: Place<'_>,
        workload: Option<&Workload>,
        error: Option<String>,
        containers: Vec<Container>,
    ) -> io::Result<()> {
        let line = Line {
            source: place.source,
            document: place.document.index(),
            kind: workload.map_or("", |workload| workload.kind.as_str()),
            namespace: workload.map_or("", Workload::namespace),
            name: workload.map_or("", Workload::name),
            engine: self.machine.engine.name(),
            error,
            containers,
        };
        if self.args.output == Format::Json {
            self.all.push(serde_json::to_value(&line)?);
            return Ok(());
        }
        jsonl::write(&mut self.out, &line)
    }

    fn finish(mut self, seen: &pods::Seen) -> io::Result<Exit> {
        match self.args.output {
            Format::Text => {
                let verdict = self.verdict();
                writeln!(self.out, "{verdict}")?;
            }
            Format::Json => {
                serde_json::to_writer_pretty(&mut self.out, &self.all)?;
                writeln!(self.out)?;
            }
            Format::Jsonl => {}
        }
        self.out.flush()?;
        Ok(seen.exit.map_or(self.exit, |exit| exit.max(self.exit)))
    }

    /// The one line at the end.
    fn verdict(&self) -> String {
        let Counts { fields, not_shown, agree, differ, refused, failed } = self.counts;
        let total = agree + differ + refused + failed;
        let how = if observe::is_privileged() { "as root" } else { "in a user namespace, without root" };
        let mut text = match (total, differ + failed) {
            (0, _) => return "nothing to prove: no pod was found".to_owned(),
            (_, 0) => format!("{GOOD}proved{GOOD:#}: {agree} of {} as computed", super::count(total, "container")),
            _ => format!("{BAD}not proved{BAD:#}: {agree} of {} as computed", super::count(total, "container")),
        };
        if refused > 0 {
            text += &format!(", {refused} refused as predicted");
        }
        if differ > 0 {
            text += &format!(", {differ} otherwise");
        }
        if failed > 0 {
            text += &format!(", {failed} could not be started here");
        }
        let engine = self.machine.engine.name();
        let open = if not_shown > 0 { format!(", {not_shown} not shown here") } else { String::new() };
        text + &format!("; {} read back from the kernel{open} ({engine}, {how})", super::count(fields, "field"))
    }
}

/// The containers that can share one preparation: all of them, but for a caller without privilege each alone, because a
/// user namespace of one user is made for each.
fn groups(pod: &EffectivePod) -> Vec<&[EffectiveContainer]> {
    if observe::is_privileged() { vec![&pod.containers] } else { pod.containers.chunks(1).collect() }
}
