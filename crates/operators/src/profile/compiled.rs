//! A profile with its versions, places and expressions checked.

use serde_json::Value as Json;

use super::read::Wrong;
use super::{MadeKind, Mode, OperatorProfile, Resource as RawResource, Step as RawStep, WorkloadRule};
use crate::Version;
use crate::cel::{CelError, Expression, Template};
use crate::place::PodPath;

/// Names that every expression may use.
const ALWAYS: [&str; 5] = ["self", "version", "operator", "settings", "platform"];

/// A name that the expressions of a step may use as well: the pod template as it is before the step.
pub(crate) const POD: &str = "pod";

#[derive(Clone, Debug)]
pub(crate) struct Compiled {
    pub(crate) default: Version,
    pub(crate) oldest: Version,
    pub(crate) newest: Version,
    pub(crate) resources: Vec<Resource>,
}

#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub(crate) oldest: Option<Version>,
    pub(crate) variables: Vec<(String, Expression)>,
    pub(crate) rules: Vec<Expression>,
    pub(crate) notes: Vec<Note>,
    pub(crate) workloads: Vec<Workload>,
}

#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub(crate) when: Expression,
    pub(crate) message: Template,
    pub(crate) field: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Workload {
    pub(crate) kind: MadeKind,
    /// A path from the object's root.
    pub(crate) for_each: Option<String>,
    pub(crate) when: Option<Expression>,
    pub(crate) variables: Vec<(String, Expression)>,
    pub(crate) name: Template,
    pub(crate) template: Option<Reference>,
    pub(crate) claims: Option<Expression>,
    pub(crate) steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) at: Vec<PodPath>,
    pub(crate) what: What,
    pub(crate) why: String,
    pub(crate) when: Option<Expression>,
    pub(crate) each: Option<Expression>,
    pub(crate) field: Option<Reference>,
    pub(crate) mode: Mode,
    /// Whether an expression may look at the pod template.
    pub(crate) sees_pod: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    Value(Literal),
    From(Reference),
}

/// A path of the resource, or of the item that a workload is for.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub(crate) of_item: bool,
    pub(crate) path: String,
}

/// A value whose strings may hold expressions.
#[derive(Clone, Debug)]
pub(crate) enum Literal {
    Plain(Json),
    Text(Template),
    List(Vec<Literal>),
    Map(Vec<(String, Literal)>),
}

/// Collects what is wrong, so that all of it is told at once.
#[derive(Default)]
struct Check {
    wrong: Vec<Wrong>,
}

impl Compiled {
    pub(crate) fn new(raw: &OperatorProfile) -> Result<Self, Vec<Wrong>> {
        let mut check = Check::default();
        let name = &raw.metadata.name;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || !name.chars().all(plain) {
            check.wrong("metadata.name", format!("{name:?}: use lower case letters, digits and dashes"));
        }
        let version = |check: &mut Check, field: &str, text: &str| match text.parse::<Version>() {
            Ok(version) => version,
            Err(error) => {
                check.wrong(field, error.to_string());
                Version::new(0, 0, 0)
            }
        };
        let versions = &raw.spec.versions;
        let default = version(&mut check, "spec.versions.default", &versions.default);
        let oldest = version(&mut check, "spec.versions.oldest", &versions.oldest);
        let newest = version(&mut check, "spec.versions.newest", &versions.newest);
        if oldest > newest || default < oldest || default > newest {
            let message = "the default version must lie between oldest and newest".to_owned();
            check.wrong("spec.versions.default", message);
        }
        for (i, setting) in raw.spec.settings.iter().enumerate() {
            if !setting.values.contains(&setting.default) {
                let message = format!("{:?} is none of the values: {}", setting.default, setting.values.join(", "));
                check.wrong(&format!("spec.settings[{i}].default"), message);
            }
            if setting.name == "platform" || setting.name.is_empty() || setting.name.contains(['=', ',', '@']) {
                let message = format!("{:?} cannot be the name of a setting", setting.name);
                check.wrong(&format!("spec.settings[{i}].name"), message);
            }
        }
        if raw.spec.resources.is_empty() {
            check.wrong("spec.resources", "name at least one resource".to_owned());
        }
        let resources = raw.spec.resources.iter().enumerate();
        let resources = resources.map(|(i, raw)| check.resource(&format!("spec.resources[{i}]"), raw)).collect();
        let resources = check.kept(resources);
        if check.wrong.is_empty() { Ok(Self { default, oldest, newest, resources }) } else { Err(check.wrong) }
    }
}

