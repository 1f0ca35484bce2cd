//! `ringfence explain`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use ringfence_context::effective::{EffectiveContainer, Refusal, Warning};
use ringfence_context::facts::Facts;
use ringfence_context::process::ProcessState;
use ringfence_context::resolve;
use ringfence_manifest::Workload;
use ringfence_operators::Platform;
use serde::Serialize;

use crate::exit::Exit;
use crate::facts::FactsArgs;
use crate::input::Inputs;
use crate::jsonl;
use crate::node::file;
use crate::operators::OperatorArgs;
use crate::pods::{self, Item, Origins, Place, Written, title};
use crate::pull::{ImageArgs, Local, Pull};
use crate::store::images_of;
use crate::view;

/// Each container's effective security context, every value with where it comes from
///
/// Says what kubelet and runtime will make of the manifest: user and groups, capabilities, no_new_privs, seccomp,
/// AppArmor, SELinux, file system, /proc, namespaces, HOME and volumes; what they will refuse; and which declarations
/// have no effect. What the manifest alone cannot tell is unknown until --images, --node or the local store say it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    inputs: Inputs,

    #[command(flatten)]
    facts: FactsArgs,

    #[command(flatten)]
    operators: OperatorArgs,

    /// What is known of the node: a YAML or JSON file of facts (kubelet, runtime, cgroups, capabilities.bounding,
    /// seccompDefault, apparmor, selinux, userNamespaces…), what `node check -o json` printed, or an annotated Node.
    #[arg(long, value_name = "FILE")]
    node: Option<PathBuf>,

    #[command(flatten)]
    image: ImageArgs,

    /// Show every row, also those that say nothing out of the ordinary.
    #[arg(short, long)]
    all: bool,

    /// How to print.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

const EXAMPLES: &str = "\
Examples:
  ringfence explain deploy/
  ringfence explain --images images.yaml --node node.yaml app.yaml
  kubectl get pods -A -o yaml | ringfence explain -o jsonl -

Exit status: 0 everything starts as declared, 1 refusals, warnings or text that is no
manifest, 2 a file could not be opened.";

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
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    containers: Vec<Container<'a>>,
    warnings: &'a [Warning],
    /// What the user should know of the custom resource.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<&'a str>,
    /// The custom resource that an operator makes the object of, and where each of its values comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    derived: Option<Origins>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Container<'a> {
    name: &'a str,
    computed: ProcessState,
    error: Option<&'a Refusal>,
    warnings: &'a [Warning],
    effective: &'a EffectiveContainer,
}

pub(crate) fn main(args: &Args) -> Exit {
    let node = match args.node.as_deref().map(file::node).transpose() {
        Ok(node) => node,
        Err(error) => {
            super::complain(&super::chain(&error));
            return Exit::Failure;
        }
    };
    let facts = match args.facts.load(node) {
        Ok(facts) => facts,
        Err(error) => {
            super::complain(&super::chain(&error));
            return Exit::Failure;
        }
    };
    let images = match args.image.local(Pull::Never) {
        Ok(local) => local,
        Err(error) => {
            super::complain(&super::chain(&error));
            return Exit::Failure;
        }
    };
    let Some(operators) = args.operators.load(Platform::default()) else { return Exit::Failure };
    let mut explain = Explain {
        args,
        facts,
        images,
        out: super::stdout(args.output == Format::Text),
        all: vec![],
        exit: Exit::Clean,
    };
    let seen = pods::for_each_with(&args.inputs, &operators, |place, item| explain.item(place, item));
    match seen.and_then(|seen| explain.finish(&seen)) {
        Ok(exit) => exit,
        Err(error) => super::output_failed(&error),
    }
}

struct Explain<'a> {
    args: &'a Args,
    facts: Facts,
    images: Local,
    out: io::BufWriter<Box<dyn Write>>,
    all: Vec<serde_json::Value>,
    exit: Exit,
}

