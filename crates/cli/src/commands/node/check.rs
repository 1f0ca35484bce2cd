//! `ringfence node check`.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use ringfence_context::facts::{Facts, NodeFacts};
use ringfence_context::node::{Need, judge};
use ringfence_manifest::Workload;

use crate::commands::{chain, complain, output_failed, stdout};
use crate::exit::Exit;
use crate::facts::FactsArgs;
use crate::input::Inputs;
use crate::jsonl;
use crate::node::report::{Placed, Report, name, need};
use crate::node::{file, look, metrics, text};
use crate::pods::{self, Item, Place, title};

/// What this node can honour, and what of your manifests it cannot
///
/// Looks at the machine and tries what can be tried: capabilities in the bounding set, how many files a process in a pod
/// may open and who says so, seccomp, no_new_privs, AppArmor, SELinux, user namespaces, id-mapped mounts, cgroups,
/// sysctls, kernel and container runtime. What cannot be found out is unknown, with the reason. With manifests, each
/// container that the node would break is named, with the field and the line.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Manifests to hold against the node: files, directories, or - for standard input.
    #[arg(value_name = "FILE|DIR|-")]
    manifests: Vec<PathBuf>,

    /// What the node is for: redis-enterprise, elasticsearch, or a manifest; may be repeated.
    #[arg(long = "for", value_name = "APPLICATION|FILE")]
    purposes: Vec<String>,

    /// A node to judge in place of this machine: facts, a report of this command, or Node objects that carry the
    /// annotation; may be repeated.
    #[arg(long = "node", value_name = "FILE", conflicts_with = "root")]
    nodes: Vec<PathBuf>,

    /// Where the node's root is mounted, when this runs in a container.
    #[arg(long, value_name = "DIR", default_value = "/", hide_default_value = true)]
    root: PathBuf,

    /// The socket at which the container runtime answers; otherwise those of containerd, k3s, CRI-O and cri-dockerd are
    /// looked for.
    #[arg(long, value_name = "SOCKET", conflicts_with = "nodes", value_parser = endpoint)]
    runtime_endpoint: Option<PathBuf>,

    #[command(flatten)]
    facts: FactsArgs,

    #[command(flatten)]
    daemon: super::daemon::DaemonArgs,

    /// How to print.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

const EXAMPLES: &str = "\
Examples:
  ringfence node check
  ringfence node check --for redis-enterprise
  ringfence node check --for redis-enterprise --node worker1.json --node worker2.json
  ringfence node check -o json > worker1.json && ringfence explain --node worker1.json app.yaml

Exit status: 0 nothing breaks, 1 something breaks or cannot be told, 2 something could not be read.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON document: nodes, verdicts, findings. It serves as --node FILE.
    Json,
    /// A line of JSON for each node.
    Jsonl,
    /// Metrics in Prometheus' text format.
    Prometheus,
}

/// A path, or the URL of one, as crictl(1) takes it.
fn endpoint(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text.strip_prefix("unix://").unwrap_or(text));
    if path.is_absolute() {
        Ok(path)
    } else {
        Err("write the socket's whole path, such as unix:///run/crio/crio.sock".to_owned())
    }
}

pub(super) fn main(args: &Args) -> Exit {
    if args.daemon.are_given() {
        return daemon(args);
    }
    let nodes = match nodes(args) {
        Ok(nodes) => nodes,
        Err(message) => {
            complain(&message);
            return Exit::Failure;
        }
    };
    let (needs, files) = purposes(args);
    let mut report = Report { nodes, ..Report::default() };
    report.judge(&needs);
    let mut exit = Exit::Clean;
    if !files.is_empty() {
        match manifests(args, files, &mut report) {
            Ok(read) => exit = read,
            Err(message) => {
                complain(&message);
                return Exit::Failure;
            }
        }
    }
    match print(args.output, &report) {
        Ok(()) => exit.max(report.exit()),
        Err(error) => output_failed(&error),
    }
}

