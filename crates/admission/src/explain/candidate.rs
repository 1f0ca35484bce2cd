//! A constraint that did not take a pod, and what it would take.

use k8s_openapi::api::core::v1::Pod;
use ringfence_scc::{MissingGrant, NearMiss, Value as Told, Violation};
use serde::Serialize;
use serde_json::Value;

/// A constraint that did not take the pod.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// Its name.
    pub scc: String,
    /// Whether it may be used.
    pub usable: bool,
    /// What it objects to.
    pub objections: Vec<Objection>,
    /// The changes to the manifest that leave it without objections; absent if there are none such.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Vec<Change>>,
    /// The command that gives the missing right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
}

/// A field in the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Objection {
    /// The field of the constraint that objects.
    pub control: &'static str,
    /// From the object's root.
    pub field: String,
    /// What is wrong with it, in the API server's words.
    pub message: String,
}

/// A field to change.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    /// From the object's root.
    pub field: String,
    /// What it is; absent if it is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    /// What it should be; absent if it should go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Value>,
}

impl Candidate {
    /// `pod` is the one that was refused; `path` makes a path of it one of the manifest.
    pub fn new(near: &NearMiss, pod: &Pod, path: impl Fn(&str) -> String) -> Self {
        let objection = |violation: &Violation| Objection {
            control: violation.control.field(),
            field: path(&violation.field),
            message: plain_violation(violation),
        };
        let change = |edit: &ringfence_scc::Edit| Change {
            field: path(&edit.path),
            from: edit.from.as_ref().map(|value| json(value, &edit.path, pod)),
            to: edit.to.as_ref().map(|value| json(value, &edit.path, pod)),
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
    pub fn advice(&self) -> String {
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

/// A value as it would be written into the pod at that path.
fn json(value: &Told, path: &str, pod: &Pod) -> Value {
    let volume = path.strip_prefix("spec.volumes[").and_then(|rest| rest.strip_suffix(']'));
    match value {
        Told::Json(kind) => {
            // Of a volume, what it is is told, and not all that it has.
            let kind: Value = serde_json::from_str(kind).unwrap_or_default();
            let (Some(index), Some(kind)) = (volume.and_then(|index| index.parse::<usize>().ok()), kind.as_str())
            else {
                return kind;
            };
            let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_ref());
            let Some(volume) = volumes.and_then(|volumes| volumes.get(index)) else { return Value::Null };
            match kind {
                "emptyDir" => serde_json::json!({"name": volume.name, "emptyDir": {}}),
                _ => serde_json::to_value(volume).unwrap_or_default(),
            }
        }
        Told::Strings(list) if path.ends_with(".sysctls") => {
            let one = |text: &String| {
                let (name, value) = text.split_once('=').unwrap_or((text, ""));
                serde_json::json!({"name": name, "value": value})
            };
            list.iter().map(one).collect()
        }
        Told::Strings(list) => list.clone().into(),
        Told::Ints(list) => list.clone().into(),
        Told::Int(n) => (*n).into(),
        Told::Bool(on) => (*on).into(),
        Told::String(text) => text.as_str().into(),
        Told::Null => Value::Null,
    }
}

/// How to give a right, as people with OpenShift's client do it.
pub fn give(missing: &MissingGrant) -> String {
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
pub fn plain_violation(violation: &Violation) -> String {
    let text = violation.to_string();
    text.strip_prefix(&violation.path).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&text).to_owned()
}
