//! A constraint that did not take a pod, and what it would take.

use k8s_openapi::api::core::v1::Pod;
use ringfence_scc::{MissingGrant, NearMiss, Violation, apply};
use serde::Serialize;
use serde_json::Value;

/// A constraint that did not take the pod.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Candidate {
    pub(crate) scc: String,
    /// Whether it may be used.
    pub(crate) usable: bool,
    pub(crate) objections: Vec<Objection>,
    /// The changes to the manifest that leave it without objections; absent if there are none such.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) changes: Option<Vec<Change>>,
    /// The command that gives the missing right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) grant: Option<String>,
}

/// A field in the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Objection {
    /// The field of the constraint that objects.
    pub(crate) control: &'static str,
    /// From the object's root.
    pub(crate) field: String,
    pub(crate) message: String,
}

/// A field to change.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Change {
    /// From the object's root.
    pub(crate) field: String,
    /// What it is; absent if it is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<Value>,
    /// What it should be; absent if it should go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<Value>,
}

impl Candidate {
    /// `pod` is the one that was refused; `path` makes a path of it one of the manifest.
    pub(crate) fn new(near: &NearMiss, pod: &Pod, path: impl Fn(&str) -> String) -> Self {
        let mut after = pod.clone();
        apply(&mut after, near.edits.as_deref().unwrap_or_default());
        let json = |pod: &Pod| serde_json::to_value(pod).unwrap_or_default();
        // Most pods that are refused need no edits, or few; those without cost nothing here.
        let has_edits = near.edits.as_ref().is_some_and(|edits| !edits.is_empty());
        let (before, after) = if has_edits { (json(pod), json(&after)) } else { (Value::Null, Value::Null) };
        let objection = |violation: &Violation| Objection {
            control: violation.control.field(),
            field: path(&violation.field),
            message: plain_violation(violation),
        };
        let change = |edit: &ringfence_scc::Edit| Change {
            field: path(&edit.path),
            from: find(&before, &edit.path).cloned(),
            to: find(&after, &edit.path).cloned(),
        };
        let mut objections: Vec<Objection> = Vec::new();
        for objection in near.violations.iter().map(objection) {
            // The host's network is objected to for the pod, and for every container.
            if !objections.contains(&objection) {
                objections.push(objection);
            }
        }
        Self {
            scc: near.scc.clone(),
            usable: near.grant.is_none(),
            objections,
            changes: near.edits.as_ref().map(|edits| edits.iter().map(change).collect()),
            grant: near.grant.as_ref().map(give),
        }
    }

    /// What it would take, in one line.
    pub(crate) fn advice(&self) -> String {
        let changes = self.changes.as_ref().map(|changes| {
            let changes: Vec<String> = changes.iter().map(Change::words).collect();
            changes.join(", ")
        });
        match (changes, &self.grant) {
            (Some(changes), None) => format!("{} takes it after these changes: {changes}", self.scc),
            (Some(changes), Some(grant)) if changes.is_empty() => {
                format!("{} takes it as it is, once {grant}", self.scc)
            }
            (Some(changes), Some(grant)) => {
                format!("{} takes it once {grant}; and after these changes: {changes}", self.scc)
            }
            (None, _) => {
                let mut fields: Vec<&str> = self.objections.iter().map(|objection| &*objection.field).collect();
                fields.dedup();
                format!("{} is out of reach: {}", self.scc, fields.join(", "))
            }
        }
    }
}

impl Change {
    fn words(&self) -> String {
        match (&self.from, &self.to) {
            (_, None) => format!("remove {}", self.field),
            (None, Some(to)) => format!("set {}: {to}", self.field),
            (Some(from), Some(to)) => format!("change {} from {from} to {to}", self.field),
        }
    }
}

/// The value at a path such as `spec.volumes[2]` or `metadata.annotations[example.com/a.b]`.
fn find<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    let mut value = value;
    let mut rest = path;
    while !rest.is_empty() {
        let step;
        if let Some(inner) = rest.strip_prefix('[') {
            (step, rest) = inner.split_once(']')?;
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            (step, rest) = rest.split_at(end);
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
        value = match value {
            Value::Array(items) => items.get(step.parse::<usize>().ok()?)?,
            other => other.get(step)?,
        };
    }
    Some(value)
}

/// How to give a right, as people with OpenShift's client do it.
pub(crate) fn give(missing: &MissingGrant) -> String {
    let MissingGrant { scc, namespace, subject } = missing;
    let account = subject.name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    match account {
        Some((own, account)) if own == namespace => {
            format!("service account {account} may use it: oc adm policy add-scc-to-user {scc} -z {account} -n {own}")
        }
        _ => {
            format!("{} may use it: oc adm policy add-scc-to-user {scc} {} -n {namespace}", subject.name, subject.name)
        }
    }
}

/// An objection without the path, which is told beside it.
pub(crate) fn plain_violation(violation: &Violation) -> String {
    let text = violation.to_string();
    text.strip_prefix(&violation.path).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&text).to_owned()
}
