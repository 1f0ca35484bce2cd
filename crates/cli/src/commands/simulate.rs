//! `ringfence simulate`.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};

use comfy_table::{ContentArrangement, Table, presets};
use ringfence_admission::cluster::{Builder, Kind, Snapshot};
use ringfence_admission::pod_security::{Mode, PodSecurity};
use ringfence_admission::simulate::{Change, Counts, Object, Report, Simulation};
use ringfence_pss::Version;

use crate::cluster::{Asked, DumpArgs, Live, LiveArgs, PodSecurityError, Raw, Scope, each, read_pod_security};
use crate::exit::Exit;
use crate::input::Entry;
use crate::progress::Progress;
use crate::render::text::width;
use crate::view::clean;

/// What a change of labels or of Pod Security's configuration would break, before anybody makes it
///
/// Judges every running pod and every template of a cluster before and after the change, and says what would be refused
/// that is not refused now, by namespace, owner and reason. Large dumps in JSON are read as they come and a running
/// cluster is asked page by page, so that neither has to fit into memory.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    cluster: DumpArgs,

    #[command(flatten)]
    live: LiveArgs,

    /// A label to set on namespaces: enforce=restricted, enforce-version=v1.30, warn=baseline, or any KEY=VALUE; KEY-
    /// takes one away. May be repeated.
    #[arg(long = "set-label", value_name = "LABEL")]
    labels: Vec<Label>,

    /// Only label this namespace; may be repeated. Otherwise all of them.
    #[arg(short, long = "namespace", value_name = "NAMESPACE", requires = "labels")]
    namespaces: Vec<String>,

    /// The PodSecurityConfiguration to come.
    #[arg(long, value_name = "FILE")]
    pod_security_config: Option<PathBuf>,

    /// The PodSecurityConfiguration that the API server has now; otherwise it has none.
    #[arg(long, value_name = "FILE")]
    current_config: Option<PathBuf>,

    /// What `latest` means on your cluster, such as v1.30.
    #[arg(long, value_name = "VERSION")]
    kube_version: Option<Version>,

    /// How to print.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

const EXAMPLES: &str = "\
Examples:
  ringfence simulate --set-label enforce=restricted --cluster dump.json
  ringfence simulate --set-label enforce=baseline -n shop -n web --cluster dump.json
  ringfence simulate --pod-security-config new.yaml --cluster dump.json -o json
  ringfence simulate --set-label enforce=restricted --context production

Exit status: 0 nothing breaks, 1 something does, 2 something could not be read.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A table, and what breaks.
    Text,
    /// One JSON document.
    Json,
}

/// A label to set, or to take away.
#[derive(Clone, Debug)]
struct Label {
    key: String,
    value: Option<String>,
}

impl FromStr for Label {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (key, value) = match (text.split_once('='), text.strip_suffix('-')) {
            (Some((key, value)), _) => (key, Some(value.to_owned())),
            (None, Some(key)) => (key, None),
            (None, None) => return Err("write KEY=VALUE, or KEY- to take the label away".to_owned()),
        };
        let own = Mode::ALL.into_iter().flat_map(|mode| [mode.level_label(), mode.version_label()]);
        let long = own.into_iter().find(|label| label.strip_prefix("pod-security.kubernetes.io/") == Some(key));
        Ok(Self { key: long.unwrap_or(key).to_owned(), value })
    }
}

/// How many groups of pods that break are told of a namespace.
const MOST_GROUPS: usize = 10;
/// How many objects a thread takes at a time.
const BATCH: usize = 256;

pub(crate) fn main(args: &Args) -> Exit {
    if args.labels.is_empty() && args.pod_security_config.is_none() {
        super::complain("nothing to simulate: name a change with --set-label or --pod-security-config");
        return Exit::Failure;
    }
    let (before, change) = match worlds(args) {
        Ok(worlds) => worlds,
        Err(error) => {
            super::complain(&super::chain(&error));
            return Exit::Failure;
        }
    };
    let mut exit = Exit::Clean;
    let Some(source) = source(args, &mut exit) else { return Exit::Failure };
    let Some((cluster, whole)) = source.namespaces(&args.namespaces) else { return Exit::Failure };
    if !whole {
        exit = Exit::Failure;
    }
    for missing in
        args.namespaces.iter().filter(|name| cluster.namespaces().all(|n| n.metadata.name.as_ref() != Some(*name)))
    {
        super::complain(&format!("the cluster has no namespace {missing:?}"));
        exit = Exit::Failure;
    }
    let simulation = Simulation::new(&cluster, before, &change);
    let Some((report, whole)) = run(&simulation, &source, &args.namespaces) else { return Exit::Failure };
    if !whole {
        exit = Exit::Failure;
    }
    if report.broken() > 0 {
        exit = exit.max(Exit::Findings);
    }
    match print(args.output, &report) {
        Ok(()) => exit,
        Err(error) => super::output_failed(&error),
    }
}

