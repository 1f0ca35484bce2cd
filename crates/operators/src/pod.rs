//! A pod template while the operator works on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::PodSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use ringfence_manifest::{Derivation, Kind, Node, ProblemKind, WorkloadKind};

use crate::cel::{CelError, Variables};
use crate::derive::{Derive, Stop, containers, find, resolve};
use crate::merge::put;
use crate::profile::{CompiledStep, Literal, MadeKind, compiled};
use crate::tree::{Addition, Source, Tree, Value};

/// A pod template, and where the user writes theirs.
pub(crate) struct Pod<'a> {
    pub(crate) tree: Tree,
    /// From the resource's root; empty where there is none.
    pub(crate) template: String,
    resource: &'a Tree,
    item: Option<(&'a str, &'a Tree)>,
}

impl<'a> Pod<'a> {
    /// Begins with what the user wrote.
    pub(crate) fn new(
        derive: &mut Derive<'_>,
        resource: &'a Tree,
        template: String,
        item: Option<(&'a str, &'a Tree)>,
    ) -> Result<Self, Stop> {
        let written = if template.is_empty() { None } else { find(resource, &template) };
        if written.is_some() {
            derive.check_template(&template)?;
        }
        let root = Source::Written(template.clone());
        let mut tree = written.cloned().unwrap_or_else(|| Tree::empty(root));
        // Values that are decided by no field are looked for where the user would write them.
        if let Value::Map(entries) = &mut tree.value
            && !entries.iter().any(|(key, _)| key == "spec")
        {
            let spec = if template.is_empty() { "spec".to_owned() } else { format!("{template}.spec") };
            entries.push(("spec".to_owned(), Tree::empty(Source::Written(spec))));
        }
        let pod = Self { tree, template, resource, item };
        pod.one_name_each(derive)?;
        Ok(pod)
    }

    /// Refuses a template in which two containers have one name: the operator could mean either.
    fn one_name_each(&self, derive: &mut Derive<'_>) -> Result<(), Stop> {
        let mut seen: BTreeMap<&str, String> = BTreeMap::new();
        for (_, name, container) in containers(&self.tree) {
            let Source::Written(path) = &container.source else { continue };
            if let Some(first) = seen.get(name) {
                let line = derive.document.location_of(&derive.path(first)).map_or(0, |at| at.line);
                let message = format!(
                    "a container called {name:?} is there already, on line {line}; the operator and Kubernetes tell \
                     containers apart by name"
                );
                let hint = Some("give one of them another name, or make them one".to_owned());
                return Err(derive.stop(&format!("{path}.name"), ProblemKind::Invalid, message, hint));
            }
            seen.insert(name, path.clone());
        }
        Ok(())
    }

    /// Does what the operator does.
    pub(crate) fn steps(
        mut self,
        derive: &mut Derive<'_>,
        rule: &compiled::Workload,
        variables: &Variables,
    ) -> Result<Self, Stop> {
        let mut variables = variables.clone();
        for step in &rule.steps {
            if step.sees_pod {
                variables.set(compiled::POD, &self.tree.json());
            }
            let variables = &variables;
            let Some(each) = &step.each else {
                self.step(derive, step, variables)?;
                continue;
            };
            let elements = each.evaluate(variables);
            let elements = derive.cel(each.text(), elements)?;
            for element in elements.as_array().into_iter().flatten() {
                let mut variables = variables.clone();
                variables.set("element", element);
                self.step(derive, step, &variables)?;
            }
        }
        Ok(self)
    }

    fn step(&mut self, derive: &mut Derive<'_>, step: &CompiledStep, variables: &Variables) -> Result<(), Stop> {
        if let Some(when) = &step.when {
            let done = when.is_true(variables);
            if !derive.cel(when.text(), done)? {
                return Ok(());
            }
        }
        let field = step.field.as_ref().map(|reference| resolve(reference, self.item));
        let value = match &step.what {
            compiled::What::Value(literal) => {
                let title = derive.operator.profile.spec().title.as_str();
                let said = step.why.starts_with(title);
                let why = if said { step.why.clone() } else { format!("{title}: {}", step.why) };
                let addition = Arc::new(Addition { why, field });
                let json = evaluate(literal, variables);
                Tree::added(derive.cel("value", json)?, &addition)
            }
            compiled::What::From(reference) => {
                let path = resolve(reference, self.item);
                match find(self.resource, &path) {
                    Some(found) => found.clone(),
                    None => return Ok(()),
                }
            }
        };
        for place in &step.at {
            if let Err(wrong) = put(&mut self.tree, place, &value, step.mode) {
                let at = match &wrong.place {
                    Source::Written(path) => path.clone(),
                    Source::Added(addition) => addition.field.clone().unwrap_or_default(),
                };
                return Err(derive.stop(&at, ProblemKind::Type, wrong.to_string(), None));
            }
        }
        self.one_name_each(derive)
    }

