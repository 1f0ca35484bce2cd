//! `ringfence check`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use rayon::prelude::*;
use ringfence_operators::{Csv, Platform};
use ringfence_pss::{Level, Version};

use crate::admit::{AsArgs, Judge, describe};
use crate::check::{Against, Judged, Judgement, Standard, Versions, is_namespace, judge, ranges};
use crate::cluster::{ClusterArgs, Needs, PodSecurityArgs, Scope, WaiverArgs};
use crate::diagnostic::Diagnostic;
use crate::exit::Exit;
use crate::input::{Entry, InputError, Inputs};
use crate::jsonl;
use crate::node::file;
use crate::node::report::name;
use crate::operators::OperatorArgs;
use crate::progress::Progress;
use crate::render::{github, junit, sarif, text};
use crate::view;

/// Would it be admitted, and if not, why, where, and what to write instead
///
/// Judges every pod template under the Pod Security Standards as the Kubernetes API server does, and reports what a
/// strict API server objects to in the fields themselves: unknown, duplicate and misplaced fields, wrong types, invalid
/// values.
///
/// Custom resources of ECK, Redis Enterprise and OLM, and of the operators that --operator-profile tells of, are judged by
/// the pods that their operator makes of them.
///
/// With --cluster, every object is put through admission as that cluster does it: service account, security context
/// constraints, then Pod Security by the namespace's labels. A workload is judged by the pods that its controller would
/// make, so that one whose pods would be refused is a finding now. A Namespace is judged by its labels; if the cluster has it already, so are the pods in
/// it, which keep running, but would be refused when they are made again.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    inputs: Inputs,

    /// The level and version to hold pods against; may be repeated. Without --cluster, restricted@latest if absent.
    ///
    /// LEVEL is privileged, baseline or restricted; VERSION is v1.0 to v1.37, latest, or all. One version is asked as a
    /// cluster of it would be, which fills in its defaults first; all versions are asked what the standard says of the
    /// pod as it is written.
    #[arg(long = "pss", value_name = "LEVEL[@VERSION]")]
    standards: Vec<Standard>,

    #[command(flatten)]
    cluster: ClusterArgs,

    #[command(flatten)]
    pod_security: PodSecurityArgs,

    #[command(flatten)]
    waivers: WaiverArgs,

    #[command(flatten)]
    who: AsArgs,

    #[command(flatten)]
    operators: OperatorArgs,

    /// What `latest` means on your cluster, such as v1.30.
    #[arg(long, value_name = "VERSION")]
    kube_version: Option<Version>,

    /// The oldest OpenShift or OKD that operator bundles must run on, such as 4.10; otherwise minKubeVersion tells.
    #[arg(long, value_name = "VERSION")]
    platform_version: Option<ringfence_operators::Version>,

    /// A node to hold the pods against too: facts, what `node check -o json` printed, or annotated Node objects; may be
    /// repeated. What it cannot honour is a finding.
    #[arg(long = "node", value_name = "FILE")]
    nodes: Vec<PathBuf>,

    /// How to print.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,

    /// Print the reference page of a control, such as runAsNonRoot, and do nothing else; `list` names them all.
    #[arg(long, value_name = "CONTROL", conflicts_with_all = ["paths", "standards", "nodes"])]
    explain: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  ringfence check deploy/                               restricted, latest version
  ringfence check --pss baseline@v1.30 app.yaml         as a cluster with that label judges
  ringfence check --pss restricted@all app.yaml         every version from v1.0 on
  helm template . | ringfence check -                   standard input
  ringfence check --cluster dump.yaml --as alice app.yaml
                                                        as that cluster admits it, for that user
  ringfence check --node worker-1.json app.yaml         and what that node cannot honour
  ringfence check -o sarif deploy/ > ringfence.sarif    for code scanning
  ringfence check --explain runAsNonRoot                what a control is about

Exit status: 0 everything is admitted, 1 findings, text that is no manifest among them, 2 a file could
not be opened.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Reports for people.
    Text,
    /// One JSON document.
    Json,
    /// A line of JSON for each object.
    Jsonl,
    /// SARIF 2.1.0.
    Sarif,
    /// Workflow commands for GitHub Actions.
    Github,
    /// JUnit XML.
    Junit,
}

