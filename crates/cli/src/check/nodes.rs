//! What the nodes of `--node` cannot honour of a workload's pods.

use ringfence_context::facts::Facts;
use ringfence_context::node::{self, Finding, Severity};
use ringfence_manifest::Workload;

use super::judge::Input;
use super::report::{Note, ObjectReport};
use crate::diagnostic::Diagnostic;
use crate::node::report::{Placed, name};
use crate::pods;

impl Input<'_> {
    /// Puts what each node cannot honour into the report, and makes diagnostics of what breaks or cannot be told; what is
    /// merely good to know becomes a note.
    pub(super) fn hold_against_nodes(&self, report: &mut ObjectReport, workload: &Workload) -> Vec<Diagnostic> {
        let mut diagnostics = vec![];
        let object = report.title();
        for (index, facts) in self.nodes.iter().enumerate() {
            let on = name(facts, index);
            let facts = Facts {
                node: Some(facts.clone()),
                claim_templates: Some(pods::claim_templates(self.document, workload)),
                ..Facts::default()
            };
            for finding in node::judge(&workload.metadata, &workload.spec, &facts) {
                let field = workload.path(&finding.field);
                let place = self.place(&field);
                // Files of more lines than that are not read.
                let [line, column] = [place.line, place.column].map(|number| u32::try_from(number).unwrap_or(u32::MAX));
                let message = message(&on, &finding);
                if finding.severity == Severity::Note {
                    let (line, column) = (place.line, place.column);
                    report.notes.push(Note { field: field.clone(), message, line, column });
                } else {
                    diagnostics.push(Diagnostic {
                        code: format!("node-{}", finding.fact),
                        message,
                        object: object.clone(),
                        field: field.clone(),
                        place,
                        label: match finding.severity {
                            Severity::Unknown => "not known of this node",
                            _ => "the node cannot honour this",
                        }
                        .to_owned(),
                        help: finding.help.iter().cloned().collect(),
                    });
                }
                let (node, object, source) = (on.clone(), object.clone(), self.source.to_owned());
                report.nodes.push(Placed { node, object, source, line, column, finding: Finding { field, ..finding } });
            }
        }
        diagnostics
    }
}

fn message(node: &str, finding: &Finding) -> String {
    let container = finding.container.as_ref().map_or_else(String::new, |name| format!("container {name}: "));
    format!("on {node}: {container}{}", finding.message)
}