impl Explain<'_> {
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
                let document = place.document.index();
                let (source, error) = (place.source, Some(error));
                self.print(&Line {
                    source,
                    document,
                    kind: "",
                    namespace: "",
                    name: "",
                    error,
                    containers: vec![],
                    warnings: &[],
                    derived: None,
                    notes: vec![],
                })
            }
        }
    }

    fn workload(&mut self, place: Place<'_>, workload: &Workload) -> io::Result<()> {
        self.facts.claim_templates = Some(pods::claim_templates(place.document, workload));
        self.facts.storage = crate::objects::storage(place.documents);
        for name in images_of(workload) {
            if self.facts.image(&name).is_some() {
                continue;
            }
            match self.images.image(&name) {
                Ok(Some(image)) => drop(self.facts.images.insert(name, image.facts)),
                Ok(None) => {}
                Err(error) => {
                    // The rest is told without it.
                    super::warn(&format!("image {name:?}: {}", super::chain(&error)));
                    self.exit = self.exit.max(Exit::Failure);
                }
            }
        }
        let pod = resolve(&workload.metadata, &workload.spec, &self.facts);
        let wrong = |c: &EffectiveContainer| c.refusal.is_some() || !c.warnings.is_empty();
        if !pod.warnings.is_empty() || pod.refusal.is_some() || pod.containers.iter().any(wrong) {
            self.exit = self.exit.max(Exit::Findings);
        }
        if self.args.output == Format::Text {
            return self.text(place, workload, &pod.warnings, &pod.containers);
        }
        let containers = pod.containers.iter().map(|container| Container {
            name: &container.name,
            computed: container.process(),
            error: container.refusal.as_ref(),
            warnings: &container.warnings,
            effective: container,
        });
        let line = Line {
            source: place.source,
            document: place.document.index(),
            kind: workload.kind.as_str(),
            namespace: workload.namespace(),
            name: workload.name(),
            error: None,
            containers: containers.collect(),
            warnings: &pod.warnings,
            derived: Origins::of(place, workload),
            notes: place.notes.iter().map(|note| note.message.as_str()).collect(),
        };
        self.print(&line)
    }

    fn print(&mut self, line: &Line<'_>) -> io::Result<()> {
        if self.args.output == Format::Json {
            self.all.push(serde_json::to_value(line)?);
            return Ok(());
        }
        jsonl::write(&mut self.out, line)
    }

    fn text(
        &mut self,
        place: Place<'_>,
        workload: &Workload,
        warnings: &[Warning],
        containers: &[EffectiveContainer],
    ) -> io::Result<()> {
        let written = Written { place, workload };
        for container in containers {
            view::heading(&mut self.out, &title(workload), container, place.source)?;
            // A Linux context of a Windows pod is nothing that anybody gets.
            let windows = workload.spec.os.as_ref().is_some_and(|os| os.name == "windows");
            if !windows {
                let mut rows = view::rows(container, &container.process(), None, &BTreeMap::new(), &written);
                rows.retain(|row| self.args.all || !row.is_dull());
                writeln!(self.out, "{}", view::table(&rows, false))?;
            }
            view::notes(&mut self.out, &written, container.refusal.as_ref(), &container.warnings)?;
            writeln!(self.out)?;
        }
        view::notes(&mut self.out, &written, None, warnings)?;
        for note in place.notes {
            let line = place.document.location_of(&note.field).map_or(0, |at| at.line);
            let note = format!("{} ({}:{line})", note.message, place.source);
            writeln!(self.out, "  note: {}\n", view::clean(&note))?;
        }
        Ok(())
    }

    fn finish(mut self, seen: &pods::Seen) -> io::Result<Exit> {
        if self.args.output == Format::Json {
            serde_json::to_writer_pretty(&mut self.out, &self.all)?;
            writeln!(self.out)?;
        }
        self.out.flush()?;
        if self.args.output == Format::Text {
            seen.tell();
        }
        Ok(seen.exit.map_or(self.exit, |exit| exit.max(self.exit)))
    }
}