impl Check {
    fn wrong(&mut self, field: &str, message: String) {
        self.wrong.push(Wrong { field: field.to_owned(), message });
    }

    /// What could be compiled; the rest has been said.
    #[expect(clippy::unused_self, reason = "reads as the others")]
    fn kept<T>(&self, found: Vec<Option<T>>) -> Vec<T> {
        found.into_iter().flatten().collect()
    }

    fn cel<T>(&mut self, field: &str, compiled: Result<T, CelError>) -> Option<T> {
        compiled.map_err(|error| self.wrong(field, format!("{error}"))).ok()
    }

    fn expression(&mut self, field: &str, text: &str, known: &[&str]) -> Option<Expression> {
        self.cel(field, Expression::compile(text, known))
    }

    fn optional(&mut self, field: &str, text: Option<&String>, known: &[&str]) -> Option<Expression> {
        text.and_then(|text| self.expression(field, text, known))
    }

    fn variables<'r>(
        &mut self,
        at: &str,
        raw: &'r [super::Variable],
        known: &mut Vec<&'r str>,
    ) -> Vec<(String, Expression)> {
        let mut compiled = vec![];
        for (i, variable) in raw.iter().enumerate() {
            let at = format!("{at}.variables[{i}]");
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let name = variable.name.as_str();
            let starts = name.starts_with(|c: char| c.is_ascii_alphabetic());
            if !starts || !name.chars().all(plain) || known.contains(&name) {
                self.wrong(&format!("{at}.name"), format!("{name:?} is taken, or no name for a variable"));
                continue;
            }
            let expression = self.expression(&format!("{at}.expression"), &variable.expression, known);
            known.push(name);
            compiled.extend(expression.map(|expression| (variable.name.clone(), expression)));
        }
        compiled
    }

    fn resource(&mut self, at: &str, raw: &RawResource) -> Option<Resource> {
        if raw.kind.is_empty() || raw.group.contains('/') {
            self.wrong(at, "kind must not be empty, and group is without its version".to_owned());
        }
        let oldest = raw.version.as_ref().and_then(|version| version.oldest.as_ref());
        let oldest = oldest.and_then(|text| {
            text.parse().map_err(|error| self.wrong(&format!("{at}.version.oldest"), format!("{error}"))).ok()
        });
        let mut known = ALWAYS.to_vec();
        let variables = self.variables(at, &raw.variables, &mut known);
        let mut rules = vec![];
        for (i, rule) in raw.rules.iter().enumerate() {
            rules.push(self.expression(&format!("{at}.rules[{i}].expression"), &rule.expression, &known)?);
        }
        let mut notes = vec![];
        for (i, note) in raw.notes.iter().enumerate() {
            let at = format!("{at}.notes[{i}]");
            let when = self.expression(&format!("{at}.when"), &note.when, &known);
            let message = self.cel(&format!("{at}.message"), Template::compile(&note.message, &known));
            let both = when.zip(message);
            notes.extend(both.map(|(when, message)| Note { when, message, field: note.field.clone() }));
        }
        let mut workloads = vec![];
        for (i, workload) in raw.workloads.iter().enumerate() {
            workloads.push(self.workload(&format!("{at}.workloads[{i}]"), workload, &known));
        }
        let workloads = self.kept(workloads);
        Some(Resource { oldest, variables, rules, notes, workloads })
    }

    fn workload<'r>(&mut self, at: &str, raw: &'r WorkloadRule, known: &[&'r str]) -> Option<Workload> {
        let mut known = known.to_vec();
        let for_each = raw.for_each.as_ref().and_then(|text| self.reference(&format!("{at}.forEach"), text, false));
        if raw.for_each.is_some() {
            known.push("item");
        }
        let in_item = raw.for_each.is_some();
        let variables = self.variables(at, &raw.variables, &mut known);
        let when = self.optional(&format!("{at}.when"), raw.when.as_ref(), &known);
        let name = self.cel(&format!("{at}.name"), Template::compile(&raw.name, &known))?;
        let template = raw.template.as_ref();
        let template = template.and_then(|text| self.reference(&format!("{at}.template"), text, in_item));
        let claims = self.optional(&format!("{at}.claims"), raw.claims.as_ref(), &known);
        let mut steps = vec![];
        for (i, step) in raw.steps.iter().enumerate() {
            steps.push(self.step(&format!("{at}.steps[{i}]"), step, &known, in_item));
        }
        let steps = self.kept(steps);
        let for_each = for_each.map(|reference| reference.path);
        Some(Workload { kind: raw.kind, for_each, when, variables, name, template, claims, steps })
    }

    fn reference(&mut self, at: &str, text: &str, in_item: bool) -> Option<Reference> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let found = match text.split_once('.') {
            Some(("self", path)) => Some(Reference { of_item: false, path: path.to_owned() }),
            Some(("item", path)) if in_item => Some(Reference { of_item: true, path: path.to_owned() }),
            _ => None,
        };
        let found = found.filter(|reference| !reference.path.is_empty() && reference.path.chars().all(plain));
        if found.is_none() {
            let item = if in_item { ", or item. and a path from the item" } else { "" };
            self.wrong(at, format!("{text:?}: write self. and a path from the object's root{item}"));
        }
        found
    }

    fn step(&mut self, at: &str, raw: &RawStep, known: &[&str], in_item: bool) -> Option<Step> {
        let mut known = known.to_vec();
        known.push(POD);
        let each = self.optional(&format!("{at}.each"), raw.each.as_ref(), &known);
        if raw.each.is_some() {
            known.push("element");
        }
        let mut places = vec![];
        for text in raw.at.iter() {
            match PodPath::parse(text) {
                Ok(path) => places.push(path),
                Err(error) => self.wrong(&format!("{at}.at"), error.to_string()),
            }
        }
        let what = match (&raw.value, &raw.from) {
            (Some(value), None) => {
                if raw.why.as_deref().unwrap_or_default().is_empty() {
                    self.wrong(at, "say why the operator adds the value: why".to_owned());
                }
                self.literal(&format!("{at}.value"), value, &known, 0).map(What::Value)
            }
            (None, Some(from)) => self.reference(&format!("{at}.from"), from, in_item).map(What::From),
            _ => {
                self.wrong(at, "give either a value, or from".to_owned());
                None
            }
        };
        let when = self.optional(&format!("{at}.when"), raw.when.as_ref(), &known);
        let field = raw.field.as_ref();
        let field = field.and_then(|text| self.reference(&format!("{at}.field"), text, in_item));
        let why = raw.why.clone().unwrap_or_default();
        let value = raw.value.as_ref().map(Json::to_string);
        let texts = [raw.when.as_ref(), raw.each.as_ref(), value.as_ref()];
        let sees_pod = texts.into_iter().flatten().any(|text| text.contains(POD));
        Some(Step { at: places, what: what?, why, when, each, field, mode: raw.mode, sees_pod })
    }

    fn literal(&mut self, at: &str, raw: &Json, known: &[&str], depth: usize) -> Option<Literal> {
        if depth > 32 {
            self.wrong(at, "nested more than 32 levels deep".to_owned());
            return None;
        }
        Some(match raw {
            Json::String(text) if text.contains("${") => Literal::Text(self.cel(at, Template::compile(text, known))?),
            Json::Array(items) => {
                let items = items.iter().enumerate();
                let items = items.map(|(i, item)| self.literal(&format!("{at}[{i}]"), item, known, depth + 1));
                Literal::List(items.collect::<Option<_>>()?)
            }
            Json::Object(entries) => {
                let entry = |(key, value): (&String, &Json)| {
                    Some((key.clone(), self.literal(&crate::tree::field(at, key), value, known, depth + 1)?))
                };
                Literal::Map(entries.iter().map(entry).collect::<Option<_>>()?)
            }
            plain => Literal::Plain(plain.clone()),
        })
    }
}
