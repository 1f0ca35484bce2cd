//! What is said of a custom resource: the workloads that its operator makes of it, and what is wrong with itself.

use ringfence_manifest::{Problem, ProblemKind};
use ringfence_operators::Derived;

use super::Judged;
use super::judge::{Input, plain};
use super::report::{Note, ObjectReport};

impl Input<'_> {
    /// A report for each workload of the resource, or one of the resource itself where it has none. What is wrong with
    /// the resource, and what there is to know, is said with the first.
    pub(super) fn resource(&self, derived: &Derived, document: &[Problem]) -> Vec<Judged> {
        // A key that is there twice is wrong in anything.
        let twice = document.iter().filter(|problem| problem.kind == ProblemKind::Duplicate).cloned();
        let mut all: Vec<Problem> = twice.chain(derived.problems.iter().cloned()).collect();
        all.sort_by_key(|problem| problem.location.offset);
        let notes = |report: &mut ObjectReport| {
            report.notes = derived.notes.iter().map(|note| self.note(&note.field, &note.message)).collect();
        };
        let mut judged: Vec<Judged> = vec![];
        for workload in &derived.workloads {
            let problems = if judged.is_empty() { all.as_slice() } else { &[] };
            judged.push(self.workload(workload, problems));
        }
        if let Some(first) = judged.first_mut() {
            notes(&mut first.report);
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
        vec![Judged { report, diagnostics }]
    }

    fn note(&self, field: &str, message: &str) -> Note {
        let place = self.place(field);
        Note { field: field.to_owned(), message: message.to_owned(), line: place.line, column: place.column }
    }
}
