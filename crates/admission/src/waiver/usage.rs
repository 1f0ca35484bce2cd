//! What waivers do now: which of what runs needs them, and why nothing needs the rest.

use super::cover::Waiving;
use super::object::Waiver;
use super::set::State;
use super::subject::Maker;
use crate::cluster::Snapshot;
use crate::pod_security::PodSecurity;
use k8s_openapi::api::core::v1::{Pod, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use ringfence_pss::{Finding, Level};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A waiver and what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Namespace and name.
    pub title: String,
    /// The waiver, unless it cannot be read.
    pub waiver: Option<Arc<Waiver>>,
    /// What it is worth.
    pub state: State,
    /// Namespaces and workloads with pods that would be refused without it, in order. If it does not count any more, those
    /// whose pods are refused now that it does not.
    pub needed_by: BTreeMap<(String, Maker), Need>,
    /// How far it comes: the reason if nothing needs it.
    pub reach: Reach,
}

/// What a workload needs a waiver for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Need {
    /// The IDs of controls.
    pub controls: BTreeSet<&'static str>,
    /// How many pods it has that need it.
    pub pods: usize,
}

/// How far a waiver comes on its way from namespaces to findings.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// It cannot be read.
    #[default]
    Nothing,
    /// None of its namespaces exists.
    NoNamespace,
    /// Its namespaces enforce nothing, or are exempt.
    NoLevel,
    /// In its namespaces there is no pod of its workload.
    NoPod,
    /// The pods of its workload do not violate its controls in what it covers.
    NoViolation,
    /// Another waiver, which this names, covers the same and lasts longer.
    Outlasted(String),
    /// Something needs it.
    Needed,
}

impl Usage {
    /// The controls that it names and that nothing needs.
    pub fn needless_controls(&self) -> Vec<&'static str> {
        let named = self.waiver.as_ref().map_or(&[][..], |waiver| &waiver.controls);
        let needed = |id: &&&'static str| self.needed_by.values().any(|need| need.controls.contains(**id));
        named.iter().filter(|id| !needed(id)).copied().collect()
    }

    /// How many pods need it.
    pub fn pods(&self) -> usize {
        self.needed_by.values().map(|need| need.pods).sum()
    }

    fn reaches(&mut self, reach: Reach) {
        if self.reach < reach {
            self.reach = reach;
        }
    }
}

/// Holds every waiver against the pods that are there, and what their namespaces enforce now. By name; those that can never
/// count last. Pods that have ended count too: what made them may make them again.
pub fn usages(cluster: &Snapshot, pod_security: &PodSecurity, waiving: &Waiving) -> Vec<Usage> {
    let waivers = &waiving.waivers;
    let mut all: Vec<Usage> = waivers
        .iter()
        .map(|waiver| Usage {
            title: waiver.title(),
            waiver: Some(Arc::clone(waiver)),
            state: waivers.state(waiver, waiving.now),
            needed_by: BTreeMap::new(),
            reach: Reach::NoNamespace,
        })
        .collect();
    let places: HashMap<*const Waiver, usize> =
        waivers.iter().enumerate().map(|(i, waiver)| (Arc::as_ptr(waiver), i)).collect();
    let mut enforced = HashMap::new();
    for namespace in cluster.namespaces() {
        let name = namespace.metadata.name.as_deref().unwrap_or_default();
        let by = pod_security.policy_of(namespace).0.enforce;
        let is_free = by.level == Level::Privileged || pod_security.exempts_namespace(name);
        for waiver in waivers.about(name) {
            if let Some(usage) = places.get(&Arc::as_ptr(waiver)).and_then(|i| all.get_mut(*i)) {
                usage.reaches(if is_free { Reach::NoLevel } else { Reach::NoPod });
            }
        }
        if !is_free {
            enforced.insert(name, by);
        }
    }
    let none = PodSpec::default();
    let mut by_namespace: HashMap<&str, ByMaker<'_>> = HashMap::new();
    for pod in cluster.all_pods() {
        let namespace = namespace_of(pod);
        let (about, spec) = (waivers.about(namespace), pod.spec.as_ref().unwrap_or(&none));
        let Some(by) = enforced.get(namespace).filter(|_| !about.is_empty()) else { continue };
        if pod_security.exempts_runtime_class(spec) {
            continue;
        }
        let verdict = pod_security.judge(*by, &pod.metadata, spec);
        let by_maker = by_namespace.entry(namespace).or_insert_with(|| ByMaker::new(about));
        let matching: Vec<(usize, &Arc<Waiver>)> = by_maker
            .of(&pod.metadata)
            .into_iter()
            .filter_map(|place| about.get(place))
            .filter(|waiver| waiver.is_about(&pod.metadata))
            .filter_map(|waiver| Some((*places.get(&Arc::as_ptr(waiver))?, waiver)))
            .collect();
        let mut controls: BTreeMap<usize, BTreeSet<&'static str>> = BTreeMap::new();
        for (i, _) in &matching {
            if let Some(usage) = all.get_mut(*i) {
                usage.reaches(Reach::NoViolation);
            }
        }
        for finding in verdict.findings() {
            attribute(&mut all, &matching, finding, &mut controls);
        }
        for (i, controls) in controls {
            let Some(usage) = all.get_mut(i) else { continue };
            usage.reaches(Reach::Needed);
            let need = usage.needed_by.entry((namespace.to_owned(), Maker::of(&pod.metadata))).or_default();
            need.controls.extend(controls);
            need.pods += 1;
        }
    }
    all.extend(waivers.problems().iter().map(|(title, error)| Usage {
        title: title.clone(),
        waiver: None,
        state: State::Invalid(error.clone()),
        needed_by: BTreeMap::new(),
        reach: Reach::Nothing,
    }));
    all
}

