//! `ringfence report`.

use std::collections::BTreeSet;
use std::io::{self, Write as _};

use ringfence_admission::report::{
    API_VERSION, NAME, NamespaceReport, Outcome, Overview, cluster_policy_report, policy_report, reports,
};
use ringfence_controllers::{NO_KINDS, ReportOptions, events, is_same, run_reports};
use ringfence_live::{Apply, ChangeError, Cluster, ListError, Place, Resource};
use serde_json::Value;

use super::watching::Watching;
use super::{chain, complain};
use crate::cluster::{ClusterArgs, Needs, PodSecurityArgs, Scope, WaiverArgs};
use crate::exit::Exit;
use crate::view::clean;
use crate::{jsonl, yaml};

/// What runs, held against the levels that its namespaces have now, as PolicyReport objects
///
/// A PolicyReport (wgpolicyk8s.io/v1alpha2) for each namespace with pods: `fail` for what the enforced level would refuse
/// now, `warn` for what audit and warn object to, `skip` for what is waived or exempt, `pass` for the rest; and a
/// ClusterPolicyReport with a result for each namespace. With --apply they are written to the running cluster, which has
/// to know the kinds; what has not changed is left alone, and reports of namespaces that have no pods any more go.
///
/// With --watch it keeps them in step with what runs, in its own pod's cluster or the one kubectl would ask. Of several
/// replicas one writes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    cluster: ClusterArgs,

    #[command(flatten)]
    pod_security: PodSecurityArgs,

    #[command(flatten)]
    waivers: WaiverArgs,

    /// Only this namespace, and no report of the cluster; may be repeated.
    #[arg(short, long = "namespace", value_name = "NAMESPACE")]
    namespaces: Vec<String>,

    /// Results of one report at most; the summary counts all.
    #[arg(long, value_name = "NUMBER", default_value_t = 1000)]
    max_results: usize,

    /// Write the reports to the running cluster in place of printing them.
    #[arg(long, conflicts_with = "dumps")]
    apply: bool,

    /// Write the reports, and go on: what changes in the cluster changes in them a second later.
    #[arg(long, conflicts_with_all = ["dumps", "platform", "namespaces", "apply", "output"])]
    watch: bool,

    /// Also tell of each failing workload in an event, as long as there is none already; with --apply or --watch.
    #[arg(long)]
    events: bool,

    /// How to print.
    #[arg(short, long, value_name = "FORMAT", default_value = "yaml")]
    output: Format,

    #[command(flatten)]
    watching: Watching,
}

const EXAMPLES: &str = "\
Examples:
  ringfence report --cluster dump.yaml                   what would be written
  ringfence report --context production -n shop          of one namespace
  ringfence report --context production --apply --events writes it, for dashboards that read PolicyReports
  ringfence report --watch --events                      writes it, and goes on

Exit status: 0 nothing fails, or --watch was told to end, 1 something does, 2 something could not be read or written.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A document for each report.
    Yaml,
    /// A line of JSON for each report.
    Jsonl,
}

/// Who applies the reports.
const FIELD_MANAGER: &str = "ringfence-report";
/// Events of one run.
const MOST_EVENTS: usize = 50;

const OF_NAMESPACE: Resource<'static> =
    Resource { api_version: API_VERSION, plural: "policyreports", kind: "PolicyReport" };
const OF_CLUSTER: Resource<'static> =
    Resource { api_version: API_VERSION, plural: "clusterpolicyreports", kind: "ClusterPolicyReport" };
const EVENTS: Resource<'static> = Resource { api_version: "events.k8s.io/v1", plural: "events", kind: "Event" };

pub(crate) fn main(args: &Args) -> Exit {
    if args.events && !args.apply && !args.watch {
        complain("--events goes with --apply or --watch: otherwise nothing is written");
        return Exit::Failure;
    }
    if args.watch {
        return match watch(args) {
            Ok(()) => Exit::Clean,
            Err(error) => {
                complain(&chain(&*error));
                Exit::Failure
            }
        };
    }
    let cluster = args.cluster.clone().or_within();
    if !cluster.is_given() {
        complain("no cluster given: name a dump with --cluster, or a running one with --kubeconfig or --context");
        return Exit::Failure;
    }
    let pod_security = match args.pod_security.load(None) {
        Ok(pod_security) => pod_security,
        Err(error) => {
            complain(&chain(&error));
            return Exit::Failure;
        }
    };
    let Some(loaded) = cluster.load(Needs::Reports, Scope::Named(&args.namespaces)) else {
        return Exit::Failure;
    };
    let pod_security = match args.waivers.load(&cluster, &loaded) {
        Ok(Some(waiving)) => pod_security.with_waivers(waiving),
        Ok(None) => pod_security,
        Err(()) => return Exit::Failure,
    };
    let mut all = reports(&loaded.snapshot, &pod_security);
    if !args.namespaces.is_empty() {
        all.retain(|report| args.namespaces.contains(&report.namespace));
    }
    let mut exit = if loaded.incomplete { Exit::Failure } else { Exit::Clean };
    if all.iter().flat_map(|report| &report.findings).any(|finding| finding.outcome == Outcome::Fail) {
        exit = exit.max(Exit::Findings);
    }
    let mut objects: Vec<Value> = all
        .iter()
        .filter(|report| !report.findings.is_empty())
        .map(|report| policy_report(report, args.max_results))
        .collect();
    if args.namespaces.is_empty() {
        let overviews: Vec<Overview> = all.iter().map(Overview::from).collect();
        objects.push(cluster_policy_report(&overviews, args.max_results));
    }
    if !args.apply {
        return match print(args.output, &objects) {
            Ok(()) => exit,
            Err(error) => super::output_failed(&error),
        };
    }
    if loaded.incomplete {
        complain("nothing is written: what could not be read would be missing in the reports");
        return Exit::Failure;
    }
    let Some(live) = cluster.connect() else { return Exit::Failure };
    match write(live.cluster(), args, &all, &objects) {
        Ok(()) => exit,
        Err(error) => {
            complain(&clean(&chain(&*error)));
            Exit::Failure
        }
    }
}