fn worlds(args: &Args) -> Result<(PodSecurity, Change), PodSecurityError> {
    let read = |path: &Path| -> Result<PodSecurity, PodSecurityError> {
        let read = read_pod_security(path)?;
        Ok(match args.kube_version {
            Some(version) => read.with_latest(version),
            None => read,
        })
    };
    let none = || args.kube_version.map_or_else(PodSecurity::default, |v| PodSecurity::default().with_latest(v));
    let before = args.current_config.as_deref().map(read).transpose()?.unwrap_or_else(none);
    let namespaces = (!args.namespaces.is_empty()).then(|| args.namespaces.iter().cloned().collect::<BTreeSet<_>>());
    let labels = args.labels.iter().map(|label| (label.key.clone(), label.value.clone())).collect();
    let pod_security = args.pod_security_config.as_deref().map(read).transpose()?;
    Ok((before, Change { labels, namespaces, pod_security }))
}

/// Where the objects come from. They are gone through twice.
enum Source {
    Dump(Vec<Entry>),
    Live(Live),
}

/// The source, or what is wrong with it, which has been said.
fn source(args: &Args, exit: &mut Exit) -> Option<Source> {
    if args.live.is_given() {
        if args.cluster.is_given() {
            super::complain("a dump or a running cluster, not both: --cluster, or --kubeconfig and --context");
            return None;
        }
        return args.live.connect().map(Source::Live);
    }
    let (entries, errors) = args.cluster.inputs().entries();
    for error in &errors {
        super::complain(&super::chain(error));
        *exit = Exit::Failure;
    }
    if entries.contains(&Entry::Stdin) {
        super::complain(
            "a simulation reads the dump twice, which standard input cannot be: name a file with --cluster",
        );
        return None;
    }
    Some(Source::Dump(entries))
}

impl Source {
    /// The namespaces, and whether all could be had: the first of two passes looks for nothing else.
    fn namespaces(&self, named: &[String]) -> Option<(Snapshot, bool)> {
        let mut builder = Builder::default();
        let mut whole = true;
        match self {
            Self::Dump(entries) => {
                for entry in entries {
                    let name = entry.name();
                    let mut visit = |raw: Raw| {
                        if let Some(namespace) = namespace(&raw) {
                            builder.add(&name, namespace);
                        }
                    };
                    // What cannot be read is said in the second pass.
                    if let Err(error) = each(entry, &mut visit, &mut |_| {}) {
                        super::complain(&super::chain(&error));
                        return None;
                    }
                }
            }
            Self::Live(live) => {
                let mut visit = |object| builder.add("the cluster", object);
                let asked = live.each(|kind, _| kind == Kind::Namespace, Scope::Named(named), &mut visit)?;
                whole = !asked.incomplete;
            }
        }
        let cluster = builder.build();
        for problem in cluster.problems() {
            super::warn(&clean(&problem.to_string()));
        }
        if !cluster.has_seen(Kind::Namespace) {
            super::warn("no namespaces are known: every one is taken to exist, without labels of its own");
        }
        Some((cluster, whole))
    }

    /// Hands over every pod and workload. False if some could not be had, `None` if none can any more, both of which
    /// have been said.
    fn each(&self, progress: &Progress, named: &[String], visit: &mut dyn FnMut(Raw)) -> Option<bool> {
        let mut whole = true;
        match self {
            Self::Dump(entries) => {
                let mut done = 0;
                for entry in entries {
                    let read = each(entry, visit, &mut |bytes| {
                        let before = done >> 20;
                        done += bytes;
                        (before..done >> 20).for_each(|_| progress.step());
                    });
                    if let Err(error) = &read {
                        super::complain(&super::chain(error));
                    }
                    whole &= read.unwrap_or(false);
                }
            }
            Self::Live(live) => {
                let wants = |kind: Kind, _: &Asked| kind == Kind::Pod || kind.is_workload();
                let mut visit = |object: serde_json::Value| {
                    visit(Raw { json: object.to_string(), list_type: std::sync::Arc::default() });
                };
                whole = !live.each(wants, Scope::Named(named), &mut visit)?.incomplete;
            }
        }
        Some(whole)
    }
}

/// The object, if it is a namespace.
fn namespace(raw: &Raw) -> Option<serde_json::Value> {
    let listed = raw.list_type().is_some_and(|(_, kind)| kind == Kind::Namespace.as_str());
    if !listed && memchr::memmem::find(raw.json.as_bytes(), b"\"Namespace\"").is_none() {
        return None;
    }
    let mut value = serde_json::from_str::<serde_json::Value>(&raw.json).ok()?;
    if let (Some((api_version, kind)), Some(fields)) = (raw.list_type(), value.as_object_mut()) {
        fields.entry("apiVersion").or_insert_with(|| api_version.into());
        fields.entry("kind").or_insert_with(|| kind.into());
    }
    (value.get("kind").and_then(serde_json::Value::as_str) == Some(Kind::Namespace.as_str())).then_some(value)
}

