//! `ringfence docker`: docker's words for a pod, and a pod for docker's words.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::Pod;
use ringfence_context::facts::{Facts, ImageFacts};
use ringfence_docker::compose::{self, Service};
use ringfence_docker::{Expressed, Foreign, Note, Options, Parsed, Takes, command_line, from_container, parse, to_pod};
use serde_json::Value;

use crate::docker::{CallersFiles, Version};
use crate::exit::Exit;
use crate::facts::FactsArgs;
use crate::input::Inputs;
use crate::pods::{self, Item};
use crate::view::clean;
use crate::yaml;

/// Docker's command lines as pods, and pods as docker's command lines
///
/// What the other side has no words for is said, with the reason and what to do instead: as comments of the output.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  ringfence docker run --cap-drop ALL --user 1000:1000 nginx       the pod of a command line
  ringfence docker run --images images.yaml --user alice busybox   with names looked up in the image
  ringfence docker compose compose.yaml web                        the pod of a service
  ringfence docker from pod.yaml                                   docker's command line for each container

Exit status: 0 said, with whatever has no equivalent in comments; 2 something could not be read.";

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print the pod that is the equal of a `docker run` command line.
    #[command(disable_help_flag = true)]
    Run {
        /// Docker's flags, the image and its command, as after `docker run`. Before the image also: --images FILE with
        /// what is known of users, --docker-version 20.10|29.
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            required = true,
            value_name = "FLAGS… IMAGE [COMMAND]"
        )]
        args: Vec<String>,
    },
    /// Print the pod of each service of a compose file.
    Compose(ComposeArgs),
    /// Print docker's command line for each container of a manifest.
    From(FromArgs),
}

#[derive(Debug, clap::Args)]
struct ComposeArgs {
    /// The compose file, or - for standard input.
    file: PathBuf,
    /// Only these services.
    services: Vec<String>,
    /// What images say of their user: a YAML or JSON file with `images: [{name, user, passwd, group}]`.
    #[arg(long, value_name = "FILE")]
    images: Option<PathBuf>,
    /// Whose rules.
    #[arg(long, value_name = "VERSION", default_value = "20.10")]
    docker_version: Version,
}

#[derive(Debug, clap::Args)]
struct FromArgs {
    #[command(flatten)]
    inputs: Inputs,
    /// Only this container.
    #[arg(short, long, value_name = "NAME")]
    container: Option<String>,
    /// Whose rules.
    #[arg(long, value_name = "VERSION", default_value = "20.10")]
    docker_version: Version,
}

pub(crate) fn main(args: &Args) -> Exit {
    let done = match &args.command {
        Command::Run { args } => run(args),
        Command::Compose(args) => services(args),
        Command::From(args) => from(args),
    };
    match done {
        Ok(exit) => exit,
        Err(Failed::Said(message)) => {
            super::complain(&message);
            Exit::Failure
        }
        Err(Failed::Output(error)) => super::output_failed(&error),
    }
}