/// Keeps the reports in step until it is told to end.
fn watch(args: &Args) -> Result<(), Box<dyn std::error::Error>> {
    let pod_security = args.pod_security.load(None)?;
    // A dump is refused before this.
    let target = args.cluster.running().unwrap_or_default();
    args.watching.run(&target, "ringfence-reports", |at| async move {
        let options = ReportOptions {
            pod_security,
            waivers: args.waivers.terms(),
            max_results: args.max_results,
            events: args.events,
            namespace: at.namespace,
            election: at.election,
            writes_per_second: at.writes_per_second,
            burst: at.burst,
            resync: at.resync,
            listener: at.listener,
        };
        run_reports(at.client, &at.server, options).await
    })
}

fn print(format: Format, objects: &[Value]) -> io::Result<()> {
    let mut out = super::stdout(false);
    for (i, object) in objects.iter().enumerate() {
        match format {
            Format::Jsonl => jsonl::write(&mut out, object)?,
            Format::Yaml => {
                out.write_all(if i == 0 { b"" } else { b"---\n" })?;
                out.write_all(yaml::document(object).as_bytes())?;
            }
        }
    }
    out.flush()
}

fn place(object: &Value) -> Place<'_> {
    let namespace = object["metadata"]["namespace"].as_str();
    Place { resource: if namespace.is_some() { OF_NAMESPACE } else { OF_CLUSTER }, namespace, name: NAME }
}

/// Writes what changed, takes away what is no more, and tells what it did.
fn write(
    cluster: &Cluster,
    args: &Args,
    all: &[NamespaceReport],
    objects: &[Value],
) -> Result<(), Box<dyn std::error::Error>> {
    let known = match ours(cluster) {
        Ok(known) => known,
        Err(ListError::Absent { .. }) => {
            return Err(NO_KINDS.into());
        }
        Err(error) => return Err(error.into()),
    };
    let how = Apply { manager: FIELD_MANAGER, force: true, dry_run: false };
    let (mut written, mut same, mut gone) = (0, 0, 0);
    for object in objects {
        let place = place(object);
        let old = known.iter().find(|old| old["metadata"]["namespace"].as_str() == place.namespace);
        let old = if place.namespace.is_some() { old.cloned() } else { cluster.read(place)? };
        if old.as_ref().is_some_and(|old| is_same(old, object)) {
            same += 1;
            continue;
        }
        match cluster.apply(place, object, how) {
            Ok(_) => written += 1,
            // A namespace that is going away takes nothing new.
            Err(ChangeError { code: Some(403 | 404), message, .. }) if message.contains("terminat") => {}
            Err(error) => return Err(error.into()),
        }
    }
    let wanted: BTreeSet<&str> = objects.iter().filter_map(|object| object["metadata"]["namespace"].as_str()).collect();
    for namespace in known.iter().filter_map(|old| old["metadata"]["namespace"].as_str()) {
        let asked = args.namespaces.is_empty() || args.namespaces.iter().any(|asked| asked == namespace);
        if asked && !wanted.contains(namespace) {
            let place = Place { resource: OF_NAMESPACE, namespace: Some(namespace), name: NAME };
            gone += usize::from(cluster.delete(place, false)?);
        }
    }
    let told = if args.events { tell(cluster, all)? } else { 0 };
    let text =
        format!("{} written, {same} as they were, {gone} removed, {told} events", super::count(written, "report"));
    anstream::eprintln!("{text}");
    Ok(())
}

/// The reports that were written before, of all namespaces.
fn ours(cluster: &Cluster) -> Result<Vec<Value>, ListError> {
    let mut found = Vec::new();
    // Others may not be listed with the rights that are installed.
    cluster.list_named(OF_NAMESPACE, NAME, &mut |page| {
        found.extend(page.items.into_iter().filter(|object| {
            let metadata = &object["metadata"];
            metadata["name"] == NAME && metadata["labels"]["app.kubernetes.io/managed-by"] == NAME
        }));
    })?;
    Ok(found)
}

/// An event for each workload that fails, under a name of its own, so that it is told once as long as the event lasts.
fn tell(cluster: &Cluster, all: &[NamespaceReport]) -> Result<usize, ChangeError> {
    let mut told = 0;
    for report in all {
        for event in events(report, MOST_EVENTS + 1, jiff::Timestamp::now()) {
            if told == MOST_EVENTS {
                super::warn(&format!("no more than {MOST_EVENTS} events are written at one time"));
                return Ok(told);
            }
            let name = event["metadata"]["name"].as_str().unwrap_or_default();
            let place = Place { resource: EVENTS, namespace: Some(&report.namespace), name };
            if cluster.read(place)?.is_some() {
                continue;
            }
            match cluster.apply(place, &event, Apply { manager: FIELD_MANAGER, force: true, dry_run: false }) {
                Ok(_) => told += 1,
                Err(ChangeError { code: Some(403), message, .. }) if message.contains("terminat") => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(told)
}
