//! What a cluster says of a namespace that is made or relabelled, and of the pods that are in it.

use ringfence_admission::cluster::Namespaces as _;
use ringfence_admission::pod_security::{ExistingPods, Violating};
use ringfence_admission::review::{AdmissionRequest, Operation, Status, UserInfo};
use ringfence_manifest::{Node, Object};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::judge::{Input, Judged};
use super::report::ObjectReport;
use crate::admit::Judge;
use crate::diagnostic::Diagnostic;
use crate::view::clean;

/// Whether the object is a namespace.
pub(crate) fn is_namespace(api_version: &str, kind: &str) -> bool {
    (api_version, kind) == ("v1", "Namespace")
}

/// How many owners a report tells of.
const MOST_OWNERS: usize = 10;
/// How many pods of one owner it names.
const MOST_PODS: usize = 3;
/// The label at which people are told of pods.
const ENFORCE: &str = "metadata.labels[pod-security.kubernetes.io/enforce]";

/// What becomes of a namespace, as other programs read it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NamespaceReport {
    /// `UPDATE` if the cluster has the namespace, `CREATE` otherwise.
    pub(crate) operation: Operation,
    pub(crate) allowed: bool,
    /// The API server's refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    /// What whoever labels it is warned of, in the API server's words.
    pub(crate) warnings: Vec<String>,
    /// The pods that the new level would refuse when they are made again; absent where that is not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) existing: Option<ExistingPods>,
}

impl NamespaceReport {
    /// Whether it is let through, and its pods with it.
    pub(crate) fn is_clean(&self) -> bool {
        self.allowed && self.existing.as_ref().is_none_or(|existing| existing.violating.is_empty())
    }

    /// What became of it, for people.
    pub(crate) fn verdict(&self) -> &'static str {
        match (self.allowed, self.operation) {
            (false, _) => "refused",
            (true, Operation::Update) => "may be changed",
            (true, _) => "may be made",
        }
    }

    /// What is to be said beside, a line each.
    pub(crate) fn describe(&self) -> String {
        let warnings = self.warnings.iter().map(|warning| format!("    warning: {}\n", clean(warning)));
        let checked = self.existing.as_ref().filter(|existing| existing.violating.is_empty());
        let fine = checked.map(|existing| {
            let pods = crate::commands::count(existing.checked, "pod");
            format!("    {pods} in it, none of which the new level would refuse\n")
        });
        warnings.chain(fine).collect()
    }
}

