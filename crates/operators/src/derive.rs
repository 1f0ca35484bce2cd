//! From a custom resource to the workloads that its operator makes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use ringfence_manifest::{Derivation, Document, Node, Object, Problem, ProblemKind, Workload};
use serde_json::{Value as Json, json};

use crate::Version;
use crate::cel::{CelError, Variables};
use crate::pod::Pod;
use crate::profile::{Compiled, CompiledResource as Resource, compiled};
use crate::settings::Installed;
use crate::tree::{Tree, field as below};

/// What becomes of one custom resource.
#[derive(Clone, Debug, Default)]
pub struct Derived {
    /// The path of the resource in its document.
    pub object_path: String,
    /// The resource's `apiVersion`.
    pub api_version: String,
    /// The resource's `kind`.
    pub kind: String,
    /// The resource's namespace, empty where it does not say.
    pub namespace: String,
    /// The resource's name, empty where it has none.
    pub name: String,
    /// Who makes the workloads, such as `ECK 2.14.0`.
    pub operator: String,
    /// The workloads, in the order in which the resource asks for them.
    pub workloads: Vec<Workload>,
    /// What is wrong with the resource, in the order of the text.
    pub problems: Vec<Problem>,
    /// What the user should know.
    pub notes: Vec<Note>,
}

/// What the user should know of a custom resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The field that it is about, from the document's root.
    pub field: String,
    /// The note.
    pub message: String,
}

/// What operator bundles write where a namespace is decided at installation.
const PLACEHOLDER: &str = "placeholder";

/// Why a resource comes to nothing.
pub(crate) struct Stop;

/// One resource, being derived.
pub(crate) struct Derive<'a> {
    pub(crate) document: &'a Document<'a>,
    pub(crate) object: &'a Object<'a>,
    pub(crate) operator: &'a Installed,
    pub(crate) out: Derived,
}

/// Derives what `operator` makes of the object, the profile's `index`th resource.
pub(crate) fn derive(document: &Document<'_>, object: &Object<'_>, operator: &Installed, index: usize) -> Derived {
    let text = |path| object.node.find(path).and_then(Node::as_str).unwrap_or_default().to_owned();
    let out = Derived {
        object_path: object.path.clone(),
        api_version: object.api_version.to_owned(),
        kind: object.kind.to_owned(),
        namespace: Some(text("metadata.namespace")).filter(|name| name != PLACEHOLDER).unwrap_or_default(),
        name: text("metadata.name"),
        operator: operator.title(),
        ..Derived::default()
    };
    let Compiled { resources, newest, .. } = &operator.profile.compiled;
    let mut derive = Derive { document, object, operator, out };
    let raw = operator.profile.spec().resources.get(index);
    if let Some((raw, resource)) = raw.zip(resources.get(index)) {
        if operator.version.numbers() > newest.numbers() {
            let message = format!("{} is newer than what its profile was held against, {newest}", derive.out.operator);
            derive.note("", message);
        }
        // What was found on the way stays.
        if derive.resource(raw, resource).is_err() {
            derive.out.workloads.clear();
        }
    }
    derive.out.problems.sort_by_key(|problem| problem.location.offset);
    derive.out.problems.dedup();
    derive.out
}