/// The waivers about a namespace, so that not each of them is held against each pod. They keep the order in which they are
/// taken.
struct ByMaker<'w> {
    named: HashMap<(&'w str, &'w str), Vec<usize>>,
    /// Those that name no workload.
    rest: Vec<usize>,
}

impl<'w> ByMaker<'w> {
    fn new(about: &'w [Arc<Waiver>]) -> Self {
        let mut all = Self { named: HashMap::new(), rest: Vec::new() };
        for (place, waiver) in about.iter().enumerate() {
            match &waiver.workload.maker {
                Some((kind, name)) => all.named.entry((kind, name)).or_default().push(place),
                None => all.rest.push(place),
            }
        }
        all
    }

    /// The places of those that may be about the pod.
    fn of(&self, pod: &ObjectMeta) -> Vec<usize> {
        let mut places = self.rest.clone();
        for maker in [Maker::direct(pod), Maker::of(pod)] {
            places.extend(self.named.get(&(maker.kind.as_str(), maker.name.as_str())).into_iter().flatten());
        }
        places.sort_unstable();
        places.dedup();
        places
    }
}

/// Of the waivers that are about a pod, who is needed for a finding: the first that counts. If none does, all that would
/// cover it are lacking.
fn attribute(
    all: &mut [Usage],
    matching: &[(usize, &Arc<Waiver>)],
    finding: &Finding<'_>,
    controls: &mut BTreeMap<usize, BTreeSet<&'static str>>,
) {
    let covering = || matching.iter().filter(|(_, waiver)| waiver.covers(finding)).map(|(i, _)| *i);
    let counts = |i: &usize| all.get(*i).is_some_and(|usage| usage.state == State::Valid);
    let first = covering().find(counts);
    for i in covering().filter(|i| first.is_none_or(|first| first == *i)) {
        controls.entry(i).or_default().insert(finding.control().id);
    }
    let Some(title) = first.and_then(|first| all.get(first)).map(|usage| usage.title.clone()) else { return };
    for i in covering().filter(|i| first != Some(*i)) {
        if let Some(usage) = all.get_mut(i) {
            usage.reaches(Reach::Outlasted(title.clone()));
        }
    }
}

fn namespace_of(pod: &Pod) -> &str {
    pod.metadata.namespace.as_deref().unwrap_or("default")
}

#[cfg(test)]
mod tests {
    use super::super::{Terms, Waivers};
    use super::*;
    use k8s_openapi::jiff::{SignedDuration, Timestamp};
    use serde_json::{Value, json};