/// How many files are judged before their reports are printed, so that memory stays bounded on a large tree.
const BATCH: usize = 1024;

pub(crate) fn main(args: &Args) -> Exit {
    if let Some(control) = &args.explain {
        return super::control_page::print(control);
    }
    let nodes = match file::all(&args.nodes) {
        Ok(nodes) => nodes,
        Err(error) => {
            super::complain(&super::chain(&error));
            return Exit::Failure;
        }
    };
    // A configuration or a user alone asks a cluster of which nothing else is known.
    if !args.cluster.is_given() && !args.pod_security.is_given() && !args.who.is_given() {
        let restricted = Standard { level: Level::Restricted, versions: Versions::One(Version::LATEST) };
        let asked = if args.standards.is_empty() { vec![restricted] } else { args.standards.clone() };
        let Some(operators) = args.operators.load(Platform::default()) else { return Exit::Failure };
        let (newest, platform_version) = (args.kube_version, args.platform_version.as_ref());
        return check(
            args,
            Against { standards: &asked, newest, operators: &operators, platform_version, judge: None, nodes: &nodes },
            Exit::Clean,
        );
    }
    let pod_security = match args.pod_security.load(args.kube_version) {
        Ok(pod_security) => pod_security,
        Err(error) => {
            super::complain(&super::chain(&error));
            return Exit::Failure;
        }
    };
    let granted = granted(args);
    let scope = Scope::Inputs { inputs: &args.inputs, default: args.who.namespace() };
    let Some(loaded) = args.cluster.load_with(needs(args), scope, granted) else { return Exit::Failure };
    let pod_security = match args.waivers.load(&args.cluster, &loaded) {
        Ok(Some(waiving)) => pod_security.with_waivers(waiving),
        Ok(None) => pod_security,
        Err(()) => return Exit::Failure,
    };
    let judge = Judge::new(&loaded, pod_security, &args.who);
    let Some(operators) = args.operators.load(args.cluster.platform_of(&loaded)) else { return Exit::Failure };
    let (newest, platform_version) = (args.kube_version, args.platform_version.as_ref());
    let against = Against {
        standards: &args.standards,
        newest,
        operators: &operators,
        platform_version,
        judge: Some(&judge),
        nodes: &nodes,
    };
    check(args, against, if loaded.incomplete { Exit::Failure } else { Exit::Clean })
}

/// The pods of the cluster decide nothing, unless a namespace is relabelled under them.
fn needs(args: &Args) -> Needs {
    let has_namespace = |entry: &Entry| {
        let bytes = entry.peek().unwrap_or_default();
        memchr::memmem::find(&bytes, b"Namespace").is_some()
            && ringfence_manifest::read(&bytes)
                .iter()
                .any(|document| document.objects().iter().any(|object| is_namespace(object.api_version, object.kind)))
    };
    let relabelled = args.cluster.has_objects() && args.inputs.entries().0.iter().any(has_namespace);
    if relabelled { Needs::Namespaces } else { Needs::Admission }
}

/// What OLM will make beside the deployments of the operator bundles among the inputs: service accounts, and what they
/// may do. Standard input is read once, and so grants nothing.
fn granted(args: &Args) -> Vec<serde_json::Value> {
    let (entries, _) = args.inputs.entries();
    let imagined = !args.cluster.has_objects() && args.cluster.platform() == Some(Platform::OpenShift);
    let installed = args.who.namespace.clone();
    let installed = installed.unwrap_or_else(|| if imagined { "project" } else { "default" }.to_owned());
    let mut objects = vec![];
    for bytes in entries.iter().filter(|entry| **entry != Entry::Stdin).filter_map(|entry| entry.read().ok()) {
        if memchr::memmem::find(&bytes, b"ClusterServiceVersion").is_none() {
            continue;
        }
        for document in ringfence_manifest::read(&bytes) {
            for object in document.objects().into_iter().filter(|object| Csv::is(object.api_version, object.kind)) {
                let text = |path| object.node.find(path).and_then(ringfence_manifest::Node::as_str).unwrap_or_default();
                let (name, own) = (text("metadata.name"), text("metadata.namespace"));
                let namespace = if own.is_empty() || own == "placeholder" { &installed } else { own };
                objects.extend(Csv::read(object.node).objects(name, namespace));
            }
        }
    }
    objects
}

