//! The workloads of the inputs, one after the other, for the commands that look at their containers.

use std::collections::{BTreeMap, BTreeSet};

use ringfence_manifest::{Document, Node, Workload, WorkloadKind};

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
}

/// How many there were.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) exit: Option<Exit>,
    /// Workloads, those included that could not be read.
    pub(crate) workloads: usize,
    /// Other objects, by kind.
    pub(crate) passed_over: BTreeMap<String, usize>,
}

/// Calls `each` for every workload of the inputs. What cannot be read at all is complained of, and the rest goes on.
pub(crate) fn for_each(
    inputs: &Inputs,
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
        let source = entry.name();
        let documents = ringfence_manifest::read(&bytes);
        for document in &documents {
            let place = Place { source: &source, document, documents: &documents };
            if let Some(error) = document.error() {
                let title = format!("document {}", document.index() + 1);
                let (line, column) = (error.location.line, error.location.column);
                each(place, Item::Broken { title, line, column, message: error.message.clone() })?;
                continue;
            }
            let contents = document.contents();
            for ((_, kind), count) in contents.passed_over {
                *seen.passed_over.entry(kind).or_default() += count;
            }
            seen.workloads += contents.workloads.len();
            for workload in contents.workloads {
                match workload {
                    Ok(workload) => each(place, Item::Workload(&workload))?,
                    Err(unreadable) => {
                        let problem = unreadable.problem;
                        let title = format!("{} {}", unreadable.kind.as_str(), unreadable.name);
                        let (line, column) = (problem.location.line, problem.location.column);
                        let message = format!("{}: {}", problem.field, problem.message);
                        each(place, Item::Broken { title, line, column, message })?;
                    }
                }
            }
        }
    }
    Ok(seen)
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
    }
}

/// `Deployment shop/web`.
pub(crate) fn title(workload: &Workload) -> String {
    let (kind, namespace, name) = (workload.kind.as_str(), workload.namespace(), workload.name());
    match (namespace, name) {
        (_, "") => kind.to_owned(),
        ("", name) => format!("{kind} {name}"),
        (namespace, name) => format!("{kind} {namespace}/{name}"),
    }
}

/// A path of the object that a workload is, as a path of its document.
pub(crate) fn object_path(workload: &Workload, field: &str) -> String {
    if workload.object_path.is_empty() { field.to_owned() } else { format!("{}.{field}", workload.object_path) }
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

/// The claims that a StatefulSet makes for its pods' volumes; no other kind has any.
pub(crate) fn claim_templates(document: &Document<'_>, workload: &Workload) -> BTreeSet<String> {
    let path = match workload.object_path.as_str() {
        "" => "spec.volumeClaimTemplates".to_owned(),
        object => format!("{object}.spec.volumeClaimTemplates"),
    };
    let templates = document.root().and_then(|root| root.find(&path));
    let stateful = templates.filter(|_| workload.kind == WorkloadKind::StatefulSet);
    let names = stateful.into_iter().flat_map(Node::items).filter_map(|claim| claim.find("metadata.name")?.as_str());
    names.map(str::to_owned).collect()
}
