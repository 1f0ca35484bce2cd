//! `ringfence waiver`.

use std::io::{self, Write};
use std::sync::Arc;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use ringfence_admission::waiver::{State, Terms, Usage, Waiver, Waivers, Waiving, usages};
use serde_json::{Value, json};

use super::{chain, complain};
use crate::cluster::{ClusterArgs, Needs, PodSecurityArgs, Scope, WaiverArgs};
use crate::exit::Exit;
use crate::jsonl;
use crate::view::clean;

/// Which waivers count, which will not for long, and which cover nothing that runs
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Each waiver with its state and what it covers
    List(List),
    /// All there is to say of one waiver: which workloads need it, and which of its controls none does
    Explain(Explain),
}

#[derive(Debug, clap::Args)]
struct Common {
    #[command(flatten)]
    cluster: ClusterArgs,

    #[command(flatten)]
    pod_security: PodSecurityArgs,

    #[command(flatten)]
    waivers: WaiverArgs,

    /// Days before its end from which a waiver is said to expire soon.
    #[arg(long, value_name = "DAYS", default_value_t = 14, value_parser = clap::value_parser!(u32).range(0..=3650))]
    soon: u32,

    /// How to print.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    common: Common,
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

Exit status: 0 all count and are needed, 1 one has expired or will soon, counts for nothing or covers nothing, 2 something
could not be read.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// A line of JSON for each waiver.
    Jsonl,
}

pub(crate) fn main(args: &Args) -> Exit {
    let (common, name) = match &args.command {
        Command::List(list) => (&list.common, None),
        Command::Explain(explain) => (&explain.common, Some(explain.name.as_str())),
    };
    let Some((mut all, incomplete)) = load(common) else { return Exit::Failure };
    if let Some(name) = name {
        all.retain(|told| told.usage.title.rsplit('/').next() == Some(name));
        if all.is_empty() {
            complain(&clean(&format!("there is no waiver {name:?} in the namespace {}", namespace(&common.waivers))));
            return Exit::Failure;
        }
    }
    let mut exit = if incomplete { Exit::Failure } else { Exit::Clean };
    if all.iter().any(|told| told.state != Worth::Active) {
        exit = exit.max(Exit::Findings);
    }
    match print(common.output, name.is_some(), &all) {
        Ok(()) => exit,
        Err(error) => super::output_failed(&error),
    }
}

fn namespace(waivers: &WaiverArgs) -> &str {
    waivers.waivers_from.as_deref().unwrap_or(super::install::WAIVERS)
}

/// What people want to know first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Worth {
    /// It counts, and something needs it.
    Active,
    /// The same, but not for long.
    ExpiringSoon,
    /// It counts, and nothing that runs needs it.
    Unmatched,
    /// Its time is over.
    Expired,
    /// It counts for nothing.
    Invalid,
}

impl Worth {
    fn of(usage: &Usage, now: Timestamp, soon: SignedDuration) -> Self {
        match (&usage.state, &usage.waiver) {
            (State::Expired, _) => Self::Expired,
            (State::Invalid(_), _) | (State::Valid, None) => Self::Invalid,
            (State::Valid, Some(waiver)) if waiver.expires.duration_since(now) <= soon => Self::ExpiringSoon,
            (State::Valid, Some(_)) if usage.covers.is_empty() => Self::Unmatched,
            (State::Valid, Some(_)) => Self::Active,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::ExpiringSoon => "expiring soon",
            Self::Unmatched => "unmatched",
            Self::Expired => "expired",
            Self::Invalid => "invalid",
        }
    }
}

struct Told {
    usage: Usage,
    state: Worth,
    now: Timestamp,
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
    let mut args = common.waivers.clone();
    args.waivers_from = Some(namespace(&args).to_owned());
    let Terms { namespace, longest } = args.terms()?;
    let objects = args.objects(&cluster, &loaded).ok()?;
    let waivers = Waivers::new(&Terms { namespace, longest }, &objects);
    let now = Timestamp::now();
    let waiving = Waiving { waivers: Arc::new(waivers), now };
    let soon = SignedDuration::from_hours(i64::from(common.soon) * 24);
    let told = |usage: Usage| Told { state: Worth::of(&usage, now, soon), usage, now };
    let all = usages(&loaded.snapshot, &pod_security, &waiving).into_iter().map(told).collect();
    Some((all, loaded.incomplete))
}

