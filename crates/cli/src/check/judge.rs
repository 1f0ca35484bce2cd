//! From the bytes of one input to what is said of its objects.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::PodSpec;
use ringfence_context::facts::NodeFacts;
use ringfence_manifest::{Document, Problem, ProblemKind, ReadError, Source, Unreadable, Workload, WorkloadKind};
use ringfence_operators::{Item, Operators};
use ringfence_pss::{Edit, Finding, Holder, Value, Verdict, Version, evaluate, evaluate_all, with_defaults};

use super::namespace::is_namespace;
use super::report::{self, ObjectReport, PssVerdict};
use super::{Standard, Versions};
use crate::admit::{AdmissionReport, Judge};
use crate::diagnostic::{Diagnostic, Place};

/// What is said of one input.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    pub(crate) objects: Vec<Judged>,
    /// How many objects of other kinds there were.
    pub(crate) passed_over: BTreeMap<(String, String), usize>,
}

/// What is said of one object: for programs, and for people.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) report: ObjectReport,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// What workloads are held against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Against<'a> {
    pub(crate) standards: &'a [Standard],
    /// What `latest` means; newer versions come to the same, as they do on a cluster of that version.
    pub(crate) newest: Option<Version>,
    /// What becomes of custom resources.
    pub(crate) operators: &'a Operators,
    /// The oldest OpenShift that operator bundles must run on.
    pub(crate) platform_version: Option<&'a ringfence_operators::Version>,
    /// The cluster that is asked.
    pub(crate) judge: Option<&'a Judge<'a>>,
    /// The nodes on which the pods may be run.
    pub(crate) nodes: &'a [NodeFacts],
}

/// Judges every workload in `bytes`.
pub(crate) fn judge(source: &str, bytes: &[u8], against: Against<'_>) -> Judgement {
    let Against { standards, newest, operators, platform_version, judge, nodes } = against;
    let mut judgement = Judgement::default();
    for document in ringfence_manifest::read(bytes) {
        let input = Input { source, document: &document, standards, newest, platform_version, judge, nodes };
        if let Some(error) = document.error() {
            judgement.objects.push(input.broken(error));
            continue;
        }
        let (contents, problems) = document.examine();
        let mut namespaces =
            document.objects().into_iter().filter(|object| is_namespace(object.api_version, object.kind));
        for item in operators.items_with(&document, contents.workloads) {
            match item {
                Item::Workload(Ok(workload)) => judgement.objects.push(input.workload(&workload, &problems)),
                Item::Workload(Err(unreadable)) => judgement.objects.push(input.unreadable(&unreadable, &problems)),
                Item::Derived(derived) => judgement.objects.extend(input.resource(&derived, &problems)),
                Item::Other { api_version, kind } => {
                    // Both go through the document's objects in their order.
                    let namespace = is_namespace(&api_version, &kind).then(|| namespaces.next()).flatten();
                    if let (Some(judge), Some(namespace)) = (judge, namespace) {
                        judgement.objects.push(input.namespace(judge, &namespace));
                        continue;
                    }
                    *judgement.passed_over.entry((api_version, kind)).or_default() += 1;
                }
            }
        }
    }
    judgement
}

pub(super) struct Input<'a> {
    pub(super) source: &'a str,
    pub(super) document: &'a Document<'a>,
    standards: &'a [Standard],
    newest: Option<Version>,
    pub(super) platform_version: Option<&'a ringfence_operators::Version>,
    pub(super) judge: Option<&'a Judge<'a>>,
    pub(super) nodes: &'a [NodeFacts],
}

