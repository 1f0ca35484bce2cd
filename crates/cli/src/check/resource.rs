//! What is said of a custom resource: the workloads that its operator makes of it, and what is wrong with itself.

use ringfence_manifest::{Problem as Objection, ProblemKind, Workload};
use ringfence_operators::{Csv, CsvFinding, Derived};
use ringfence_pss::{Holder, Level, Version, evaluate, with_defaults};

use super::Judged;
use super::judge::{Input, plain};
use super::report::{Note, ObjectReport, Problem};
use crate::diagnostic::Diagnostic;

impl Input<'_> {
    /// A report for each workload of the resource, or one of the resource itself where it has none. What is wrong with
    /// the resource, and what there is to know, is said with the first.
    pub(super) fn resource(&self, derived: &Derived, document: &[Objection]) -> Vec<Judged> {
        // A key that is there twice is wrong in anything.
        let twice = document.iter().filter(|problem| problem.kind == ProblemKind::Duplicate).cloned();
        let mut all: Vec<Objection> = twice.chain(derived.problems.iter().cloned()).collect();
        all.sort_by_key(|problem| problem.location.offset);
        let notes = |report: &mut ObjectReport| {
            report.notes.splice(..0, derived.notes.iter().map(|note| self.note(&note.field, &note.message)));
        };
        let mut judged: Vec<Judged> = vec![];
        for workload in &derived.workloads {
            let problems = if judged.is_empty() { all.as_slice() } else { &[] };
            judged.push(self.workload(workload, problems));
        }
        let of_csv = self.cluster_service_version(derived);
        if let Some(first) = judged.first_mut() {
            notes(&mut first.report);
            self.add(first, &derived.object_path, &of_csv);
            return judged;
        }
        let mut report = ObjectReport {
            api_version: derived.api_version.clone(),
            kind: derived.kind.clone(),
            namespace: derived.namespace.clone(),
            name: derived.name.clone(),
            ..self.at(&derived.object_path)
        };
        notes(&mut report);
        let mut diagnostics = self.problems(&mut report, &all, &derived.object_path);
        for diagnostic in &mut diagnostics {
            if diagnostic.code == "invalid-field" {
                "the operator can make no pods of this".clone_into(&mut diagnostic.label);
            }
        }
        report.error = derived.problems.first().map(plain);
        let mut judged = Judged { report, diagnostics };
        self.add(&mut judged, &derived.object_path, &of_csv);
        vec![judged]
    }

    /// What is to be said of a ClusterServiceVersion beside its deployments.
    fn cluster_service_version(&self, derived: &Derived) -> Vec<CsvFinding> {
        if !Csv::is(&derived.api_version, &derived.kind) {
            return vec![];
        }
        let Some(node) = self.document.root().and_then(|root| root.find(&derived.object_path)) else { return vec![] };
        let needed: Vec<&str> = derived.workloads.iter().map(level).collect();
        Csv::read(node).findings(&derived.workloads, &needed, self.platform_version)
    }

    fn add(&self, judged: &mut Judged, prefix: &str, findings: &[CsvFinding]) {
        let object = judged.report.title();
        for finding in findings {
            let field = if prefix.is_empty() { finding.field.clone() } else { format!("{prefix}.{}", finding.field) };
            let place = self.place(&field);
            judged.report.problems.push(Problem {
                kind: finding.code.to_owned(),
                field: field.clone(),
                message: finding.message.clone(),
                hint: Some(finding.hint.clone()),
                line: place.line,
                column: place.column,
            });
            judged.diagnostics.push(Diagnostic {
                code: finding.code.to_owned(),
                message: finding.message.clone(),
                object: object.clone(),
                field,
                place,
                label: "of the operator's own manifest".to_owned(),
                help: vec![finding.hint.clone()],
            });
        }
    }

    fn note(&self, field: &str, message: &str) -> Note {
        let place = self.place(field);
        Note { field: field.to_owned(), message: message.to_owned(), line: place.line, column: place.column }
    }
}

/// The lowest level that takes the workload's pods.
fn level(workload: &Workload) -> &'static str {
    let spec = with_defaults(&workload.spec, Holder::Template);
    let taken = |level: Level| evaluate(level, Version::LATEST, &workload.metadata, &spec).allowed();
    [Level::Restricted, Level::Baseline].into_iter().find(|level| taken(*level)).unwrap_or(Level::Privileged).as_str()
}