impl Derive<'_> {
    fn resource(&mut self, raw: &crate::profile::Resource, resource: &Resource) -> Result<(), Stop> {
        let Ok(tree) = Tree::written(self.object.node, "") else {
            return Err(self.stop("", ProblemKind::Type, "nested more deeply than a manifest is".to_owned(), None));
        };
        if self.out.name.is_empty() {
            let message = format!("a {} needs a name: what the operator makes is named after it", self.out.kind);
            return Err(self.stop("metadata.name", ProblemKind::Invalid, message, None));
        }
        let mut variables = Variables::default();
        variables.set("self", &tree.json());
        let version = self.version(raw, resource)?;
        variables.set("version", &version.into());
        let Installed { version, settings, platform, .. } = self.operator;
        variables.set("operator", &json!({"version": version.to_string()}));
        variables.set("settings", &json!(settings));
        variables.set("platform", &platform.as_str().into());
        self.set(&mut variables, &resource.variables)?;
        for (rule, raw) in resource.rules.iter().zip(&raw.rules) {
            let holds = rule.is_true(&variables);
            if !self.cel(rule.text(), holds)? {
                return Err(self.stop(&raw.field, ProblemKind::Invalid, raw.message.clone(), None));
            }
        }
        for note in &resource.notes {
            let when = note.when.is_true(&variables);
            if self.cel(note.when.text(), when)? {
                let message = note.message.text(&variables);
                let message = self.cel("message", message)?;
                self.note(&note.field, message);
            }
        }
        for workload in &resource.workloads {
            self.workloads(workload, &tree, &variables)?;
        }
        Ok(())
    }

    /// The version of the software, empty where the resource names none.
    fn version(&mut self, raw: &crate::profile::Resource, resource: &Resource) -> Result<String, Stop> {
        let Some(version) = &raw.version else { return Ok(String::new()) };
        let field = version.field.as_str();
        let found = self.object.node.find(field).filter(|node| node.kind() != ringfence_manifest::Kind::Null);
        let Some(found) = found else {
            if version.required {
                let message = format!("{} needs a version: write one such as 8.8.0", self.out.kind);
                return Err(self.stop(field, ProblemKind::Invalid, message, None));
            }
            return Ok(String::new());
        };
        let Some(text) = found.as_str() else {
            let message = format!("expected a string, found {}", found.to_json());
            let hint = Some(format!("write it in quotes: \"{}\"", found.to_json().trim_matches('"')));
            return Err(self.stop(field, ProblemKind::Type, message, hint));
        };
        match text.parse::<Version>() {
            Err(error) => Err(self.stop(field, ProblemKind::Invalid, error.to_string(), None)),
            Ok(known) => match &resource.oldest {
                Some(oldest) if !known.at_least(oldest) => {
                    let message =
                        format!("{} runs {} {oldest} and later, not {known}", self.out.operator, self.out.kind);
                    Err(self.stop(field, ProblemKind::Invalid, message, None))
                }
                _ => Ok(text.to_owned()),
            },
        }
    }

    fn workloads(&mut self, rule: &compiled::Workload, tree: &Tree, variables: &Variables) -> Result<(), Stop> {
        let Some(list) = &rule.for_each else { return self.workload(rule, tree, None, variables) };
        let Some(found) = find(tree, list) else { return Ok(()) };
        if !matches!(found.value, crate::tree::Value::List(_)) {
            let message = format!("expected a list, found {}", found.type_name());
            return Err(self.stop(list, ProblemKind::Type, message, None));
        }
        for (i, item) in found.items().iter().enumerate() {
            let path = format!("{list}[{i}]");
            if !matches!(item.value, crate::tree::Value::Map(_)) {
                let message = format!("expected a mapping, found {}", item.type_name());
                return Err(self.stop(&path, ProblemKind::Type, message, None));
            }
            let mut variables = variables.clone();
            variables.set("item", &item.json());
            self.workload(rule, tree, Some((&path, item)), &variables)?;
        }
        Ok(())
    }

    fn workload(
        &mut self,
        rule: &compiled::Workload,
        tree: &Tree,
        item: Option<(&str, &Tree)>,
        variables: &Variables,
    ) -> Result<(), Stop> {
        let mut variables = variables.clone();
        self.set(&mut variables, &rule.variables)?;
        if let Some(when) = &rule.when {
            let made = when.is_true(&variables);
            if !self.cel(when.text(), made)? {
                return Ok(());
            }
        }
        let name = rule.name.text(&variables);
        let name = self.cel("name", name)?;
        let claims = match &rule.claims {
            None => BTreeSet::new(),
            Some(claims) => {
                let names = claims.evaluate(&variables);
                let names = self.cel(claims.text(), names)?;
                names.as_array().into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect()
            }
        };
        let template = rule.template.as_ref().map(|reference| resolve(reference, item)).unwrap_or_default();
        let pod = Pod::new(self, tree, template, item)?;
        let pod = pod.steps(self, rule, &variables)?;
        self.finish(rule, name, claims, &pod)
    }

    /// Puts the workload together.
    fn finish(
        &mut self,
        rule: &compiled::Workload,
        name: String,
        claims: BTreeSet<String>,
        pod: &Pod<'_>,
    ) -> Result<(), Stop> {
        let derivation = Derivation {
            api_version: self.out.api_version.clone(),
            kind: self.out.kind.clone(),
            name: self.out.name.clone(),
            operator: self.out.operator.clone(),
            template: pod.template.clone(),
            sources: pod.sources(),
            containers: pod.added_containers(),
            claims,
        };
        let (metadata, spec) = self.decode(pod, &derivation)?;
        let labels: Option<BTreeMap<String, String>> = None;
        let object = ObjectMeta {
            name: Some(name),
            namespace: Some(self.out.namespace.clone()).filter(|namespace| !namespace.is_empty()),
            labels,
            ..ObjectMeta::default()
        };
        let kind = rule.kind.workload();
        let workload = Workload {
            document: self.document.index(),
            object_path: self.object.path.clone(),
            api_version: kind.api_version().to_owned(),
            kind,
            object,
            metadata,
            spec,
            derived: Some(Arc::new(derivation)),
        };
        let refusals = self.document.refusals(&workload);
        self.out.problems.extend(refusals);
        self.out.workloads.push(workload);
        Ok(())
    }

    fn set(&mut self, variables: &mut Variables, named: &[(String, crate::cel::Expression)]) -> Result<(), Stop> {
        for (name, expression) in named {
            let value = expression.evaluate(variables);
            let value = self.cel(expression.text(), value)?;
            variables.set(name, &value);
        }
        Ok(())
    }

    /// The value, or the end, as the profile and the resource do not fit.
    pub(crate) fn cel<T>(&mut self, expression: &str, value: Result<T, CelError>) -> Result<T, Stop> {
        value.map_err(|error| {
            let profile = self.operator.profile.name();
            let message = format!("the profile {profile:?} does not understand the resource: {expression}: {error}");
            self.stop("", ProblemKind::Invalid, message, None)
        })
    }

    pub(crate) fn stop(&mut self, field: &str, kind: ProblemKind, message: String, hint: Option<String>) -> Stop {
        let path = self.path(field);
        let problem = self.document.problem_at(&path, kind, message, hint);
        self.out.problems.push(problem);
        Stop
    }

    fn note(&mut self, field: &str, message: String) {
        let field = self.path(field);
        self.out.notes.push(Note { field, message });
    }

    /// A path of the resource as one of the document.
    pub(crate) fn path(&self, field: &str) -> String {
        match (self.object.path.as_str(), field) {
            ("", field) => field.to_owned(),
            (object, "") => object.to_owned(),
            (object, field) if field.starts_with('[') => format!("{object}{field}"),
            (object, field) => format!("{object}.{field}"),
        }
    }
}