impl Input<'_> {
    fn broken(&self, error: &ReadError) -> Judged {
        let at = error.location;
        let report = ObjectReport {
            line: at.line as usize,
            column: at.column as usize,
            error: Some(report::Problem {
                kind: "syntax".to_owned(),
                field: String::new(),
                message: error.message.clone(),
                hint: None,
                line: at.line as usize,
                column: at.column as usize,
            }),
            ..self.blank()
        };
        let text = self.document.text();
        let start = at.offset.saturating_sub(self.document.location(0).offset);
        let diagnostic = Diagnostic {
            code: "syntax".to_owned(),
            message: error.message.clone(),
            object: report.title(),
            field: String::new(),
            place: Place::new(self.source, text, start..start, at.line as usize, at.column as usize),
            label: "cannot be read".to_owned(),
            help: vec![],
        };
        Judged { report, diagnostics: vec![diagnostic] }
    }

    fn unreadable(&self, unreadable: &Unreadable, problems: &[Problem]) -> Judged {
        let mut report = ObjectReport {
            api_version: unreadable.api_version.clone(),
            kind: unreadable.kind.as_str().to_owned(),
            namespace: unreadable.namespace.clone(),
            name: unreadable.name.clone(),
            ..self.at(&unreadable.object_path)
        };
        let mut diagnostics = self.problems(&mut report, problems, &unreadable.object_path);
        if report.problems.iter().all(|problem| problem.kind != ProblemKind::Type.as_str()) {
            diagnostics.push(self.problem(&unreadable.problem, &report.title()));
        }
        report.error = Some(plain(&unreadable.problem));
        Judged { report, diagnostics }
    }

    pub(super) fn workload(&self, workload: &Workload, problems: &[Problem]) -> Judged {
        let mut report = ObjectReport {
            api_version: workload.api_version.clone(),
            kind: workload.kind.as_str().to_owned(),
            namespace: workload.namespace().to_owned(),
            name: workload.name().to_owned(),
            derived: workload.derived.as_ref().map(|derived| report::DerivedFrom {
                api_version: derived.api_version.clone(),
                kind: derived.kind.clone(),
                name: derived.name.clone(),
                operator: derived.operator.clone(),
            }),
            ..self.at(&workload.object_path)
        };
        let mut diagnostics = self.problems(&mut report, problems, &workload.object_path);
        let title = report.title();
        let holder = if workload.kind == WorkloadKind::Pod { Holder::Pod } else { Holder::Template };
        let defaulted = with_defaults(&workload.spec, holder);
        for standard in self.standards {
            let verdicts = self.verdicts(*standard, workload, &defaulted);
            // The findings that a reader can act on are those of the newest version that refuses.
            let shown = verdicts.iter().rposition(|(.., verdict)| !verdict.allowed());
            for (i, (from, to, verdict)) in verdicts.iter().enumerate() {
                let mut findings = Vec::with_capacity(verdict.findings().len());
                for finding in verdict.findings() {
                    let field = workload.path(&finding.path());
                    let place = self.place(&field);
                    findings.push(plain_finding(finding, &field, &place));
                    let known = |d: &Diagnostic| d.code == finding.control().id && d.field == field;
                    if Some(i) == shown && !diagnostics.iter().any(known) {
                        diagnostics.push(pss_diagnostic(finding, field, place, &title, *standard, workload));
                    }
                }
                report.pss.push(PssVerdict {
                    level: standard.level.as_str(),
                    from: from.to_string(),
                    to: to.to_string(),
                    allowed: verdict.allowed(),
                    reason: verdict.reason(),
                    detail: verdict.detail(),
                    findings,
                });
            }
        }
        if let Some((judge, answer)) = self.judge.and_then(|judge| judge.ask(workload).map(|answer| (judge, answer))) {
            let admission = AdmissionReport::new(judge, &answer, workload);
            let known = |new: &Diagnostic| diagnostics.iter().any(|d| d.code == new.code && d.field == new.field);
            let new = self.refusal(workload, &title, &answer, &admission);
            let new: Vec<_> = new.into_iter().filter(|new| !known(new)).collect();
            diagnostics.extend(new);
            report.admission = Some(admission);
        }
        diagnostics.extend(self.hold_against_nodes(&mut report, workload));
        Judged { report, diagnostics }
    }

    /// The answers of one standard, by range of versions. One version is asked as a cluster of it would be, which first
    /// fills in its defaults; all versions are asked what the standard says of the pod as it is written.
    fn verdicts<'p>(
        &self,
        standard: Standard,
        workload: &'p Workload,
        defaulted: &'p PodSpec,
    ) -> Vec<(Version, Version, Verdict<'p>)> {
        let newest = self.newest.unwrap_or(Version::LATEST);
        match standard.versions {
            Versions::One(version) => {
                let verdict = evaluate(standard.level, version.min(newest), &workload.metadata, defaulted);
                vec![(version, version, verdict)]
            }
            Versions::All => {
                let ranges = evaluate_all(standard.level, &workload.metadata, &workload.spec);
                let mut ranges: Vec<_> = ranges
                    .into_iter()
                    .filter(|range| range.from <= newest)
                    .map(|range| (range.from, range.to, range.verdict))
                    .collect();
                if let Some(last) = ranges.last_mut() {
                    last.1 = Version::LATEST;
                }
                ranges
            }
        }
    }

    /// The problems of the object at `object_path`, put into its report and made into diagnostics.
    pub(super) fn problems(
        &self,
        report: &mut ObjectReport,
        problems: &[Problem],
        object_path: &str,
    ) -> Vec<Diagnostic> {
        let own: Vec<&Problem> = problems.iter().filter(|problem| lies_in(&problem.field, object_path)).collect();
        report.problems = own.iter().map(|problem| plain(problem)).collect();
        let title = report.title();
        // A misplaced field is unknown where it stands, too; people are told once, with the move to make.
        let told_better = |problem: &Problem| {
            problem.kind == ProblemKind::Unknown
                && own.iter().any(|other| other.kind == ProblemKind::Misplaced && other.field == problem.field)
        };
        own.iter().filter(|problem| !told_better(problem)).map(|problem| self.problem(problem, &title)).collect()
    }

    fn problem(&self, problem: &Problem, object: &str) -> Diagnostic {
        let at = problem.location;
        let text = self.document.text();
        Diagnostic {
            code: format!("{}-field", problem.kind.as_str()),
            message: format!("{}: {}", problem.field, problem.message),
            object: object.to_owned(),
            field: problem.field.clone(),
            place: Place::new(self.source, text, problem.span.range(), at.line as usize, at.column as usize),
            label: match problem.kind {
                ProblemKind::Unknown => "Kubernetes has no such field here",
                ProblemKind::Misplaced => "has no effect here",
                ProblemKind::Duplicate => "set twice; the last one counts",
                ProblemKind::Type => "wrong type",
                ProblemKind::Invalid => "the API server refuses this value",
            }
            .to_owned(),
            help: problem.hint.iter().cloned().collect(),
        }
    }

    /// Where the field is, or its nearest ancestor.
    pub(super) fn place(&self, field: &str) -> Place {
        let Some(found) = self.document.locate(field) else { return Place::file(self.source) };
        // A field that is there is shown by its value; what lacks it by its key.
        let span = if found.exact { found.value } else { found.key.unwrap_or(found.value) };
        let at = self.document.location(span.start);
        Place::new(self.source, self.document.text(), span.range(), at.line as usize, at.column as usize)
    }

    /// A report of nothing yet, at the object's place.
    pub(super) fn at(&self, object_path: &str) -> ObjectReport {
        let start = self.document.locate(object_path).map_or(0, |place| place.value.start);
        let at = self.document.location(start);
        ObjectReport { line: at.line as usize, column: at.column as usize, ..self.blank() }
    }

    fn blank(&self) -> ObjectReport {
        ObjectReport {
            source: self.source.to_owned(),
            document: self.document.index(),
            line: 0,
            column: 0,
            api_version: String::new(),
            kind: String::new(),
            namespace: String::new(),
            name: String::new(),
            error: None,
            problems: vec![],
            pss: vec![],
            derived: None,
            notes: vec![],
            nodes: vec![],
            admission: None,
            namespace_admission: None,
        }
    }
}

