//! The pods of a namespace that a new enforce level would refuse, if they were made again.

use super::{LevelVersion, PodSecurity, Review, response::allowed};
use crate::{
    cluster::{Alike, Pods},
    quote::Quoted,
};
use k8s_openapi::api::core::v1::{Pod, PodSpec};
use serde::Serialize;
use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher as _, RandomState},
    ops::ControlFlow,
    rc::Rc,
};

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Check at most so many pods.
    pub pods: Option<usize>,
}

impl Limits {
    /// Check all.
    pub const NONE: Self = Self { pods: None };
    /// What the API server does, beside stopping after a second.
    pub const UPSTREAM: Self = Self { pods: Some(3000) };
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExistingPods {
    /// How many pods were checked.
    pub checked: usize,
    /// How many there are, without those of exempt runtime classes.
    pub total: usize,
    /// The pods that would be refused, by owner and reason.
    pub violating: Vec<Violating>,
}

/// Pods of one owner that would be refused for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Violating {
    /// What made them; `None` for pods that were made by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// What is wrong, in few words.
    pub reason: String,
    /// What is wrong with the first of them, with the details.
    pub detail: String,
    /// Their names, sorted.
    pub pods: Vec<String>,
}

/// The controller of a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// Such as `apps/v1`.
    pub api_version: String,
    /// Such as `ReplicaSet`.
    pub kind: String,
    /// The name.
    pub name: String,
    /// Tells it from others of that name.
    pub uid: String,
}

impl Owner {
    /// The controller among the owner references of a pod.
    pub fn of(pod: &Pod) -> Option<Self> {
        let controller = pod.metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))?;
        Some(Self {
            api_version: controller.api_version.clone(),
            kind: controller.kind.clone(),
            name: controller.name.clone(),
            uid: controller.uid.clone(),
        })
    }
}

impl PodSecurity {
    /// Checks the pods of a namespace against a level, and words the warnings as the API server does.
    pub(super) fn check_existing<C: Pods + ?Sized>(&self, cluster: &C, namespace: &str, by: LevelVersion) -> Review {
        let mut response = allowed();
        if let Ok(existing) = self.existing(cluster, namespace, by) {
            response.warnings = existing.warnings(namespace, by);
            return Review { response, existing: Some(existing) };
        }
        response.warnings.push("failed to list pods while checking new PodSecurity enforce level".to_owned());
        response.into()
    }

    /// Checks the pods of a namespace against a level.
    pub fn existing<C: Pods + ?Sized>(
        &self,
        cluster: &C,
        namespace: &str,
        by: LevelVersion,
    ) -> Result<ExistingPods, crate::cluster::LookupError> {
        match self.limits.pods {
            None => self.all_existing(cluster, namespace, by),
            Some(limit) => self.first_existing(cluster, namespace, by, limit),
        }
    }

    fn all_existing<C: Pods + ?Sized>(
        &self,
        cluster: &C,
        namespace: &str,
        by: LevelVersion,
    ) -> Result<ExistingPods, crate::cluster::LookupError> {
        let mut tally = Tally::default();
        cluster.alike(namespace, &mut |pod| {
            if let Some(verdict) = self.verdict(&mut tally, pod, by) {
                tally.count(pod.owner, pod.name, &verdict);
            }
            ControlFlow::Continue(())
        })?;
        Ok(tally.finish(None))
    }

    /// Pods of an owner seen before go to the back, and only the first so many are checked.
    fn first_existing<C: Pods + ?Sized>(
        &self,
        cluster: &C,
        namespace: &str,
        by: LevelVersion,
        limit: usize,
    ) -> Result<ExistingPods, crate::cluster::LookupError> {
        let (mut tally, mut total) = (Tally::default(), 0);
        let mut seen: HashSet<String> = HashSet::new();
        let mut later: Vec<(Option<Owner>, String, Rc<Judged>)> = Vec::new();
        cluster.alike(namespace, &mut |pod| {
            if self.is_left_alone(&mut tally, pod) {
                return ControlFlow::Continue(());
            }
            total += 1;
            let another = pod.owner.is_some_and(|owner| {
                let another = seen.contains(&owner.uid);
                if !another {
                    seen.insert(owner.uid.clone());
                }
                another
            });
            let room = if another { later.len() } else { tally.checked } < limit;
            if room && let Some(verdict) = self.verdict(&mut tally, pod, by) {
                if another {
                    later.push((pod.owner.cloned(), pod.name.to_owned(), verdict));
                } else {
                    tally.count(pod.owner, pod.name, &verdict);
                }
            }
            ControlFlow::Continue(())
        })?;
        let room = limit.saturating_sub(tally.checked);
        for (owner, name, verdict) in later.iter().take(room) {
            tally.count(owner.as_ref(), name, verdict);
        }
        Ok(tally.finish(Some(total)))
    }

