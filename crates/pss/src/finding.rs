//! What is wrong with one field of one container, and what to write instead.

use crate::{
    control::{Control, Revision},
    field::{Field, Item, Remedy},
    pod::Container,
    quote::Quoted,
};
use std::fmt;

/// One offending field. It borrows from the pod; texts are made when they are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Finding<'p> {
    judge: &'static Control,
    control: &'static Control,
    revision: &'static Revision,
    field: &'static Field,
    container: Option<Container<'p>>,
    item: Item<'p>,
    value: Value<'p>,
}

/// The value found in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'p> {
    /// The field is absent, and must be set.
    Missing,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A string, as written.
    Text(&'p str),
    /// A list of strings, as written.
    List(&'p [String]),
    /// An object of several fields.
    Object,
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("nothing"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Text(text) => f.write_str(text),
            Self::List(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{}", if i == 0 { "" } else { ", " }, Quoted(item))?;
                }
                f.write_str("]")
            }
            Self::Object => f.write_str("{…}"),
        }
    }
}

/// What to do about a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// What to write instead, for a person.
    pub text: &'static str,
    /// The edit that satisfies the control, where there is one that needs no choice.
    pub edit: Option<Edit>,
}

/// An edit of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Set the field at the path, making its parents where they lack.
    Set {
        /// The path within the pod.
        path: String,
        /// The value, as JSON, which is YAML as well.
        value: &'static str,
    },
    /// Take the field, or the item of a list, away.
    Remove {
        /// The path within the pod.
        path: String,
    },
}

impl<'p> Finding<'p> {
    /// The control that refuses the field. At the restricted level a hostPath volume has two findings, one for each
    /// control that refuses it: restrictedVolumes, and hostPathVolumes, which the former stands in for.
    pub fn control(&self) -> &'static Control {
        self.control
    }

    /// The restricted field, as the control's page lists it.
    pub fn field(&self) -> &'static Field {
        self.field
    }

    /// The container at fault; `None` where the field is the pod's own.
    pub fn container(&self) -> Option<Container<'p>> {
        self.container
    }

    /// What the field holds.
    pub fn value(&self) -> Value<'p> {
        self.value
    }

    /// The path of the field within the pod, such as `spec.initContainers[0].ports[1].hostPort`. If the field is absent
    /// and must be set, this is where it would be.
    pub fn path(&self) -> String {
        self.field.path_of(self.container.as_ref(), self.item)
    }

    /// What is wrong, for the person who has to change it.
    pub fn message(&self) -> String {
        use fmt::Write as _;
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = match (&self.container, self.item) {
            (Some(container), _) => write!(text, "{} {}", container.kind(), Quoted(container.name())),
            (None, Item::Named(_, name)) => write!(text, "volume {}", Quoted(name)),
            _ => write!(text, "the pod"),
        };
        let what = match self.item {
            Item::Key(key) => format!("annotation {key}"),
            Item::Named(..) => self.field.name().to_owned(),
            Item::Index(index) => self.field.relative_path().replacen("[*]", &format!("[{index}]"), 1),
            Item::None => self.field.relative_path().to_owned(),
        };
        let allowed = self.field.allowed;
        let _ = match self.value {
            Value::Missing if self.item == Item::None => write!(text, " does not set {what}; allowed: {allowed}"),
            Value::Missing => write!(text, " has no source; allowed: {allowed}"),
            Value::Object => write!(text, " uses {what}; allowed: {allowed}"),
            Value::Text(value) => write!(text, " sets {what} to {}; allowed: {allowed}", Quoted(value)),
            value => write!(text, " sets {what} to {value}; allowed: {allowed}"),
        };
        text
    }

    /// What to write instead. Where a container only lacks what the pod could set for all, the hint sets it for the pod.
    pub fn hint(&self) -> Hint {
        let (field, path) = match self.field.inherits {
            Some(pod_field) if self.value == Value::Missing => (pod_field, pod_field.path.to_owned()),
            _ => (self.field, self.path()),
        };
        let edit = match field.remedy {
            Remedy::Remove => Some(Edit::Remove { path }),
            Remedy::RemoveItem => {
                let end = path.rfind(']').map_or(path.len(), |bracket| bracket + 1);
                Some(Edit::Remove { path: path[..end].to_owned() })
            }
            Remedy::Set(value) => Some(Edit::Set { path, value }),
            Remedy::Choose => None,
        };
        Hint { text: field.hint, edit }
    }

    pub(crate) fn is_at(&self, field: &'static Field) -> bool {
        std::ptr::eq(self.field, field)
    }

    /// The control that was evaluated, and in whose words the verdict tells of it.
    pub(crate) fn judge(&self) -> &'static Control {
        self.judge
    }

    pub(crate) fn revision(&self) -> &'static Revision {
        self.revision
    }

    /// The name of the volume that the finding is about.
    pub(crate) fn item_name(&self) -> &'p str {
        match self.item {
            Item::Named(_, name) => name,
            _ => "",
        }
    }

    /// The key of the annotation that the finding is about.
    pub(crate) fn key(&self) -> Option<&'p str> {
        match self.item {
            Item::Key(key) => Some(key),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> &'p str {
        match self.value {
            Value::Text(text) => text,
            _ => "",
        }
    }
}