/// Whether `field` is the object at `path` or below it.
fn lies_in(field: &str, path: &str) -> bool {
    path.is_empty()
        || field
            .strip_prefix(path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || rest.starts_with('['))
}

pub(super) fn plain(problem: &Problem) -> report::Problem {
    report::Problem {
        kind: problem.kind.as_str().to_owned(),
        field: problem.field.clone(),
        message: problem.message.clone(),
        hint: problem.hint.clone(),
        line: problem.location.line as usize,
        column: problem.location.column as usize,
    }
}

fn plain_finding(finding: &Finding<'_>, field: &str, place: &Place) -> report::Finding {
    report::Finding {
        control: finding.control().id,
        field: field.to_owned(),
        container: finding.container().map(|container| container.name().to_owned()),
        container_kind: finding.container().map(|container| container.kind().to_string()),
        message: finding.message(),
        hint: finding.hint().text,
        line: place.line,
        column: place.column,
    }
}

pub(super) fn pss_diagnostic(
    finding: &Finding<'_>,
    field: String,
    place: Place,
    object: &str,
    standard: Standard,
    workload: &Workload,
) -> Diagnostic {
    let hint = finding.hint();
    let mut help = vec![hint.text.to_owned()];
    if let Some(Edit::Set { path, value }) = &hint.edit {
        // A hint that is just the line to write is better said with its place.
        if hint.text.split(':').next().is_some_and(|field| path.split('.').any(|name| name == field)) {
            help.clear();
        }
        help.push(format!("write {}: {value}", workload.path(path)));
    }
    if let Some(Source::Added { why, .. }) =
        workload.derived.as_ref().and_then(|derived| derived.source(&finding.path()))
    {
        help.push(format!("the operator adds it: {why}"));
    }
    let label = match finding.value() {
        Value::Missing => format!("{} is not set", field.rsplit('.').next().unwrap_or(&field)),
        _ => format!("not allowed at level {}", standard.level),
    };
    Diagnostic {
        code: finding.control().id.to_owned(),
        message: finding.message(),
        object: object.to_owned(),
        field,
        place,
        label,
        help,
    }
}
