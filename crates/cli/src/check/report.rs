//! What `check` says of one object, as other programs read it.

use ringfence_context::node::Severity;
use serde::Serialize;

use super::namespace::NamespaceReport;
use crate::admit::AdmissionReport;
use crate::node::report::Placed;

/// One line of `-o jsonl`: an object, or a document that could not be read.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ObjectReport {
    /// The path as found, `-` for standard input.
    pub(crate) source: String,
    /// The document's number within the source, from 0.
    pub(crate) document: usize,
    /// Where the object begins, from 1.
    pub(crate) line: usize,
    /// In characters, from 1.
    pub(crate) column: usize,
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Why the document could not be read; then there is no verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<Problem>,
    /// What a strict API server would object to.
    pub(crate) problems: Vec<Problem>,
    /// The verdicts, in the order in which they were asked for; with `@all` one for each range of versions with one
    /// answer.
    pub(crate) pss: Vec<PssVerdict>,
    /// The custom resource that an operator makes the object of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) derived: Option<DerivedFrom>,
    /// What the user should know of a custom resource.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<Note>,
    /// What the nodes of --node cannot honour.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) nodes: Vec<Placed>,
    /// What the cluster does with the object's pods, if one is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) admission: Option<AdmissionReport>,
    /// What the cluster does with the namespace that the object is, if one is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) namespace_admission: Option<NamespaceReport>,
}

/// The custom resource that an operator makes an object of.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DerivedFrom {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    /// Who makes it, such as `ECK 2.14.0`.
    pub(crate) operator: String,
}

/// What the user should know.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Note {
    pub(crate) field: String,
    pub(crate) message: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// An objection to what is written.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Problem {
    pub(crate) kind: String,
    pub(crate) field: String,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// The answer of the Pod Security Standards for a range of versions.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PssVerdict {
    pub(crate) level: &'static str,
    /// The first version with this answer.
    pub(crate) from: String,
    /// The last one.
    pub(crate) to: String,
    pub(crate) allowed: bool,
    /// As the API server words it: the controls.
    pub(crate) reason: String,
    /// As the API server words it: the controls and containers.
    pub(crate) detail: String,
    pub(crate) findings: Vec<Finding>,
}

/// One offending field.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Finding {
    /// The control's ID.
    pub(crate) control: &'static str,
    /// From the object's root.
    pub(crate) field: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) container: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) container_kind: Option<String>,
    pub(crate) message: String,
    pub(crate) hint: &'static str,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl ObjectReport {
    /// `Deployment shop/web`, as people call an object.
    pub(crate) fn title(&self) -> String {
        let own = match (&*self.kind, &*self.namespace, &*self.name) {
            ("", ..) => format!("document {}", self.document + 1),
            (kind, _, "") => kind.to_owned(),
            (kind, "", name) => format!("{kind} {name}"),
            (kind, namespace, name) => format!("{kind} {namespace}/{name}"),
        };
        match &self.derived {
            Some(derived) => format!("{own} of {} {}", derived.kind, derived.name),
            None => own,
        }
    }

    /// Whether there is anything to complain of.
    pub(crate) fn is_clean(&self) -> bool {
        let admitted = self.admission.as_ref().is_none_or(|report| report.admission.allowed);
        self.error.is_none()
            && self.problems.is_empty()
            && self.pss.iter().all(|verdict| verdict.allowed)
            && admitted
            && self.namespace_admission.as_ref().is_none_or(NamespaceReport::is_clean)
            && self.nodes.iter().all(|placed| placed.finding.severity == Severity::Note)
    }
}
