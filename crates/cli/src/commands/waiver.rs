//! `ringfence waiver`.

mod print;
mod worth;

use std::io::{self, Write as _};
use std::sync::Arc;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use ringfence_admission::cluster::Kind;
use ringfence_admission::waiver::{Terms, Waivers, Waiving, usages};

use super::{chain, complain};
use crate::cluster::{ClusterArgs, Needs, PodSecurityArgs, Scope, WaiverArgs, Where, namespace};
use crate::exit::Exit;
use crate::jsonl;
use crate::view::clean;
use worth::{Told, Worth};

/// Which waivers count, which will not for long, and which nothing needs
///
/// Every Waiver is held against the pods that are there and the levels that their namespaces enforce now: whether it counts,
/// for how long, and which workloads would be refused without it. What nothing needs can go; what has expired and is still
/// needed will be missed when its pods are made again.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Each waiver with its state and how much needs it
    #[command(after_help = STATUS)]
    List(Common),
    /// All there is to say of one waiver: which workloads need it, and which of its controls none does
    #[command(after_help = STATUS)]
    Explain(Explain),
}

#[derive(Debug, clap::Args)]
struct Common {
    #[command(flatten)]
    cluster: ClusterArgs,

    #[command(flatten)]
    pod_security: PodSecurityArgs,

    /// The namespace whose Waiver objects count, as `serve` is told.
    #[arg(long, value_name = "NAMESPACE", default_value = super::install::WAIVERS, value_parser = namespace)]
    waivers_from: String,

    /// How many days after it was made a waiver must have expired, as `serve` is told.
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3650))]
    waiver_max_days: u32,

    /// Days before its end from which a waiver expires soon.
    #[arg(long, value_name = "DAYS", default_value_t = 14, value_parser = clap::value_parser!(u32).range(0..=3650))]
    soon: u32,

    /// How to print.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

#[derive(Debug, clap::Args)]
struct Explain {
    /// The waiver's name.
    name: String,

    #[command(flatten)]
    common: Common,
}

const EXAMPLES: &str = "\
Examples:
  ringfence waiver list --context production               of the namespace ringfence-waivers
  ringfence waiver list --cluster dump.yaml --soon 30 -o jsonl
  ringfence waiver explain node-exporter --context production

Exit status: 0 all count, not only for a short time, and are needed, 1 one is not so, 2 something could not be read.";

const STATUS: &str = "\
Exit status: 0 it counts, not only for a short time, and is needed, 1 it is not so, 2 something could not be read, or there
is no such waiver.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// A line of JSON for each waiver.
    Jsonl,
}

pub(crate) fn main(args: &Args) -> Exit {
    let (common, name) = match &args.command {
        Command::List(common) => (common, None),
        Command::Explain(explain) => (&explain.common, Some(explain.name.as_str())),
    };
    let Some((mut all, incomplete)) = load(common) else { return Exit::Failure };
    if let Some(name) = name {
        all.retain(|told| told.is_called(name, &common.waivers_from));
        if all.is_empty() {
            complain(&clean(&format!("there is no waiver {name:?} in the namespace {}", common.waivers_from)));
            return Exit::Failure;
        }
    }
    let mut exit = if incomplete { Exit::Failure } else { Exit::Clean };
    if all.iter().any(|told| told.worth != Worth::Good) {
        exit = exit.max(Exit::Findings);
    }
    match print(common.output, name.is_some(), &all) {
        Ok(()) => exit,
        Err(error) => super::output_failed(&error),
    }
}

/// The waivers and what they do, and whether something could not be read; `None` if nothing could, which has been said.
fn load(common: &Common) -> Option<(Vec<Told>, bool)> {
    let cluster = common.cluster.clone().or_within();
    if !cluster.is_given() {
        complain("no cluster given: name a dump with --cluster, or a running one with --kubeconfig or --context");
        return None;
    }
    let pod_security = match common.pod_security.load(None) {
        Ok(pod_security) => pod_security,
        Err(error) => {
            complain(&chain(&error));
            return None;
        }
    };
    let loaded = cluster.load(Needs::Reports, Scope::Named(&[]))?;
    let args = WaiverArgs { waivers_from: Some(common.waivers_from.clone()), waiver_max_days: common.waiver_max_days };
    let objects = args.objects(&cluster, &loaded, Where::Everywhere).ok()?;
    let terms: Terms = args.terms()?;
    let waivers = Waivers::new(&terms, &objects);
    let elsewhere: Vec<Told> =
        waivers.elsewhere().iter().map(|title| Told::elsewhere(title, &terms.namespace)).collect();
    let now = Timestamp::now();
    let waiving = Waiving { waivers: Arc::new(waivers), now };
    let soon = SignedDuration::from_hours(i64::from(common.soon) * 24);
    // Of what is not known to run nobody can say that it needs nothing.
    let knows_pods =
        !loaded.incomplete && [Kind::Pod, Kind::Namespace].iter().all(|kind| loaded.snapshot.has_seen(*kind));
    let mut all: Vec<Told> = usages(&loaded.snapshot, &pod_security, &waiving)
        .into_iter()
        .map(|usage| Told::new(usage, now, soon, knows_pods))
        .collect();
    all.extend(elsewhere);
    Some((all, loaded.incomplete))
}

fn print(format: Format, whole: bool, all: &[Told]) -> io::Result<()> {
    let mut out = super::stdout(format == Format::Text);
    for told in all {
        match format {
            Format::Jsonl => jsonl::write(&mut out, &print::object(told))?,
            Format::Text if whole => print::explain(&mut out, told)?,
            Format::Text => writeln!(out, "{}", clean(&print::line(told)))?,
        }
    }
    if format == Format::Text && !whole {
        writeln!(out, "{}", print::summary(all))?;
    }
    out.flush()
}