/// A path of the resource, which may be one of the item.
pub(crate) fn resolve(reference: &compiled::Reference, item: Option<(&str, &Tree)>) -> String {
    match item.filter(|_| reference.of_item) {
        Some((item, _)) => format!("{item}.{}", reference.path),
        None => reference.path.clone(),
    }
}

/// The value at a path of plain names and `[numbers]`, if it is there and not null.
pub(crate) fn find<'t>(tree: &'t Tree, path: &str) -> Option<&'t Tree> {
    let mut found = tree;
    for part in path.split('.') {
        let (name, index) = match part.split_once('[') {
            Some((name, index)) => (name, index.strip_suffix(']')?.parse::<usize>().ok()),
            None => (part, None),
        };
        found = found.get(name)?;
        if let Some(index) = index {
            found = found.items().get(index)?;
        }
    }
    Some(found).filter(|tree| !tree.is_null())
}

/// The containers of a pod that have a name, with their paths.
pub(crate) fn containers(pod: &Tree) -> Vec<(String, &str, &Tree)> {
    let mut found = vec![];
    for list in ["containers", "initContainers"] {
        let items = pod.get("spec").and_then(|spec| spec.get(list)).map(Tree::items).unwrap_or_default();
        for (i, item) in items.iter().enumerate() {
            if let Some(name) = item.get("name").and_then(Tree::as_str) {
                found.push((format!("{}[{i}]", below("spec", list)), name, item));
            }
        }
    }
    found
}