/// Judges every object, on every core. Only as many objects are held as the threads have in hand.
fn run(simulation: &Simulation, source: &Source, named: &[String]) -> Option<(Report, bool)> {
    let bytes: u64 = match source {
        Source::Dump(entries) => entries.iter().map(size).sum(),
        Source::Live(_) => 0,
    };
    let progress = Progress::new("simulating (MiB)", (bytes >> 20) as usize);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (send, receive) = mpsc::sync_channel::<Vec<Raw>>(threads * 2);
    let receive = Mutex::new(receive);
    let wrong = AtomicUsize::new(0);
    let mut whole = None;
    let report = std::thread::scope(|scope| {
        let work = || {
            let mut report = Report::default();
            loop {
                // The lock is held while waiting, so that the threads take turns.
                let batch = receive.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok(batch) = batch else { return report };
                for raw in batch {
                    judge(simulation, &raw, &mut report, &wrong);
                }
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut batch = Vec::with_capacity(BATCH);
        whole = source.each(&progress, named, &mut |raw| {
            batch.push(raw);
            if batch.len() == BATCH {
                // It fails only when every thread has panicked, which joining them tells.
                let _ = send.send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH)));
            }
        });
        let _ = send.send(batch);
        drop(send);
        let mut report = Report::default();
        for worker in workers {
            match worker.join() {
                Ok(part) => report.merge(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        report
    });
    progress.finish();
    let wrong = wrong.into_inner();
    if wrong > MOST_WRONG {
        super::warn(&format!("and {} more like these", wrong - MOST_WRONG));
    }
    Some((report, whole? && wrong == 0))
}

/// How many objects that cannot be read are told of.
const MOST_WRONG: usize = 10;

fn judge(simulation: &Simulation, raw: &Raw, report: &mut Report, wrong: &AtomicUsize) {
    match Object::read(&raw.json, raw.list_type()) {
        Ok(Some(object)) => simulation.add(object.as_item(), report),
        Ok(None) => {}
        Err(error) => {
            if wrong.fetch_add(1, Ordering::Relaxed) < MOST_WRONG {
                super::warn(&clean(&format!("an object cannot be read: {error}")));
            }
        }
    }
}

fn size(entry: &Entry) -> u64 {
    match entry {
        Entry::Stdin => 0,
        Entry::File(path) => std::fs::metadata(path).map_or(0, |metadata| metadata.len()),
    }
}

fn print(format: Format, report: &Report) -> io::Result<()> {
    let mut out = super::stdout(format == Format::Text);
    if format == Format::Json {
        let document = serde_json::json!({"broken": report.broken(), "namespaces": report.namespaces});
        serde_json::to_writer_pretty(&mut out, &document)?;
        writeln!(out)?;
        return out.flush();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(width().min(200) as u16);
    table.set_header(["namespace", "mode", "pods", "break", "mend", "refused anyway", "templates", "break"]);
    for (name, namespace) in &report.namespaces {
        for mode in Mode::ALL {
            let counts = |of: &std::collections::BTreeMap<Mode, Counts>| of.get(&mode).copied().unwrap_or_default();
            let (pods, templates) = (counts(&namespace.pods), counts(&namespace.templates));
            if mode != Mode::Enforce && pods.broken + pods.mended + templates.broken + templates.mended == 0 {
                continue;
            }
            let all = |of: Counts| of.fine + of.broken + of.mended + of.refused;
            let numbers = [all(pods), pods.broken, pods.mended, pods.refused, all(templates), templates.broken];
            let cells = [clean(name).into_owned(), mode.to_string()];
            table.add_row(cells.into_iter().chain(numbers.map(|number| number.to_string())));
        }
    }
    if !report.namespaces.is_empty() {
        writeln!(out, "{}\n", table.trim_fmt())?;
    }
    for (name, namespace) in &report.namespaces {
        for group in namespace.broken.values().take(MOST_GROUPS) {
            let owner = group.owner.as_ref().map_or_else(|| "by hand".to_owned(), |o| format!("{} {}", o.kind, o.name));
            let count = super::count(group.count, "object");
            writeln!(out, "{}: {count} of {}: {}", clean(name), clean(&owner), clean(&group.reason))?;
            writeln!(out, "    {}", clean(&group.detail))?;
            writeln!(out, "    such as {}", clean(&group.examples.join(", ")))?;
        }
        let told = namespace.broken.values().take(MOST_GROUPS).map(|group| group.count).sum::<usize>();
        let all = namespace.broken.values().map(|group| group.count).sum::<usize>() + namespace.broken_besides;
        if all > told {
            writeln!(out, "{}: and {} more (-o json has them by owner)", clean(name), all - told)?;
        }
    }
    match report.broken() {
        0 => writeln!(out, "nothing breaks")?,
        broken => writeln!(out, "pods and templates that would be refused and are not now: {broken}")?,
    }
    out.flush()
}
