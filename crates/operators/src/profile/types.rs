//! The types of a profile file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an operator makes of its custom resources.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OperatorProfile {
    /// `ringfence.dev/v1alpha1`.
    pub api_version: ApiVersion,
    /// `OperatorProfile`.
    pub kind: ProfileKind,
    /// The profile's name.
    pub metadata: ProfileMetadata,
    /// The operator and its resources.
    pub spec: ProfileSpec,
}

/// The versions of the format.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
pub enum ApiVersion {
    /// The only one.
    #[serde(rename = "ringfence.dev/v1alpha1")]
    V1Alpha1,
}

/// The kind of the file.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
pub enum ProfileKind {
    /// The only one.
    OperatorProfile,
}

/// How a profile is called.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProfileMetadata {
    /// The name by which `--operator NAME@VERSION` means it: lower case letters, digits and dashes. A profile of the
    /// user takes the place of a built-in one of the same name.
    pub name: String,
}

/// The operator and its resources.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProfileSpec {
    /// The operator's name for people, such as `ECK`.
    pub title: String,
    /// The operator's own versions.
    pub versions: OperatorVersions,
    /// Settings of the operator that change what it does. Expressions see them as `settings`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<SettingType>,
    /// The custom resources that become pods.
    pub resources: Vec<Resource>,
}

/// The operator's own versions.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OperatorVersions {
    /// The version that is taken where `--operator` gives none.
    pub default: String,
    /// The oldest version that the profile knows; an older one is refused.
    pub oldest: String,
    /// The newest version that the profile was held against; with a newer one, a note says so.
    pub newest: String,
}

/// A setting of the operator.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SettingType {
    /// The name, as the operator's own flag or variable has it.
    pub name: String,
    /// What it does.
    pub description: String,
    /// The values that it can have.
    pub values: Vec<String>,
    /// The value where `--operator` gives none.
    pub default: String,
}

/// A custom resource that becomes pods.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resource {
    /// The API group. Every version of it is meant.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The field that says which version of the software to run. Expressions see it as `version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionField>,
    /// Names for expressions, in order; each may use those before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<Variable>,
    /// What the operator itself would refuse.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// What the user should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<NoteRule>,
    /// The workloads that come of it.
    pub workloads: Vec<WorkloadRule>,
}

/// The field that says which version of the software to run.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VersionField {
    /// Its path from the object's root, such as `spec.version`.
    pub field: String,
    /// Whether the resource is refused without it.
    #[serde(default)]
    pub required: bool,
    /// The oldest version that the operator runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<String>,
}

/// A name for an expression.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Variable {
    /// The name: letters, digits and underscores.
    pub name: String,
    /// A CEL expression.
    pub expression: String,
}

/// What the operator itself would refuse.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// A CEL expression that is true of a good resource.
    pub expression: String,
    /// What is wrong otherwise, and what to write instead.
    pub message: String,
    /// The field at fault, from the object's root.
    pub field: String,
}

/// What the user should know.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NoteRule {
    /// A CEL expression; the note is told where it is true.
    pub when: String,
    /// The note. `${…}` holds expressions.
    pub message: String,
    /// The field that it is about, from the object's root.
    pub field: String,
}

/// A workload that comes of a resource.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkloadRule {
    /// The kind of workload that the operator makes.
    pub kind: MadeKind,
    /// A list of the resource, such as `self.spec.nodeSets`: one workload for each item, which expressions see as
    /// `item`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_each: Option<String>,
    /// A CEL expression; the workload is made where it is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Names for expressions of this workload, in order; each may use those before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<Variable>,
    /// The workload's name. `${…}` holds expressions.
    pub name: String,
    /// Where the user writes a pod template that the operator starts from: `self.spec.podTemplate`, or
    /// `item.podTemplate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// The names of the volumes that the workload claims: a CEL expression for a list of strings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<String>,
    /// What the operator does to the pod template, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
}

/// The kinds of workload that operators make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the kinds of the API")]
pub enum MadeKind {
    Pod,
    ReplicaSet,
    Deployment,
    StatefulSet,
    DaemonSet,
    Job,
    CronJob,
}

/// One thing that the operator does to the pod template: it adds a `value`, or takes one `from` the resource.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// Where in the pod template, such as `spec.securityContext` or `spec.containers[app].volumeMounts`. `[*]` is every
    /// item; an item that is named and not there is made.
    pub at: OneOrMany,
    /// What is added. Strings may hold `${…}`, CEL expressions; a string that is nothing else becomes the value of the
    /// expression, whatever its type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<serde_json::Value>,
    /// Where in the resource the value is taken from: `self.spec.volumes`, or `item.volumes`. Nothing is done where
    /// there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Why the operator adds it. Shown beside the value; needed with `value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// A CEL expression; the step is done where it is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// A CEL expression for a list: the step is done once for each element, which expressions see as `element`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub each: Option<String>,
    /// The field of the resource that decides whether this is done: `self.spec.version`. Findings point to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// How the value goes together with what is there.
    #[serde(default, skip_serializing_if = "Mode::is_fill")]
    pub mode: Mode,
}

/// How a value goes together with what is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// What is there wins, field by field. Items of lists that have names go together by name: containers are filled
    /// in, other items are left as they are, new ones come last. A list without names is taken as a whole.
    #[default]
    Fill,
    /// Only where nothing is there at all, not even an empty mapping.
    Default,
    /// As `fill`, but containers that are there are left as they are, too.
    Insert,
    /// As `fill`, but the items come first, in their order.
    Prepend,
    /// The new value wins, field by field, and by name.
    Override,
}

impl Mode {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
    fn is_fill(&self) -> bool {
        *self == Self::Fill
    }
}

/// One string, or several.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl OneOrMany {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        match self {
            Self::One(one) => std::slice::from_ref(one).iter().map(String::as_str),
            Self::Many(many) => many.iter().map(String::as_str),
        }
    }
}