impl Input<'_> {
    /// Judges a namespace of the manifest: as one that is changed if the cluster has it, as a new one otherwise.
    pub(super) fn namespace(&self, judge: &Judge<'_>, object: &Object<'_>) -> Judged {
        let text = |path| object.node.find(path).and_then(Node::as_str).unwrap_or_default().to_owned();
        let name = text("metadata.name");
        let mut report = ObjectReport {
            api_version: object.api_version.to_owned(),
            kind: object.kind.to_owned(),
            name: name.clone(),
            ..self.at(&object.path)
        };
        let title = report.title();
        let review = judge.admitter().pod_security().review(judge.cluster(), &request(judge, &name, object));
        let operation = if judge.cluster().namespace(&name).is_ok() { Operation::Update } else { Operation::Create };
        let path = |field: &str| {
            if object.path.is_empty() { field.to_owned() } else { format!("{}.{field}", object.path) }
        };
        let mut diagnostics: Vec<Diagnostic> = vec![];
        let mut tell = |code: &str, message: String, field: &str, label: String, help: Vec<String>| {
            let field = path(field);
            let place = self.place(&field);
            let (code, object) = (code.to_owned(), title.clone());
            diagnostics.push(Diagnostic { code, message, object, field, place, label, help });
        };
        if let Some(status) = &review.response.status {
            let causes = status.details.iter().flat_map(|details| &details.causes);
            let mut causes = causes.filter(|cause| !cause.field.is_empty()).peekable();
            if causes.peek().is_none() {
                // What is wrong in detail, the API server writes into its audit log only.
                let detail = review.response.audit_annotations.get("error").unwrap_or(&status.message);
                tell("PodSecurity", detail.clone(), "metadata", "refused by PodSecurity".to_owned(), vec![]);
            }
            for cause in causes {
                let message = format!("{}: {}", cause.field, cause.message);
                tell("namespace-label", message, &cause.field, "the API server refuses this value".to_owned(), vec![]);
            }
        }
        if let Some(existing) = review.existing.as_ref().filter(|existing| !existing.violating.is_empty()) {
            let broken: usize = existing.violating.iter().map(|group| group.pods.len()).sum();
            let of = crate::commands::count(existing.checked, "pod");
            let message =
                format!("the new level would refuse {broken} of {of} in the namespace, once they are made again");
            let mut help: Vec<String> = existing.violating.iter().take(MOST_OWNERS).map(words).collect();
            if let Some(more) = existing.violating.len().checked_sub(MOST_OWNERS).filter(|more| *more > 0) {
                help.push(format!("and {more} more owners (-o json has them all)"));
            }
            tell("namespace-pods", message, ENFORCE, "more than some of its pods fit".to_owned(), help);
        }
        // An API server looks for a name once it has decoded the object, before Pod Security is asked.
        let decoded = review.response.status.as_ref().is_none_or(|status| status.code != 400);
        let mut message = review.response.status.map(|Status { message, .. }| message);
        if decoded && name.is_empty() && text("metadata.generateName").is_empty() {
            let nameless = "metadata.name: Required value: name or generateName is required";
            tell("namespace-name", nameless.to_owned(), "metadata.name", "has no name".to_owned(), vec![]);
            message = Some(format!("Namespace \"\" is invalid: {nameless}"));
        }
        report.namespace_admission = Some(NamespaceReport {
            operation,
            allowed: message.is_none(),
            message,
            warnings: review.response.warnings,
            existing: review.existing,
        });
        Judged { report, diagnostics }
    }
}

/// Pods of one owner, and what is wrong with them.
fn words(group: &Violating) -> String {
    let owner = group.owner.as_ref().map_or_else(|| "made by hand".to_owned(), |of| format!("{} {}", of.kind, of.name));
    let names: Vec<&str> = group.pods.iter().take(MOST_PODS).map(String::as_str).collect();
    let more = if group.pods.len() > MOST_PODS { ", …" } else { "" };
    let count = crate::commands::count(group.pods.len(), "pod");
    format!("{owner}: {count} ({}{more}): {}", names.join(", "), group.detail)
}

/// What the API server would be asked. Labels that the cluster's namespace has and the manifest does not name stay, as
/// they do when a manifest is applied.
fn request(judge: &Judge<'_>, name: &str, object: &Object<'_>) -> AdmissionRequest {
    let old = judge.cluster().namespace(name).ok();
    let mut new = serde_json::to_value(object.node).unwrap_or_default();
    let kept = old.iter().flat_map(|old| old.metadata.labels.iter().flatten());
    for (key, value) in kept {
        let Some(metadata) = new.get_mut("metadata").and_then(Value::as_object_mut) else { continue };
        let labels = metadata.entry("labels").or_insert(Value::Null);
        if labels.is_null() {
            *labels = json!({});
        }
        // What is no mapping is left for the API server's decoder to refuse.
        if let Some(labels) = labels.as_object_mut() {
            labels.entry(key).or_insert_with(|| value.as_str().into());
        }
    }
    let old = old.map(|old| {
        let metadata = json!({"name": name, "labels": old.metadata.labels});
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    });
    let mut request = AdmissionRequest {
        name: name.to_owned(),
        namespace: name.to_owned(),
        operation: if old.is_some() { Operation::Update } else { Operation::Create },
        user_info: UserInfo { username: judge.user().name.clone(), groups: judge.user().groups.clone() },
        object: raw(&new),
        old_object: old.as_ref().and_then(raw),
        ..AdmissionRequest::default()
    };
    "v1".clone_into(&mut request.kind.version);
    "Namespace".clone_into(&mut request.kind.kind);
    "v1".clone_into(&mut request.resource.version);
    "namespaces".clone_into(&mut request.resource.resource);
    request
}

fn raw(value: &Value) -> Option<Box<RawValue>> {
    to_raw_value(value).ok()
}
