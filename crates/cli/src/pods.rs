//! The workloads of the inputs, one after the other, for the commands that look at their containers.

use std::collections::{BTreeMap, BTreeSet};

use ringfence_manifest::{Document, Node, Source, Workload, WorkloadKind};
use ringfence_operators::{Derived, Note, Operators};

use serde::Serialize;

use crate::exit::Exit;
use crate::input::Inputs;
use crate::view::{self, Declared};

/// One workload, or what stands where one should be.
pub(crate) enum Item<'a> {
    /// A workload, with all that its document holds.
    Workload(&'a Workload),
    /// A document or workload that could not be read, and why.
    Broken {
        /// `Pod shop/web`, or the document's number.
        title: String,
        line: u32,
        column: u32,
        message: String,
    },
}

/// Where an item is from.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) source: &'a str,
    pub(crate) document: &'a Document<'a>,
    /// Every document of the same source: volumes may take their content from its ConfigMaps and Secrets.
    pub(crate) documents: &'a [Document<'a>],
    /// What there is to know of the custom resource, with the first of its workloads.
    pub(crate) notes: &'a [Note],
}

/// How many there were.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) exit: Option<Exit>,
    /// Workloads, those included that could not be read.
    pub(crate) workloads: usize,
    /// Other objects, by kind.
    pub(crate) passed_over: BTreeMap<String, usize>,
    /// What is said of custom resources that become no pods.
    pub(crate) notes: Vec<String>,
}

/// Calls `each` for every workload of the inputs, those included that the built-in operators make of custom resources.
pub(crate) fn for_each(
    inputs: &Inputs,
    each: impl FnMut(Place<'_>, Item<'_>) -> std::io::Result<()>,
) -> std::io::Result<Seen> {
    for_each_with(inputs, &Operators::default(), each)
}

/// Calls `each` for every workload of the inputs, those included that operators make of custom resources. What cannot be
/// read at all is complained of, and the rest goes on.
pub(crate) fn for_each_with(
    inputs: &Inputs,
    operators: &Operators,
    mut each: impl FnMut(Place<'_>, Item<'_>) -> std::io::Result<()>,
) -> std::io::Result<Seen> {
    let (entries, errors) = inputs.entries();
    let mut seen = Seen::default();
    for error in &errors {
        super::commands::complain(&super::commands::chain(error));
        seen.exit = Some(Exit::Failure);
    }
    for entry in entries {
        let bytes = match entry.read() {
            Ok(bytes) => bytes,
            Err(error) => {
                super::commands::complain(&super::commands::chain(&error));
                seen.exit = Some(Exit::Failure);
                continue;
            }
        };
        for_each_in(&entry.name(), &bytes, operators, &mut seen, &mut each)?;
    }
    Ok(seen)
}

/// As [`for_each_with`], of one text, which is called `source`.
pub(crate) fn for_each_in(
    source: &str,
    bytes: &[u8],
    operators: &Operators,
    seen: &mut Seen,
    each: &mut impl FnMut(Place<'_>, Item<'_>) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let documents = ringfence_manifest::read(bytes);
    for document in &documents {
        let place = Place { source, document, documents: &documents, notes: &[] };
        if let Some(error) = document.error() {
            let title = format!("document {}", document.index() + 1);
            let (line, column) = (error.location.line, error.location.column);
            each(place, Item::Broken { title, line, column, message: error.message.clone() })?;
            continue;
        }
        for item in operators.items(document) {
            match item {
                ringfence_operators::Item::Workload(Ok(workload)) => {
                    seen.workloads += 1;
                    each(place, Item::Workload(&workload))?;
                }
                ringfence_operators::Item::Workload(Err(unreadable)) => {
                    seen.workloads += 1;
                    let problem = unreadable.problem;
                    let title = format!("{} {}", unreadable.kind.as_str(), unreadable.name);
                    let (line, column) = (problem.location.line, problem.location.column);
                    let message = format!("{}: {}", problem.field, problem.message);
                    each(place, Item::Broken { title, line, column, message })?;
                }
                ringfence_operators::Item::Derived(derived) => of_resource(place, &derived, seen, each)?,
                ringfence_operators::Item::Other { kind, .. } => *seen.passed_over.entry(kind).or_default() += 1,
            }
        }
    }
    Ok(())
}

/// The workloads of a custom resource, or why it has none.
fn of_resource(
    place: Place<'_>,
    derived: &Derived,
    seen: &mut Seen,
    each: &mut impl FnMut(Place<'_>, Item<'_>) -> std::io::Result<()>,
) -> std::io::Result<()> {
    for (i, workload) in derived.workloads.iter().enumerate() {
        seen.workloads += 1;
        let notes: &[Note] = if i == 0 { &derived.notes } else { &[] };
        each(Place { notes, ..place }, Item::Workload(workload))?;
    }
    if !derived.workloads.is_empty() {
        return Ok(());
    }
    let title = format!("{} {}", derived.kind, derived.name);
    for problem in &derived.problems {
        seen.workloads += 1;
        let (line, column) = (problem.location.line, problem.location.column);
        let hint = problem.hint.as_ref().map_or_else(String::new, |hint| format!("; {hint}"));
        let message = format!("{}: {}{hint}", problem.field, problem.message);
        each(place, Item::Broken { title: title.clone(), line, column, message })?;
    }
    if derived.problems.is_empty() {
        *seen.passed_over.entry(derived.kind.clone()).or_default() += 1;
        let notes = derived.notes.iter().map(|note| format!("{title}: {}", note.message));
        seen.notes.extend(notes);
    }
    Ok(())
}

