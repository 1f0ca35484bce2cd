//! What was found.

use super::Item;
use crate::{
    cluster::Kind,
    pod_security::{Mode, Owner},
};
use serde::Serialize;
use std::collections::{BTreeMap, btree_map::Entry};

/// How many names of a group are kept.
const EXAMPLES: usize = 5;
/// How many groups of a namespace are kept.
const GROUPS: usize = 1000;

/// The outcome of a simulation, namespace by namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// By name.
    pub namespaces: BTreeMap<String, NamespaceReport>,
}

/// What becomes of a namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceReport {
    /// Pods that run, by mode.
    pub pods: BTreeMap<Mode, Counts>,
    /// Templates, by mode.
    pub templates: BTreeMap<Mode, Counts>,
    /// What would be refused that is not now, by owner and reason.
    #[serde(serialize_with = "values")]
    pub broken: BTreeMap<(Option<Owner>, String), Broken>,
    /// How many more pods and templates would be refused whose groups were too many to keep.
    pub broken_besides: usize,
}

fn values<S: serde::Serializer, K, V: Serialize>(map: &BTreeMap<K, V>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(map.values())
}

/// How many fare how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Let through, before and after.
    pub fine: usize,
    /// Let through now, and no more.
    pub broken: usize,
    /// Objected to now, and no more.
    pub mended: usize,
    /// Objected to, before and after.
    pub refused: usize,
}

/// What the change does to a pod or template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It is let through, before and after.
    Fine,
    /// It is let through now, and no more.
    Broken,
    /// It is objected to now, and no more.
    Mended,
    /// It is objected to, before and after.
    Refused,
}

impl Effect {
    pub(super) fn of(refused_before: bool, refused_after: bool) -> Self {
        match (refused_before, refused_after) {
            (false, false) => Self::Fine,
            (false, true) => Self::Broken,
            (true, false) => Self::Mended,
            (true, true) => Self::Refused,
        }
    }
}

/// Pods of one owner that would be refused for the same reason, or a workload whose pods would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Broken {
    /// The controller of the pods, or the workload; `None` for pods made by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// What is wrong, in few words.
    pub reason: String,
    /// What is wrong with the first of them, with the details.
    pub detail: String,
    /// How many there are.
    pub count: usize,
    /// The names of a few of them.
    pub examples: Vec<String>,
}

impl Report {
    /// Adds what another thread found.
    pub fn merge(&mut self, other: Self) {
        for (namespace, report) in other.namespaces {
            let own = self.of(&namespace);
            for (mine, theirs) in [(&mut own.pods, report.pods), (&mut own.templates, report.templates)] {
                for (mode, counts) in theirs {
                    mine.entry(mode).or_default().add(counts);
                }
            }
            own.broken_besides += report.broken_besides;
            for (key, group) in report.broken {
                own.add(key, group);
            }
        }
    }

    /// How many pods and templates would be refused that are not now.
    pub fn broken(&self) -> usize {
        let all = self.namespaces.values().flat_map(|report| [&report.pods, &report.templates]);
        all.filter_map(|counts| counts.get(&Mode::Enforce)).map(|counts| counts.broken).sum()
    }

    pub(super) fn of(&mut self, namespace: &str) -> &mut NamespaceReport {
        self.namespaces.entry(namespace.to_owned()).or_default()
    }
}

impl NamespaceReport {
    pub(super) fn count(&mut self, kind: Kind, mode: Mode, effect: Effect) {
        let counts = if kind == Kind::Pod { &mut self.pods } else { &mut self.templates };
        let counts = counts.entry(mode).or_default();
        *match effect {
            Effect::Fine => &mut counts.fine,
            Effect::Broken => &mut counts.broken,
            Effect::Mended => &mut counts.mended,
            Effect::Refused => &mut counts.refused,
        } += 1;
    }

    pub(super) fn break_one(&mut self, item: Item<'_>, owner: Option<Owner>, reason: String, detail: String) {
        let examples = item.object.name.clone().into_iter().collect();
        let group = Broken { owner: owner.clone(), reason: reason.clone(), detail, count: 1, examples };
        self.add((owner, reason), group);
    }

    /// Threads find things in no order, and the report is the same all the same: the first groups are kept, and of each
    /// the first names.
    fn add(&mut self, key: (Option<Owner>, String), group: Broken) {
        let full = self.broken.len() >= GROUPS;
        if full && self.broken.last_key_value().is_some_and(|(last, _)| key > *last) {
            self.broken_besides += group.count;
            return;
        }
        match self.broken.entry(key) {
            Entry::Occupied(mut known) => known.get_mut().merge(group),
            Entry::Vacant(place) => {
                place.insert(group);
                if let Some((_, last)) = full.then(|| self.broken.pop_last()).flatten() {
                    self.broken_besides += last.count;
                }
            }
        }
    }
}

impl Broken {
    fn merge(&mut self, other: Self) {
        self.count += other.count;
        if self.examples.len() == EXAMPLES && other.examples.first() >= self.examples.last() {
            return;
        }
        // The details are those of the first.
        if other.examples.first() < self.examples.first() {
            self.detail = other.detail;
        }
        self.examples.extend(other.examples);
        self.examples.sort_unstable();
        self.examples.truncate(EXAMPLES);
    }
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.fine += other.fine;
        self.broken += other.broken;
        self.mended += other.mended;
        self.refused += other.refused;
    }
}