fn check(args: &Args, against: Against<'_>, mut exit: Exit) -> Exit {
    let (entries, errors) = args.inputs.entries();
    let mut out = Output::new(args, against);
    for error in &errors {
        out.failure(error);
        exit = Exit::Failure;
    }
    let progress = Progress::new("checking", entries.len());
    for batch in entries.chunks(BATCH) {
        let judged: Vec<(&Entry, Result<Judgement, InputError>)> = batch
            .par_iter()
            .map(|entry| {
                let bytes = entry.read();
                let judgement = bytes.map(|bytes| judge(&entry.name(), &bytes, against));
                progress.step();
                (entry, judgement)
            })
            .collect();
        let printed = progress.suspend(|| {
            for (entry, judgement) in judged {
                match judgement {
                    Ok(judgement) => {
                        if judgement.objects.iter().any(|object| !object.report.is_clean()) {
                            exit = exit.max(Exit::Findings);
                        }
                        out.judgement(entry, judgement)?;
                    }
                    Err(error) => {
                        out.failure(&error);
                        exit = Exit::Failure;
                    }
                }
            }
            Ok(())
        });
        if let Err(error) = printed {
            return super::output_failed(&error);
        }
    }
    progress.finish();
    match out.finish() {
        Ok(()) => exit,
        Err(error) => super::output_failed(&error),
    }
}

/// What is printed as it comes, and what has to wait for the end.
struct Output<'a> {
    args: &'a Args,
    against: Against<'a>,
    out: io::BufWriter<Box<dyn Write>>,
    counts: Counts,
    reports: Vec<serde_json::Value>,
    diagnostics: Vec<Diagnostic>,
    suites: Vec<junit::Suite>,
    failures: Vec<String>,
}

#[derive(Default)]
struct Counts {
    objects: usize,
    clean: usize,
    findings: usize,
    passed_over: BTreeMap<(String, String), usize>,
}

impl<'a> Output<'a> {
    fn new(args: &'a Args, against: Against<'a>) -> Self {
        Self {
            args,
            against,
            out: super::stdout(args.output == Format::Text),
            counts: Counts::default(),
            reports: vec![],
            diagnostics: vec![],
            suites: vec![],
            failures: vec![],
        }
    }

    fn failure(&mut self, error: &InputError) {
        let message = super::chain(error);
        super::complain(&message);
        self.failures.push(message);
    }

    fn judgement(&mut self, entry: &Entry, judgement: Judgement) -> io::Result<()> {
        for (kind, count) in judgement.passed_over {
            *self.counts.passed_over.entry(kind).or_default() += count;
        }
        let mut suite = junit::Suite { name: entry.name(), cases: vec![] };
        for object in judgement.objects {
            self.counts.objects += 1;
            self.counts.clean += usize::from(object.report.is_clean());
            self.counts.findings += object.diagnostics.len();
            self.object(object, &mut suite)?;
        }
        if self.args.output == Format::Junit {
            self.suites.push(suite);
        }
        Ok(())
    }

