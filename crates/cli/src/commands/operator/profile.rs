//! `ringfence operator profile`.

use std::io::{self, Write};
use std::path::PathBuf;

use ringfence_manifest::{Source, Workload};
use ringfence_operators::profile::{Profile, schema};
use ringfence_operators::{OperatorSetting, Operators, Platform, built_in};

use crate::commands::{chain, complain, count, output_failed, stdout};
use crate::exit::Exit;
use crate::input::Inputs;
use crate::operators::read;
use crate::pods::{self, Item, Place, title};
use crate::view::clean;

/// Operators as data: list and show the profiles, and try one that you write
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// The built-in profiles: which kinds, versions and settings they know
    List,
    /// A built-in profile's own text, to start from
    Show {
        /// Its name, such as eck.
        name: String,
    },
    /// The JSON schema of profile files, for your editor
    Schema,
    /// Is a profile sound, and what does it make of these manifests?
    #[command(after_help = EXAMPLES)]
    Test(TestArgs),
}

#[derive(Debug, clap::Args)]
struct TestArgs {
    /// Profiles: files, or directories of such.
    #[arg(required = true, value_name = "PROFILE")]
    profiles: Vec<PathBuf>,

    /// A manifest with custom resources; may be repeated. Every value of what comes of them is printed with its source.
    #[arg(long = "on", value_name = "FILE|DIR")]
    manifests: Vec<PathBuf>,

    /// An operator's version and settings; may be repeated.
    #[arg(long = "operator", value_name = "NAME[@VERSION][,SETTING=VALUE]…")]
    settings: Vec<OperatorSetting>,
}

const EXAMPLES: &str = "\
Examples:
  ringfence operator profile test postgres-operator.yaml
  ringfence operator profile test postgres-operator.yaml --on acid-minimal.yaml
  ringfence operator profile test profiles/ --operator postgres-operator@1.13.0 --on clusters/

Exit status: 0 the profiles are sound and every resource becomes something, 1 something is wrong, 2 a file could not be
opened.";

pub(super) fn main(args: &Args) -> Exit {
    let done = match &args.command {
        Command::List => list(),
        Command::Show { name } => return show(name),
        Command::Schema => print(&schema()),
        Command::Test(args) => return test(args),
    };
    done.map_or_else(|error| output_failed(&error), |()| Exit::Clean)
}

fn print(value: &serde_json::Value) -> io::Result<()> {
    let mut out = stdout(false);
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)?;
    out.flush()
}

fn list() -> io::Result<()> {
    let mut out = stdout(true);
    for profile in built_in() {
        let spec = profile.spec();
        let versions = &spec.versions;
        writeln!(
            out,
            "{}: {}, versions {} to {}, {} unless --operator says otherwise",
            profile.name(),
            spec.title,
            versions.oldest,
            versions.newest,
            versions.default
        )?;
        for resource in &spec.resources {
            writeln!(out, "    {}.{}", resource.kind, resource.group)?;
        }
        for setting in &spec.settings {
            let values = setting.values.join("|");
            writeln!(out, "    {}={values}, {} by default: {}", setting.name, setting.default, setting.description)?;
        }
    }
    out.flush()
}

fn show(name: &str) -> Exit {
    let Some(profile) = built_in().find(|profile| profile.name() == name) else {
        let known: Vec<_> = built_in().map(Profile::name).collect();
        complain(&format!("no built-in profile is called {name:?}; there are {}", known.join(", ")));
        return Exit::Failure;
    };
    let mut out = stdout(false);
    let shown = write!(out, "{}", profile.text()).and_then(|()| out.flush());
    shown.map_or_else(|error| output_failed(&error), |()| Exit::Clean)
}

fn test(args: &TestArgs) -> Exit {
    let Some(profiles) = read(&args.profiles) else { return Exit::Findings };
    let mut operators = Operators::new(Platform::default());
    let mut out = stdout(true);
    for (file, profile) in profiles {
        let kinds: Vec<_> = profile.spec().resources.iter().map(|resource| resource.kind.as_str()).collect();
        let line = format!("{}: {} is sound: {}", file.display(), profile.name(), kinds.join(", "));
        if let Err(error) = writeln!(out, "{}", clean(&line)) {
            return output_failed(&error);
        }
        operators.add(profile);
    }
    for setting in &args.settings {
        if let Err(error) = operators.set(setting) {
            complain(&format!("--operator {setting}: {}", chain(&error)));
            return Exit::Failure;
        }
    }
    let mut exit = Exit::Clean;
    if !args.manifests.is_empty() {
        let seen = pods::for_each_with(&Inputs::of(args.manifests.clone()), &operators, |place, item| match item {
            Item::Workload(workload) => made(&mut out, place, workload),
            Item::Broken { title, line, column, message } => {
                exit = exit.max(Exit::Findings);
                complain(&format!("{}:{line}:{column}: {message} (in {title})", place.source));
                Ok(())
            }
        });
        match seen {
            Ok(seen) => {
                seen.tell();
                exit = seen.exit.map_or(exit, |other| other.max(exit));
            }
            Err(error) => return output_failed(&error),
        }
    }
    out.flush().map_or_else(|error| output_failed(&error), |()| exit)
}

/// Every value of a workload's pods, with its source.
fn made(out: &mut impl Write, place: Place<'_>, workload: &Workload) -> io::Result<()> {
    let Some(derived) = &workload.derived else { return Ok(()) };
    let pod = serde_json::json!({"metadata": workload.metadata, "spec": workload.spec});
    writeln!(out, "\n{}, by {}", clean(&title(workload)), clean(&derived.operator))?;
    let mut leaves = 0usize;
    for (path, source) in &derived.sources {
        let pointer = format!("/{}", path.replace(['.', '['], "/").replace(']', ""));
        let Some(value) = pod.pointer(&pointer).filter(|value| !value.is_object() && !value.is_array()) else {
            continue;
        };
        leaves += 1;
        let from = match source {
            Source::Added { why, .. } => why.clone(),
            Source::Written(_) => {
                let line = place.document.location_of(&workload.path(path)).map_or(0, |at| at.line);
                format!("{}:{line}", place.source)
            }
        };
        writeln!(out, "  {}", clean(&format!("{path}: {value}  # {from}")))?;
    }
    for note in place.notes {
        writeln!(out, "  {}", clean(&format!("note: {}", note.message)))?;
    }
    writeln!(out, "  {}", count(leaves, "value"))
}