fn print(format: Format, whole: bool, all: &[Told]) -> io::Result<()> {
    let mut out = super::stdout(format == Format::Text);
    for told in all {
        match format {
            Format::Jsonl => jsonl::write(&mut out, &object(told))?,
            Format::Text if whole => explain(&mut out, told)?,
            Format::Text => line(&mut out, told)?,
        }
    }
    if all.is_empty() && format == Format::Text {
        writeln!(out, "there are no waivers")?;
    }
    out.flush()
}

/// `node-exporter: active, 26 days left, of platform@example.com: 2 workloads, 5 pods`
fn line(out: &mut impl Write, told: &Told) -> io::Result<()> {
    let mut text = format!("{}: {}", told.usage.title, told.state.as_str());
    match &told.usage.state {
        State::Invalid(error) => text += &format!(": {error}"),
        State::Valid | State::Expired => {
            if let Some(waiver) = &told.usage.waiver {
                text += &format!(", {}, of {}", left(waiver, told.now), waiver.owner);
            }
            let pods = told.usage.covers.values().map(|covered| covered.pods).sum();
            if pods > 0 {
                let workloads = super::count(told.usage.covers.len(), "workload");
                text += &format!(": {workloads}, {}", super::count(pods, "pod"));
            }
        }
    }
    writeln!(out, "{}", clean(&text))
}

fn left(waiver: &Waiver, now: Timestamp) -> String {
    let left = waiver.expires.duration_since(now);
    let days = usize::try_from(left.as_hours().unsigned_abs() / 24).unwrap_or(usize::MAX);
    let days = super::count(days, "day");
    if left.is_positive() { format!("{days} left") } else { format!("{days} ago") }
}

fn explain(out: &mut impl Write, told: &Told) -> io::Result<()> {
    line(out, told)?;
    let mut say = |text: String| writeln!(out, "  {}", clean(&text));
    if let Some(waiver) = &told.usage.waiver {
        say(format!("expires {}", waiver.expires))?;
        say(format!("reason: {}", waiver.reason))?;
        say(format!("namespaces: {}", waiver.namespaces.join(", ")))?;
        let maker = waiver.workload.maker.as_ref().map(|(kind, name)| format!("{kind} {name}"));
        let selector = waiver.workload.selector.as_ref().map(|_| "those that its selector selects".to_owned());
        let workloads: Vec<String> = maker.into_iter().chain(selector).collect();
        let workloads = if workloads.is_empty() { "every one".to_owned() } else { workloads.join(", and of these ") };
        say(format!("workloads: {workloads}"))?;
        let pod = waiver.pod_fields.then(|| "the pod's own".to_owned());
        let fields: Vec<String> = pod.into_iter().chain(waiver.containers.iter().map(|n| format!("container {n}"))).collect();
        say(format!("fields: {}", fields.join(", ")))?;
        say(format!("controls: {}", waiver.controls.join(", ")))?;
    }
    for ((namespace, maker), covered) in &told.usage.covers {
        let controls: Vec<&str> = covered.controls.iter().copied().collect();
        let pods = super::count(covered.pods, "pod");
        say(format!("needed by {} {} in {namespace}, {pods}: {}", maker.kind, maker.name, controls.join(", ")))?;
    }
    let idle = told.usage.idle_controls();
    if matches!(told.usage.state, State::Valid) && !idle.is_empty() {
        say(format!("needed by nothing that runs: {}", idle.join(", ")))?;
    }
    Ok(())
}

fn object(told: &Told) -> Value {
    let usage = &told.usage;
    let covers: Vec<Value> = usage
        .covers
        .iter()
        .map(|((namespace, maker), covered)| {
            json!({"namespace": namespace, "kind": maker.kind, "name": maker.name, "pods": covered.pods,
                "controls": covered.controls})
        })
        .collect();
    let mut object = json!({"waiver": usage.title, "state": told.state.as_str().replace(' ', "-"), "covers": covers,
        "idleControls": usage.idle_controls()});
    if let State::Invalid(error) = &usage.state {
        object["error"] = error.to_string().into();
    }
    if let Some(waiver) = &usage.waiver {
        object["namespaces"] = json!(waiver.namespaces);
        object["controls"] = json!(waiver.controls);
        object["owner"] = waiver.owner.as_str().into();
        object["reason"] = waiver.reason.as_str().into();
        object["expires"] = waiver.expires.to_string().into();
    }
    object
}