/// Publishes and serves; only the applications that have names are judged there.
fn daemon(args: &Args) -> Exit {
    let (needs, files) = purposes(args);
    if let Some(file) = files.first() {
        complain(&format!(
            "--for {}: with --publish or --listen it is redis-enterprise or elasticsearch",
            file.display()
        ));
        return Exit::Failure;
    }
    let look = || {
        look::look(&args.root, args.runtime_endpoint.as_deref())
            .map_err(|error| format!("{}: {error}", args.root.display()))
    };
    args.daemon.run(&look, &|report| report.judge(&needs))
}

fn nodes(args: &Args) -> Result<Vec<NodeFacts>, String> {
    if args.nodes.is_empty() {
        let found = look::look(&args.root, args.runtime_endpoint.as_deref())
            .map_err(|error| format!("{}: {error}", args.root.display()))?;
        return Ok(vec![found]);
    }
    file::all(&args.nodes).map_err(|error| chain(&error))
}

/// Applications by their names; the rest are files.
fn purposes(args: &Args) -> (Vec<Need>, Vec<PathBuf>) {
    let mut needs: Vec<Need> = Vec::new();
    let mut files = args.manifests.clone();
    for purpose in &args.purposes {
        match need(purpose) {
            Some(need) if !needs.contains(&need) => needs.push(need),
            Some(_) => {}
            None => files.push(Path::new(purpose).to_path_buf()),
        }
    }
    (needs, files)
}

/// Holds the manifests against each node.
fn manifests(args: &Args, files: Vec<PathBuf>, report: &mut Report) -> Result<Exit, String> {
    let mut facts = args.facts.load(None).map_err(|error| chain(&error))?;
    let mut exit = Exit::Clean;
    let mut found = Vec::new();
    let nodes = &report.nodes;
    let seen = pods::for_each(&Inputs::of(files), |place, item| {
        match item {
            Item::Workload(workload) => {
                facts.claim_templates = Some(pods::claim_templates(place.document, workload));
                for (index, node) in nodes.iter().enumerate() {
                    facts.node = Some(node.clone());
                    hold(place, workload, &facts, &name(node, index), &mut found);
                }
            }
            Item::Broken { title, line, column, message } => {
                exit = exit.max(Exit::Findings);
                complain(&format!("{}:{line}:{column}: {message} (in {title})", place.source));
            }
        }
        Ok(())
    });
    let seen = seen.map_err(|error| error.to_string())?;
    if args.output == Format::Text {
        seen.tell();
    }
    report.findings = found;
    Ok(seen.exit.map_or(exit, |other| other.max(exit)))
}

fn hold(place: Place<'_>, workload: &Workload, facts: &Facts, node: &str, found: &mut Vec<Placed>) {
    for finding in judge(&workload.metadata, &workload.spec, facts) {
        let span = place.document.locate(&workload.path(&finding.field));
        let at = span.map(|found| place.document.location(found.key.unwrap_or(found.value).start));
        let (line, column) = at.map_or((0, 0), |at| (at.line, at.column));
        let (node, object, source) = (node.to_owned(), title(workload), place.source.to_owned());
        found.push(Placed { node, object, source, line, column, finding });
    }
}

fn print(format: Format, report: &Report) -> io::Result<()> {
    let mut out = stdout(format == Format::Text);
    match format {
        Format::Text => text::write(&mut out, report)?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, report)?;
            writeln!(out)?;
        }
        Format::Jsonl => {
            for (index, node) in report.nodes.iter().enumerate() {
                let own = name(node, index);
                let findings: Vec<_> = report.findings.iter().filter(|placed| placed.node == own).collect();
                let of_node = |joined: &crate::node::report::Joined| {
                    let own = joined.nodes.get(index)?;
                    Some(
                        serde_json::json!({"for": joined.r#for, "statement": joined.statement, "verdict": own.verdict}),
                    )
                };
                let verdicts: Vec<_> = report.verdicts.iter().filter_map(of_node).collect();
                let line = serde_json::json!({"nodes": [node], "verdicts": verdicts, "findings": findings});
                jsonl::write(&mut out, &line)?;
            }
        }
        Format::Prometheus => out.write_all(metrics::metrics(report).as_bytes())?,
    }
    out.flush()
}