    fn object(&mut self, object: Judged, suite: &mut junit::Suite) -> io::Result<()> {
        let Judged { report, diagnostics } = object;
        match self.args.output {
            Format::Text => {
                for diagnostic in &diagnostics {
                    writeln!(self.out, "{}\n", text::report(diagnostic))?;
                }
                for note in &report.notes {
                    let place = format!("{}:{}:{}: ", report.source, note.line, note.column);
                    writeln!(self.out, "{}note: {}\n", view::clean(&place), view::clean(&note.message))?;
                }
                if let Some(admission) = &report.admission {
                    let verdict = match (&admission.admission.scc, admission.admission.allowed) {
                        (_, false) => "refused".to_owned(),
                        (None, true) => "admitted".to_owned(),
                        (Some(scc), true) => format!("admitted by {scc}"),
                    };
                    let place = format!("{}:{}: {}: {verdict}", report.source, report.line, report.title());
                    writeln!(self.out, "{}\n{}", view::clean(&place), describe(admission))?;
                }
                if let Some(namespace) = &report.namespace_admission {
                    let verdict = namespace.verdict();
                    let place = format!("{}:{}: {}: {verdict}", report.source, report.line, report.title());
                    writeln!(self.out, "{}\n{}", view::clean(&place), namespace.describe())?;
                }
                let ranges = ranges(&report);
                if !ranges.is_empty() {
                    writeln!(self.out, "{}:{}: {}\n{ranges}", report.source, report.line, report.title())?;
                }
            }
            Format::Json => self.reports.push(serde_json::to_value(&report)?),
            Format::Jsonl => {
                jsonl::write(&mut self.out, &report)?;
            }
            Format::Github => {
                for diagnostic in &diagnostics {
                    writeln!(self.out, "{}", github::command(diagnostic))?;
                }
            }
            Format::Sarif => self.diagnostics.extend(diagnostics),
            Format::Junit => {
                suite.cases.push(junit::Case { name: report.title(), class: self.standards(), failures: diagnostics });
            }
        }
        Ok(())
    }

    fn standards(&self) -> String {
        let cluster = self.against.judge.map(|_| "the cluster".to_owned());
        let standards = self.against.standards.iter().map(ToString::to_string);
        let nodes = self.against.nodes.iter().enumerate().map(|(index, node)| name(node, index));
        cluster.into_iter().chain(standards).chain(nodes).collect::<Vec<_>>().join(" and ")
    }

    fn finish(mut self) -> io::Result<()> {
        match self.args.output {
            Format::Text => {
                let summary = self.summary();
                writeln!(self.out, "{summary}")?;
            }
            Format::Json => {
                let passed_over: Vec<_> = self
                    .counts
                    .passed_over
                    .iter()
                    .map(|((api_version, kind), count)| {
                        serde_json::json!({"apiVersion": api_version, "kind": kind, "count": count})
                    })
                    .collect();
                let document = serde_json::json!({
                    "objects": self.reports, "passedOver": passed_over, "failures": self.failures,
                });
                serde_json::to_writer_pretty(&mut self.out, &document)?;
                writeln!(self.out)?;
            }
            Format::Sarif => {
                let help = |code: &str| ringfence_pss::control(code).map(ringfence_pss::Control::page);
                serde_json::to_writer_pretty(&mut self.out, &sarif::log(&self.diagnostics, &self.failures, help))?;
                writeln!(self.out)?;
            }
            Format::Junit => junit::write(&self.suites, &mut self.out)?,
            Format::Jsonl | Format::Github => {}
        }
        self.out.flush()
    }

    fn summary(&self) -> String {
        let Counts { objects, clean, findings, passed_over } = &self.counts;
        let others: usize = passed_over.values().sum();
        let mut text = format!("{} checked against {}: ", super::count(*objects, "object"), self.standards());
        // A pod may be admitted and still not run on a node.
        let fine = if self.against.nodes.is_empty() { "admitted" } else { "admitted and honoured" };
        text += &match (objects, objects - clean) {
            (0, _) => "nothing to judge".to_owned(),
            (_, 0) => format!("all {fine}"),
            (_, bad) => format!("{clean} {fine}, {bad} not ({})", super::count(*findings, "finding")),
        };
        if others > 0 {
            let kinds: Vec<_> = passed_over
                .iter()
                .map(|((_, kind), count)| format!("{count} {}", if kind.is_empty() { "without a kind" } else { kind }))
                .collect();
            text += &format!("; passed over: {}", kinds.join(", "));
        }
        if !self.failures.is_empty() {
            text += &format!("; {} could not be read", super::count(self.failures.len(), "input"));
        }
        text
    }
}