impl PartialEq for Finding<'_> {
    /// Whether both say the same about the same place of one pod.
    fn eq(&self, other: &Self) -> bool {
        let same_container = match (&self.container, &other.container) {
            (None, None) => true,
            (Some(a), Some(b)) => a.is(b),
            _ => false,
        };
        std::ptr::eq(self.judge, other.judge)
            && std::ptr::eq(self.control, other.control)
            && self.is_at(other.field)
            && same_container
            && self.item == other.item
            && self.value == other.value
    }
}

/// Where a check puts what it finds. It allocates at the first finding, so a pod that passes costs no allocation.
pub(crate) struct Findings<'p> {
    pub(crate) list: Vec<Finding<'p>>,
    control: &'static Control,
    revision: &'static Revision,
}

impl<'p> Findings<'p> {
    /// A place for what the control finds, after what is in the list.
    pub(crate) fn new(list: Vec<Finding<'p>>, control: &'static Control, revision: &'static Revision) -> Self {
        Self { list, control, revision }
    }

    /// Repeats the last finding in the name of a control that this one stands in for, and that refuses the field too.
    pub(crate) fn also_of(&mut self, control: &'static Control) {
        if let Some(last) = self.list.last().copied() {
            self.list.push(Finding { control, ..last });
        }
    }

    pub(crate) fn pod(&mut self, field: &'static Field, value: Value<'p>) {
        self.push(field, None, Item::None, value);
    }

    pub(crate) fn pod_item(&mut self, field: &'static Field, index: usize, value: Value<'p>) {
        self.push(field, None, Item::Index(index), value);
    }

    pub(crate) fn volume(&mut self, field: &'static Field, index: usize, name: &'p str, value: Value<'p>) {
        self.push(field, None, Item::Named(index, name), value);
    }

    pub(crate) fn container(&mut self, container: Container<'p>, field: &'static Field, value: Value<'p>) {
        self.push(field, Some(container), Item::None, value);
    }

    pub(crate) fn container_item(
        &mut self,
        container: Container<'p>,
        field: &'static Field,
        index: usize,
        value: Value<'p>,
    ) {
        self.push(field, Some(container), Item::Index(index), value);
    }

    pub(crate) fn annotation(
        &mut self,
        container: Option<Container<'p>>,
        field: &'static Field,
        key: &'p str,
        value: &'p str,
    ) {
        self.push(field, container, Item::Key(key), Value::Text(value));
    }

    fn push(&mut self, field: &'static Field, container: Option<Container<'p>>, item: Item<'p>, value: Value<'p>) {
        let Self { control, revision, .. } = *self;
        if self.list.is_empty() {
            // Enough for most pods that are refused, so that the list seldom moves.
            self.list.reserve(8);
        }
        self.list.push(Finding { judge: control, control, revision, field, container, item, value });
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        Edit, Level, Version, evaluate,
        testing::{TestPod, pod},
    };
    use serde_json::json;

    fn hint_for(path: &str, pod: &TestPod) -> Option<Edit> {
        let verdict = evaluate(Level::Restricted, Version::LATEST, &pod.metadata, &pod.spec);
        verdict.findings().iter().find(|finding| finding.path() == path).and_then(|finding| finding.hint().edit)
    }

    #[test]
    fn what_containers_lack_is_set_once_for_the_pod() {
        let pod = pod(json!({"containers": [{"name": "a"}, {"name": "b"}]}));
        for i in 0..2 {
            assert_eq!(
                hint_for(&format!("spec.containers[{i}].securityContext.runAsNonRoot"), &pod),
                Some(Edit::Set { path: "spec.securityContext.runAsNonRoot".to_owned(), value: "true" })
            );
        }
    }

    #[test]
    fn what_a_container_sets_is_changed_there() {
        let pod = pod(json!({"containers": [{"name": "a", "securityContext": {"runAsNonRoot": false}}]}));
        let path = "spec.containers[0].securityContext.runAsNonRoot";
        assert_eq!(hint_for(path, &pod), Some(Edit::Set { path: path.to_owned(), value: "true" }));
    }

    #[test]
    fn a_sysctl_is_taken_away_whole() {
        let pod = pod(json!({"securityContext": {"sysctls": [{"name": "x", "value": "1"}]}, "containers": []}));
        assert_eq!(
            hint_for("spec.securityContext.sysctls[0].name", &pod),
            Some(Edit::Remove { path: "spec.securityContext.sysctls[0]".to_owned() })
        );
    }

    #[test]
    fn messages_name_the_container_the_field_and_the_value() {
        let pod = pod(json!({"volumes": [{"name": "v"}], "initContainers": [
            {"name": "a", "restartPolicy": "Always", "ports": [{"containerPort": 1}, {"containerPort": 1, "hostPort": 2}]},
        ], "containers": []}));
        let verdict = evaluate(Level::Restricted, Version::LATEST, &pod.metadata, &pod.spec);
        let messages: Vec<_> = verdict.findings().iter().map(super::Finding::message).collect();
        assert_eq!(messages[0], r#"sidecar container "a" sets ports[1].hostPort to 2; allowed: undefined, 0"#);
        let allowed =
            "configMap, csi, downwardAPI, emptyDir, ephemeral, image, persistentVolumeClaim, projected, secret";
        assert!(messages.contains(&format!(r#"volume "v" has no source; allowed: {allowed}"#)));
    }
}