    /// Where everything in the pod comes from.
    pub(crate) fn sources(&self) -> BTreeMap<String, ringfence_manifest::Source> {
        let mut sources = BTreeMap::new();
        self.tree.visit("", &mut |path, source| {
            let source = match source {
                Source::Written(path) => ringfence_manifest::Source::Written(path.clone()),
                Source::Added(addition) => {
                    let Addition { why, field } = &**addition;
                    ringfence_manifest::Source::Added { why: why.clone(), field: field.clone() }
                }
            };
            sources.insert(path.to_owned(), source);
        });
        sources
    }

    /// The containers that the user did not write.
    pub(crate) fn added_containers(&self) -> BTreeMap<String, String> {
        let all = containers(&self.tree).into_iter();
        let added = all.filter(|(.., container)| matches!(container.source, Source::Added(_)));
        added.map(|(path, name, _)| (path, name.to_owned())).collect()
    }
}

fn evaluate(literal: &Literal, variables: &Variables) -> Result<serde_json::Value, CelError> {
    Ok(match literal {
        Literal::Plain(json) => json.clone(),
        Literal::Text(template) => template.value(variables)?,
        Literal::List(items) => items.iter().map(|item| evaluate(item, variables)).collect::<Result<_, _>>()?,
        Literal::Map(entries) => {
            let entry = |(key, value): &(String, Literal)| Ok((key.clone(), evaluate(value, variables)?));
            serde_json::Value::Object(entries.iter().map(entry).collect::<Result<_, _>>()?)
        }
    })
}

impl Derive<'_> {
    /// Holds the user's template against the API's types. What is unknown is told; what has a wrong type ends it.
    fn check_template(&mut self, template: &str) -> Result<(), Stop> {
        let problems = self.document.template_problems(&self.path(template));
        let broken = problems.iter().any(|problem| problem.kind == ProblemKind::Type);
        self.out.problems.extend(problems);
        if broken { Err(Stop) } else { Ok(()) }
    }

    /// The pod as the API's types, decoded as the API machinery does.
    pub(crate) fn decode(&mut self, pod: &Pod<'_>, from: &Derivation) -> Result<(ObjectMeta, PodSpec), Stop> {
        let text = pod.tree.json().to_string();
        let documents = ringfence_manifest::read(text.as_bytes());
        let document = documents.first();
        let wrong = document.into_iter().flat_map(|document| document.template_problems(""));
        if let Some(wrong) = wrong.into_iter().find(|problem| problem.kind == ProblemKind::Type) {
            return Err(self.stop(&from.field(&wrong.field), ProblemKind::Type, wrong.message, wrong.hint));
        }
        let root = document.and_then(ringfence_manifest::Document::root);
        let metadata = part::<ObjectMeta>(root, "metadata");
        let spec = part::<PodSpec>(root, "spec");
        match (metadata, spec) {
            (Ok(metadata), Ok(spec)) => Ok((metadata, spec)),
            (Err(error), _) | (_, Err(error)) => {
                Err(self.stop(&from.template, ProblemKind::Type, error.to_string(), None))
            }
        }
    }
}

fn part<T: for<'d> serde::Deserialize<'d> + Default>(
    root: Option<Node<'_>>,
    key: &str,
) -> Result<T, ringfence_manifest::DecodeError> {
    match root.and_then(|root| root.get(key)).filter(|node| node.kind() != Kind::Null) {
        Some(node) => node.decode(),
        None => Ok(T::default()),
    }
}

impl MadeKind {
    /// The kind of workload.
    pub(crate) fn workload(self) -> WorkloadKind {
        match self {
            Self::Pod => WorkloadKind::Pod,
            Self::ReplicaSet => WorkloadKind::ReplicaSet,
            Self::Deployment => WorkloadKind::Deployment,
            Self::StatefulSet => WorkloadKind::StatefulSet,
            Self::DaemonSet => WorkloadKind::DaemonSet,
            Self::Job => WorkloadKind::Job,
            Self::CronJob => WorkloadKind::CronJob,
        }
    }
}