    /// What is said of a pod; `None` if nothing is to be said because of its runtime class.
    fn verdict(&self, tally: &mut Tally, pod: Alike<'_>, by: LevelVersion) -> Option<Rc<Judged>> {
        if let Some(known) = pod.template.and_then(|template| tally.templates.get(&template)) {
            return Some(Rc::clone(known));
        }
        if self.is_left_alone(tally, pod) {
            return None;
        }
        let none = PodSpec::default();
        let verdict = self.judge(by, &pod.pod.metadata, pod.pod.spec.as_ref().unwrap_or(&none));
        let judged = Rc::new((!verdict.allowed()).then(|| (verdict.reason(), verdict.detail())));
        if let Some(template) = pod.template {
            tally.templates.insert(template, Rc::clone(&judged));
        }
        Some(judged)
    }

    /// Whether nothing is to be said because of the pod's runtime class. Each kind of pod is looked at once.
    fn is_left_alone(&self, tally: &mut Tally, pod: Alike<'_>) -> bool {
        let find = || pod.pod.spec.as_ref().is_some_and(|spec| self.exemptions.has_runtime_class(spec));
        match pod.template {
            Some(template) => *tally.left_alone.entry(template).or_insert_with(find),
            None => find(),
        }
    }
}

/// The reason and the detail of a refusal.
type Judged = Option<(String, String)>;

#[derive(Default)]
struct Tally {
    checked: usize,
    groups: Vec<Group>,
    /// Where the groups are, by a hash of owner and reason.
    places: HashMap<u64, Vec<usize>>,
    hasher: RandomState,
    /// The group of the last pod that was refused: the pods of an owner follow each other, because their names do.
    last: usize,
    /// What was said of pods that are alike.
    templates: HashMap<usize, Rc<Judged>>,
    /// Which of them are of a runtime class that is left alone.
    left_alone: HashMap<usize, bool>,
}

/// Pods of one owner with one reason.
struct Group {
    owner: Option<Owner>,
    reason: String,
    detail: String,
    pods: Vec<String>,
}

impl Group {
    fn is_of(&self, owner: Option<&Owner>, reason: &str) -> bool {
        self.owner.as_ref() == owner && self.reason == reason
    }
}

impl Tally {
    fn count(&mut self, owner: Option<&Owner>, name: &str, judged: &Judged) {
        self.checked += 1;
        let Some((reason, detail)) = judged else { return };
        let at = self.group(owner, reason, detail);
        if let Some(group) = self.groups.get_mut(at) {
            group.pods.push(name.to_owned());
        }
        self.last = at;
    }

    /// Where the group is. Nothing is copied for pods of a group that is there.
    fn group(&mut self, owner: Option<&Owner>, reason: &str, detail: &str) -> usize {
        if self.groups.get(self.last).is_some_and(|last| last.is_of(owner, reason)) {
            return self.last;
        }
        let hash = self.hasher.hash_one((owner, reason));
        let known = self.places.get(&hash).into_iter().flatten();
        let mut same = known.filter(|at| self.groups.get(**at).is_some_and(|group| group.is_of(owner, reason)));
        if let Some(at) = same.next() {
            return *at;
        }
        let at = self.groups.len();
        let (reason, detail) = (reason.to_owned(), detail.to_owned());
        self.groups.push(Group { owner: owner.cloned(), reason, detail, pods: Vec::new() });
        self.places.entry(hash).or_default().push(at);
        at
    }

    fn finish(mut self, total: Option<usize>) -> ExistingPods {
        self.groups.sort_by(|a, b| (&a.owner, &a.reason).cmp(&(&b.owner, &b.reason)));
        let violating = self.groups.into_iter().map(|Group { owner, reason, detail, mut pods }| {
            pods.sort_unstable();
            Violating { owner, reason, detail, pods }
        });
        ExistingPods { checked: self.checked, total: total.unwrap_or(self.checked), violating: violating.collect() }
    }
}

impl ExistingPods {
    /// The warnings of the API server: a line for each reason, with the first pod's name and how many more there are.
    pub fn warnings(&self, namespace: &str, by: LevelVersion) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.checked < self.total {
            let (checked, total) = (self.checked, self.total);
            warnings.push(format!(
                "new PodSecurity enforce level only checked against the first {checked} of {total} existing pods"
            ));
        }
        if self.violating.is_empty() {
            return warnings;
        }
        let (namespace, level) = (Quoted(namespace), by.to_string());
        let level = Quoted(&level);
        warnings
            .push(format!("existing pods in namespace {namespace} violate the new PodSecurity enforce level {level}"));
        let mut by_reason: HashMap<&str, (&str, usize)> = HashMap::new();
        for group in &self.violating {
            // There is no group without pods.
            let first = group.pods.first().map_or("", String::as_str);
            let (name, count) = by_reason.entry(&group.reason).or_insert((first, 0));
            *name = first.min(*name);
            *count += group.pods.len();
        }
        let mut lines: Vec<_> = by_reason
            .into_iter()
            .map(|(reason, (name, count))| match count {
                1 => format!("{name}: {reason}"),
                2 => format!("{name} (and 1 other pod): {reason}"),
                _ => format!("{name} (and {} other pods): {reason}", count - 1),
            })
            .collect();
        lines.sort_unstable();
        warnings.append(&mut lines);
        warnings
    }
}
