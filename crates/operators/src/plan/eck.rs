//! Elasticsearch under ECK: running a version before 8.0.0 as another user than root.

use ringfence_manifest::{Kind, Node};
use serde_json::{Value, json};

use super::step::{check_name, command, words};
use super::versions::Product;
use super::{Ask, Check, Edit, Plan, PlanError, Step};
use crate::{Platform, Version};

const ELASTICSEARCH: Product = Product { name: "Elasticsearch", form: "8.8.0", lines: &[], build: false };
/// From here on the image runs as `elasticsearch`, and before it as root.
const NON_ROOT: Version = Version::new(8, 0, 0);
/// From here on the operator gives containers a security context.
const CONTEXT: Version = Version::new(8, 8, 0);

pub(super) fn plan(resource: Node<'_>, ask: &Ask<'_>) -> Result<Plan, PlanError> {
    let text = |field: &str| resource.find(field).and_then(Node::as_str).filter(|text| !text.is_empty());
    let wrong = |field: &str, message: &str| PlanError::Field { field: field.to_owned(), message: message.to_owned() };
    let written = text("spec.version").ok_or_else(|| wrong("spec.version", "is missing: write it as 8.8.0"))?;
    let (from, to) = ELASTICSEARCH.both(&Ask { to: Some(ask.to.unwrap_or(written)), ..ask.clone() })?;
    if from.as_ref() == Some(&to) {
        return Err(PlanError::Same { version: to.to_string() });
    }
    let name = text("metadata.name").ok_or_else(|| wrong("metadata.name", "is missing"))?;
    let namespace = text("metadata.namespace").or(ask.namespace).ok_or(PlanError::NoNamespace)?;
    for (field, text) in [("metadata.name", name), ("metadata.namespace", namespace)] {
        check_name(field, text)?;
    }
    let sets = resource.find("spec.nodeSets");
    let sets = sets.filter(|sets| matches!(sets.kind(), Kind::Seq));
    let sets = sets.ok_or_else(|| wrong("spec.nodeSets", "expected a list of node sets"))?;

    let mut plan = Plan {
        title: format!("run Elasticsearch {namespace}/{name} {to} as another user than root"),
        steps: vec![],
        notes: vec![],
    };
    if let Some(from) = &from {
        plan.notes.extend(crossed(from, &to));
    }
    if ask.platform == Platform::OpenShift {
        plan.notes.push("OpenShift assigns each namespace's pods a random user ID: nothing is to be done, and a fixed user would need another constraint".to_owned());
        return Ok(plan);
    }
    if to.at_least(&NON_ROOT) {
        plan.notes.push(format!("from {NON_ROOT} on the container does not run as root: nothing is to be done"));
        return Ok(plan);
    }
    for (index, set) in sets.items().enumerate() {
        let name_of_set = set.get("name").and_then(Node::as_str).unwrap_or_default();
        check_name(&format!("spec.nodeSets[{index}].name"), name_of_set)?;
        if let Some(step) = node_set(index, set, name, namespace, ask.user) {
            plan.steps.push(step);
        }
    }
    let user = ask.user;
    plan.notes.push(format!(
        "every container of the pods then runs all processes as user {user}, which are in the supplementary group {user} \
         that owns the pods' volumes: the kubelet changes owner and mode of what is in them, recursively, when it mounts \
         them"
    ));
    if plan.steps.is_empty() {
        plan.notes.push("every node set says so already".to_owned());
    }
    Ok(plan)
}

/// What an upgrade changes by itself.
fn crossed(from: &Version, to: &Version) -> Vec<String> {
    let crosses = |version: &Version| !from.at_least(version) && to.at_least(version);
    let mut notes = Vec::new();
    if crosses(&NON_ROOT) {
        notes.push(format!("from {NON_ROOT} on the container runs as elasticsearch (1000), before as root"));
    }
    if crosses(&CONTEXT) {
        notes.push(format!(
            "from {CONTEXT} on the operator's containers drop all capabilities, forbid privilege escalation, and have a \
             read-only root file system where the data directory is a mounted volume"
        ));
    }
    notes
}

/// The step for a node set, unless it says so already.
fn node_set(index: usize, set: Node<'_>, name: &str, namespace: &str, user: u32) -> Option<Step> {
    let context = "podTemplate.spec.securityContext";
    let is = |key: &str| set.find(&format!("{context}.{key}")).map(Node::kind) == Some(Kind::Int(i64::from(user)));
    let missing: Vec<&str> = ["runAsUser", "fsGroup"].into_iter().filter(|key| !is(key)).collect();
    if missing.is_empty() {
        return None;
    }
    let field = |key: &str| format!("spec.nodeSets[{index}].{context}.{key}");
    let patch = patch(index, set, &missing, user).to_string();
    let set_name = set.get("name").and_then(Node::as_str).unwrap_or_default();
    let stateful = format!("{name}-es-{set_name}");
    let template =
        "jsonpath={.spec.template.spec.securityContext.runAsUser} {.spec.template.spec.securityContext.fsGroup}";
    Some(Step {
        title: format!("Run node set {set_name} as user {user}"),
        why: format!(
            "fsGroup makes the data volume writable to it: before {NON_ROOT} the container runs as root otherwise"
        ),
        edits: missing.iter().map(|key| Edit { field: field(key), value: user.into() }).collect(),
        commands: vec![command([
            "kubectl",
            "patch",
            "elasticsearch",
            name,
            "-n",
            namespace,
            "--type",
            "json",
            "-p",
            &patch,
        ])],
        after: vec![Check {
            statement: format!("the StatefulSet {stateful} has user and file group {user}"),
            fact: None,
            words: words(["kubectl", "get", "statefulset", &stateful, "-n", namespace, "-o", template]),
            expected: Some(format!("{user} {user}")),
            fails: false,
        }],
        ..Step::default()
    })
}

/// A JSON patch that adds the keys at the deepest object that is there.
fn patch(index: usize, set: Node<'_>, missing: &[&str], user: u32) -> Value {
    let mut path = format!("/spec/nodeSets/{index}");
    let mut node = set;
    let steps = ["podTemplate", "spec", "securityContext"];
    for (depth, step) in steps.iter().enumerate() {
        path = format!("{path}/{step}");
        if let Some(below) = node.get(step).filter(|below| matches!(below.kind(), Kind::Map)) {
            node = below;
            continue;
        }
        let keys: serde_json::Map<_, _> = missing.iter().map(|key| ((*key).to_owned(), user.into())).collect();
        let below = steps.get(depth + 1..).unwrap_or_default().iter().rev();
        let value = below.fold(Value::Object(keys), |value, step| json!({*step: value}));
        return json!([{"op": "add", "path": path, "value": value}]);
    }
    missing.iter().map(|key| json!({"op": "add", "path": format!("{path}/{key}"), "value": user})).collect()
}