enum Failed {
    Said(String),
    Output(io::Error),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

fn said(error: &dyn std::error::Error) -> Failed {
    Failed::Said(super::chain(error))
}

fn known_images(images: Option<&Path>) -> Result<Facts, Failed> {
    let args = FactsArgs { images: images.map(Path::to_path_buf), ..FactsArgs::default() };
    args.load(None).map_err(|error| said(&error))
}

fn run(args: &[String]) -> Result<Exit, Failed> {
    let foreign =
        ["images", "docker-version"].map(|name| Foreign { name: name.to_owned(), short: None, takes: Takes::Value });
    let parsed = parse(args, &foreign).map_err(|error| said(&error))?;
    let given = |name: &str| parsed.foreign.iter().rev().find_map(|flag| flag.strip_prefix(&format!("--{name}=")));
    let facts = known_images(given("images").map(Path::new))?;
    let version = match given("docker-version") {
        None | Some("20.10") => Version::V20_10,
        Some("29") => Version::V29,
        Some(other) => return Err(Failed::Said(format!("--docker-version {other}: there is 20.10 and 29"))),
    };
    let pod = pod(&parsed, version, &facts)?;
    let mut out = super::stdout(false);
    write_pod(&mut out, &pod, &[])?;
    out.flush()?;
    Ok(Exit::Clean)
}

fn pod(parsed: &Parsed, version: Version, facts: &Facts) -> Result<Expressed<Pod>, Failed> {
    let options = Options::new(parsed, version.into(), &CallersFiles).map_err(|error| said(&error))?;
    let image: Option<&ImageFacts> = facts.image(&options.image);
    Ok(to_pod(&options, version.into(), image))
}

/// A text that stays within its line, whoever reads it.
fn comment(text: &str) -> String {
    clean(text).replace(['\u{2028}', '\u{2029}'], "\u{fffd}")
}

/// The pod after comments with what it does not say.
fn write_pod(out: &mut impl Write, pod: &Expressed<Pod>, before: &[Note]) -> Result<(), Failed> {
    for note in before.iter().chain(&pod.notes) {
        writeln!(out, "# {}: {}", comment(&note.what), comment(&note.why))?;
    }
    let value: Value = serde_json::to_value(&pod.value).map_err(|error| said(&error))?;
    out.write_all(yaml::document(&value).as_bytes())?;
    Ok(())
}

fn services(args: &ComposeArgs) -> Result<Exit, Failed> {
    let facts = known_images(args.images.as_deref())?;
    let source = args.file.display();
    let bytes = if args.file == Path::new("-") {
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut io::stdin().lock(), &mut bytes).map(|_| bytes)
    } else {
        std::fs::read(&args.file)
    };
    let bytes = bytes.map_err(|error| Failed::Said(format!("{source}: {error}")))?;
    let documents = ringfence_manifest::read(&bytes);
    let document = documents.first().ok_or_else(|| Failed::Said(format!("{source}: the file is empty")))?;
    if let Some(wrong) = document.error() {
        let (line, column) = (wrong.location.line, wrong.location.column);
        return Err(Failed::Said(format!("{source}:{line}:{column}: {}", wrong.message)));
    }
    let root = document.root().ok_or_else(|| Failed::Said(format!("{source}: the file is empty")))?;
    let file: Value = serde_json::from_str(&root.to_json()).map_err(|error| said(&error))?;
    let all = compose::services(&file, &args.services, &|name| std::env::var(name).ok())
        .map_err(|error| Failed::Said(format!("{source}: {error}")))?;
    let mut out = super::stdout(false);
    for (index, Service { name, args: words, notes }) in all.iter().enumerate() {
        let service = |error: &dyn std::error::Error| Failed::Said(format!("{source}: services.{name}: {error}"));
        let parsed = parse(words, &[]).map_err(|error| service(&error))?;
        let pod = pod(&parsed, args.docker_version, &facts).map_err(|failed| match failed {
            Failed::Said(why) => Failed::Said(format!("{source}: services.{name}: {why}")),
            output @ Failed::Output(_) => output,
        })?;
        if index > 0 {
            writeln!(out, "---")?;
        }
        write_pod(&mut out, &pod, notes)?;
    }
    out.flush()?;
    Ok(Exit::Clean)
}

fn from(args: &FromArgs) -> Result<Exit, Failed> {
    let mut out = super::stdout(false);
    let mut broken = false;
    let mut found = 0;
    let seen = pods::for_each(&args.inputs, |place, item| {
        let workload = match item {
            Item::Workload(workload) => workload,
            Item::Broken { line, column, message, .. } => {
                broken = true;
                super::complain(&format!("{}:{line}:{column}: {message}", place.source));
                return Ok(());
            }
        };
        let spec = &workload.spec;
        let all = spec.init_containers.iter().flatten().chain(&spec.containers);
        for container in all.filter(|one| args.container.as_ref().is_none_or(|name| one.name == *name)) {
            found += 1;
            let words = from_container(spec, container, args.docker_version.into());
            writeln!(out, "# {}, container {}", comment(&pods::title(workload)), comment(&container.name))?;
            for note in &words.notes {
                writeln!(out, "# {}: {}", comment(&note.what), comment(&note.why))?;
            }
            writeln!(out, "{}", command_line(&words.value))?;
        }
        Ok(())
    })?;
    out.flush()?;
    if let (0, Some(name)) = (found, &args.container) {
        return Err(Failed::Said(format!("no container is called {name:?}")));
    }
    seen.tell();
    Ok(seen.exit.unwrap_or(if broken { Exit::Failure } else { Exit::Clean }))
}
