//! `ringfence sync`.

use std::io::{self, Write};

use anstyle::Style;
use ringfence_admission::sync::{Outcome, Plan, Settings, plan};

use crate::cluster::{ClusterArgs, Needs, Scope};
use crate::exit::Exit;
use crate::view::clean;
use crate::yaml;

/// Which pod-security labels OpenShift's synchroniser gives each namespace, and because of whom
///
/// For every namespace: whether the synchroniser looks after it, the level that its service accounts come to through
/// the security context constraints that they may use, the labels that follow, and the service account, binding and
/// constraint that make the level no stricter.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    cluster: ClusterArgs,

    /// Change nothing, only say what would be set.
    #[arg(long)]
    dry_run: bool,

    /// Only this namespace; may be repeated.
    #[arg(short, long = "namespace", value_name = "NAMESPACE")]
    namespaces: Vec<String>,

    /// Leave the enforce labels alone, as the synchroniser of older platforms does.
    #[arg(long)]
    no_enforce: bool,

    /// How to print.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

const EXAMPLES: &str = "\
Examples:
  ringfence sync --dry-run --cluster dump.yaml           what would be set, and because of whom
  ringfence sync --dry-run --cluster dump.yaml -n shop   one namespace
  ringfence sync --dry-run --cluster dumps/ -o json      for programs

Exit status: 0 every label is as it should be, 1 some would change, 2 something could not be read.";

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
    if !args.dry_run {
        super::complain("only `sync --dry-run` works on a dump: it says what would be set and changes nothing");
        return Exit::Failure;
    }
    if !args.cluster.is_given() {
        super::complain(
            "no cluster given: name a dump with --cluster, or a running one with --kubeconfig or --context",
        );
        return Exit::Failure;
    }
    let Some(loaded) = args.cluster.load(Needs::Labels, Scope::Named(&args.namespaces)) else { return Exit::Failure };
    let mut plans = plan(&loaded.snapshot, Settings { enforcing: !args.no_enforce });
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
