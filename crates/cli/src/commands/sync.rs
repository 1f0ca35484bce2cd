//! `ringfence sync`.

use std::io::{self, Write};

use anstyle::Style;
use ringfence_admission::sync::{Outcome, Plan, Settings, plan};

use super::sync_watch::{self, WatchArgs};
use crate::cluster::{ClusterArgs, Needs, Scope};
use crate::exit::Exit;
use crate::view::clean;
use crate::yaml;

/// Which pod-security labels OpenShift's synchroniser gives each namespace, and because of whom; --watch gives them
///
/// For every namespace: whether the synchroniser looks after it, the level that its service accounts come to through
/// the security context constraints that they may use, the labels that follow, and the service account, binding and
/// constraint that make the level no stricter. Nothing is changed.
///
/// With --watch it does so, as a controller of the running cluster: that of its own pod, or the one kubectl would ask.
/// It also keeps the privileged namespaces privileged and gives namespaces their ranges of users, groups and SELinux
/// levels. Of several replicas one leads.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    cluster: ClusterArgs,

    /// Change nothing, only say what would be set. This is the default; with --watch, the API server checks each write
    /// without keeping it, and a line of JSON says what it would have been.
    #[arg(long)]
    dry_run: bool,

    /// Run as controllers, and set what is to be set.
    #[arg(long, conflicts_with_all = ["dumps", "platform", "namespaces"])]
    watch: bool,

    /// Only this namespace; may be repeated.
    #[arg(short, long = "namespace", value_name = "NAMESPACE")]
    namespaces: Vec<String>,

    /// Leave the enforce labels alone, as the synchroniser of older platforms does.
    #[arg(long)]
    no_enforce: bool,

    /// How to print.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,

    #[command(flatten)]
    controllers: WatchArgs,
}

const EXAMPLES: &str = "\
Examples:
  ringfence sync --cluster dump.yaml           what would be set, and because of whom
  ringfence sync --cluster dump.yaml -n shop   one namespace
  ringfence sync --cluster dumps/ -o json      for programs
  ringfence sync --watch --dry-run             what the controllers would write to the running cluster, line by line
  ringfence sync --watch                       write it, and go on

Exit status: 0 every label is as it should be, or --watch was told to end, 1 some would change, 2 something could not be
read or run.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
}

/// How many reasons are told of a namespace.
const MOST_REASONS: usize = 3;

const NAME: Style = Style::new().bold();

pub(crate) fn main(args: &Args) -> Exit {
    let settings = Settings { enforcing: !args.no_enforce };
    if args.watch {
        // A dump is refused before this.
        let target = args.cluster.running().unwrap_or_default();
        return sync_watch::main(&args.controllers, &target, settings, args.dry_run);
    }
    if !args.cluster.is_given() {
        super::complain(
            "no cluster given: name a dump with --cluster, or a running one with --kubeconfig or --context",
        );
        return Exit::Failure;
    }
    let Some(loaded) = args.cluster.load(Needs::Labels, Scope::Named(&args.namespaces)) else { return Exit::Failure };
    let mut plans = plan(&loaded.snapshot, settings);
    let mut exit = if loaded.incomplete { Exit::Failure } else { Exit::Clean };
    if !args.namespaces.is_empty() {
        plans.retain(|plan| args.namespaces.contains(&plan.namespace));
        for missing in args.namespaces.iter().filter(|name| plans.iter().all(|plan| plan.namespace != **name)) {
            super::complain(&format!("the cluster has no namespace {missing:?}"));
            exit = Exit::Failure;
        }
    }
    if plans.iter().any(|plan| !plan.changed.is_empty()) {
        exit = exit.max(Exit::Findings);
    }
    match print(args.output, &plans) {
        Ok(()) => exit,
        Err(error) => super::output_failed(&error),
    }
}

fn print(format: Format, plans: &[Plan]) -> io::Result<()> {
    let mut out = super::stdout(format == Format::Text);
    match format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, plans)?;
            writeln!(out)?;
        }
        Format::Yaml => out.write_all(yaml::document(&serde_json::to_value(plans)?).as_bytes())?,
        Format::Text => {
            for plan in plans {
                namespace(&mut out, plan)?;
            }
            let changed = plans.iter().filter(|plan| !plan.changed.is_empty()).count();
            let controlled = plans.iter().filter(|plan| plan.controlled).count();
            let all = super::count(plans.len(), "namespace");
            writeln!(out, "{all}, {controlled} looked after: labels of {changed} would change")?;
        }
    }
    out.flush()
}

fn namespace(out: &mut impl Write, plan: &Plan) -> io::Result<()> {
    writeln!(out, "{NAME}{}{NAME:#}: {}", clean(&plan.namespace), headline(plan))?;
    for label in &plan.changed {
        let value = plan.labels.get(label).map_or("", |value| value);
        writeln!(out, "    sets {}={}", clean(label), clean(value))?;
    }
    for (label, manager) in &plan.kept {
        writeln!(out, "    leaves {} to {}, who set it", clean(label), clean(manager))?;
    }
    for because in plan.because.iter().take(MOST_REASONS) {
        writeln!(out, "    because {}", clean(&because.to_string()))?;
    }
    if let Some(more) = plan.because.len().checked_sub(MOST_REASONS).filter(|more| *more > 0) {
        writeln!(out, "    and for {} more like this (-o json has all)", super::count(more, "reason"))?;
    }
    writeln!(out)
}

/// What becomes of the namespace, in one line.
fn headline(plan: &Plan) -> String {
    let level = plan.level.map(|level| level.to_string()).unwrap_or_default();
    match &plan.outcome {
        Outcome::Synchronised => {
            let forced = if plan.started_by_operator {
                ", taken over because an operator is installed in it"
            } else if plan.forced {
                ", taken over because its control label says so"
            } else {
                ""
            };
            let news = if plan.changed.is_empty() { " already" } else { "" };
            format!("{level}{news}{forced}")
        }
        other => clean(&other.to_string()).into_owned(),
    }
}