    const LATER: &str = "2026-05-20T00:00:00Z";

    fn waiver(name: &str, change: &Value) -> Value {
        let mut spec = json!({"namespaces": ["shop"], "workload": {"kind": "Pod", "name": "web"}, "podFields": true,
            "controls": ["hostNamespaces"], "expires": LATER, "owner": "o", "reason": "r"});
        for (key, value) in change.as_object().unwrap() {
            spec[key] = value.clone();
        }
        json!({"apiVersion": "ringfence.dev/v1alpha1", "kind": "Waiver",
            "metadata": {"name": name, "namespace": "waivers"}, "spec": spec})
    }

    fn pod(name: &str, namespace: &str, spec: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": spec})
    }

    fn used(waivers: &[Value]) -> Vec<Usage> {
        let now: Timestamp = "2026-05-01T00:00:00Z".parse().unwrap();
        let bad = json!({"hostPID": true, "containers": [{"name": "c"}]});
        let objects = [
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop",
                "labels": {"pod-security.kubernetes.io/enforce": "baseline"}}}),
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "free"}}),
            pod("web", "shop", &bad),
            pod("good", "shop", &json!({"containers": [{"name": "c"}]})),
            pod("web", "free", &bad),
        ];
        let terms = Terms { namespace: "waivers".to_owned(), longest: SignedDuration::from_hours(24 * 90) };
        let waiving = Waiving { waivers: Arc::new(Waivers::new(&terms, waivers)), now };
        usages(&Snapshot::of("test", objects.to_vec()), &PodSecurity::default(), &waiving)
    }

    #[test]
    fn a_waiver_tells_what_needs_it_and_what_it_could_do_without() {
        let all = used(&[waiver("a", &json!({"controls": ["hostNamespaces", "hostPathVolumes"]}))]);
        assert_eq!((&all[0].reach, all[0].pods()), (&Reach::Needed, 1));
        assert_eq!(all[0].needless_controls(), ["hostPathVolumes"]);
        let ((namespace, maker), need) = all[0].needed_by.first_key_value().unwrap();
        assert_eq!((namespace.as_str(), maker.name.as_str(), need.pods), ("shop", "web", 1));
        assert!(need.controls.contains("hostNamespaces"));
    }

    #[test]
    fn what_nothing_needs_says_how_far_it_comes() {
        for (change, reach) in [
            (json!({"namespaces": ["gone"]}), Reach::NoNamespace),
            (json!({"namespaces": ["free", "gone"]}), Reach::NoLevel),
            (json!({"workload": {"kind": "Pod", "name": "other"}}), Reach::NoPod),
            (json!({"workload": {"kind": "Pod", "name": "good"}}), Reach::NoViolation),
            (json!({"podFields": false, "containers": ["*"]}), Reach::NoViolation),
            (json!({"controls": ["privileged"]}), Reach::NoViolation),
            (json!({"controls": ["nonsense"]}), Reach::Nothing),
        ] {
            let all = used(&[waiver("a", &change)]);
            assert_eq!((&all[0].reach, all[0].pods()), (&reach, 0), "{change}");
        }
    }

    #[test]
    fn of_two_that_cover_the_same_the_one_that_lasts_longer_is_needed() {
        let all = used(&[waiver("a", &json!({})), waiver("b", &json!({"expires": "2026-05-21T00:00:00Z"}))]);
        assert_eq!(all[0].reach, Reach::Outlasted("waivers/b".to_owned()));
        assert_eq!((&all[1].reach, all[1].pods()), (&Reach::Needed, 1));
    }

    #[test]
    fn what_has_expired_is_lacking_unless_another_counts() {
        let expired = waiver("a", &json!({"expires": "2026-04-20T00:00:00Z"}));
        let all = used(std::slice::from_ref(&expired));
        assert_eq!((&all[0].state, &all[0].reach, all[0].pods()), (&State::Expired, &Reach::Needed, 1));
        let all = used(&[expired, waiver("b", &json!({}))]);
        assert_eq!((all[0].pods(), &all[0].reach), (0, &Reach::Outlasted("waivers/b".to_owned())));
        assert_eq!(all[1].pods(), 1);
    }
}