impl Seen {
    /// Says what there was besides workloads, and whether there were none.
    pub(crate) fn tell(&self) {
        if self.workloads == 0 && self.exit.is_none() {
            anstream::eprintln!("no pod or workload was found");
        }
        if !self.passed_over.is_empty() {
            let kind =
                |kind: &str| if kind.is_empty() { "without a kind".to_owned() } else { view::clean(kind).into_owned() };
            let kinds: Vec<_> =
                self.passed_over.iter().map(|(name, count)| format!("{count} {}", kind(name))).collect();
            anstream::eprintln!("passed over: {}", kinds.join(", "));
        }
        for note in &self.notes {
            anstream::eprintln!("{}", view::clean(note));
        }
    }
}

/// `Deployment shop/web`, and `StatefulSet shop/logs-es-hot of Elasticsearch logs`.
pub(crate) fn title(workload: &Workload) -> String {
    let (kind, namespace, name) = (workload.kind.as_str(), workload.namespace(), workload.name());
    let own = match (namespace, name) {
        (_, "") => kind.to_owned(),
        ("", name) => format!("{kind} {name}"),
        (namespace, name) => format!("{kind} {namespace}/{name}"),
    };
    match &workload.derived {
        Some(derived) => format!("{own} of {} {}", derived.kind, derived.name),
        None => own,
    }
}

/// A path of the object that a workload is, as a path of its document.
pub(crate) fn object_path(workload: &Workload, field: &str) -> String {
    if workload.object_path.is_empty() { field.to_owned() } else { format!("{}.{field}", workload.object_path) }
}

/// Where the values of a derived workload come from, for programs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Origins {
    api_version: String,
    kind: String,
    name: String,
    operator: String,
    /// By the path of the pod.
    sources: BTreeMap<String, Origin>,
}

/// Where a value comes from.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Origin {
    /// The operator's reason, where it adds the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    added: Option<String>,
    /// The field of the custom resource that holds or decides it.
    field: String,
    line: u32,
    column: u32,
}

impl Origins {
    pub(crate) fn of(place: Place<'_>, workload: &Workload) -> Option<Self> {
        let derived = workload.derived.as_ref()?;
        let origin = |(path, source): (&String, &Source)| {
            let added = match source {
                Source::Written(_) => None,
                Source::Added { why, .. } => Some(why.clone()),
            };
            let field = workload.path(path);
            let (line, column) = place.document.location_of(&field).map_or((0, 0), |at| (at.line, at.column));
            (path.clone(), Origin { added, field, line, column })
        };
        Some(Self {
            api_version: derived.api_version.clone(),
            kind: derived.kind.clone(),
            name: derived.name.clone(),
            operator: derived.operator.clone(),
            sources: derived.sources.iter().map(origin).collect(),
        })
    }
}

/// What a workload's document says at a field of its pod.
pub(crate) struct Written<'a> {
    pub(crate) place: Place<'a>,
    pub(crate) workload: &'a Workload,
}

/// Longer values are cut: a table has little room.
const LONGEST_VALUE: usize = 48;

impl Declared for Written<'_> {
    fn declared(&self, field: &str) -> Option<(String, String)> {
        let document = self.place.document;
        if let Some(derived) = &self.workload.derived {
            match derived.source(field)? {
                Source::Written(_) => {}
                Source::Added { why, .. } => return Some((self.added(field), why.clone())),
            }
        }
        let found = document.locate(&self.workload.path(field)).filter(|found| found.exact)?;
        let node = document.root()?.find(&found.path)?;
        let mut value = node.as_str().map_or_else(|| node.to_json(), str::to_owned);
        if value.chars().count() > LONGEST_VALUE {
            value = value.chars().take(LONGEST_VALUE - 1).chain(['…']).collect();
        }
        // The field's name says what is declared; an item of a list has none.
        let name = field.rsplit('.').next().filter(|name| !name.contains(']'));
        let value = name.map_or_else(|| value.clone(), |name| format!("{name}: {value}"));
        let line = document.location(found.key.unwrap_or(found.value).start).line;
        let file = self.place.source.rsplit('/').next().unwrap_or(self.place.source);
        Some((value, format!("{file}:{line}")))
    }
}

impl Written<'_> {
    /// A value that an operator adds, as it would be written.
    fn added(&self, field: &str) -> String {
        let pod = serde_json::json!({"metadata": self.workload.metadata, "spec": self.workload.spec});
        let pointer = format!("/{}", field.replace(['.', '['], "/").replace(']', ""));
        let value = pod
            .pointer(&pointer)
            .map_or_else(String::new, |value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        let name = field.rsplit('.').next().filter(|name| !name.contains(']'));
        name.map_or_else(|| value.clone(), |name| format!("{name}: {value}"))
    }
}

/// The claims that a StatefulSet makes for its pods' volumes; no other kind has any.
pub(crate) fn claim_templates(document: &Document<'_>, workload: &Workload) -> BTreeSet<String> {
    if let Some(derived) = &workload.derived {
        return derived.claims.clone();
    }
    let path = match workload.object_path.as_str() {
        "" => "spec.volumeClaimTemplates".to_owned(),
        object => format!("{object}.spec.volumeClaimTemplates"),
    };
    let templates = document.root().and_then(|root| root.find(&path));
    let stateful = templates.filter(|_| workload.kind == WorkloadKind::StatefulSet);
    let names = stateful.into_iter().flat_map(Node::items).filter_map(|claim| claim.find("metadata.name")?.as_str());
    names.map(str::to_owned).collect()
}
