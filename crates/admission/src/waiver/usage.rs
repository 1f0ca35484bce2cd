//! What waivers do now: which of what runs they cover, and which of them cover nothing.

use super::cover::Waiving;
use super::object::Waiver;
use super::set::State;
use super::subject::Maker;
use crate::cluster::Snapshot;
use crate::pod_security::PodSecurity;
use k8s_openapi::api::core::v1::{Pod, PodSpec};
use ringfence_pss::Level;
use std::collections::{BTreeMap, BTreeSet};
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
    /// Namespaces and workloads with pods that would be refused without it, in order.
    pub covers: BTreeMap<(String, Maker), Covered>,
}

/// What of a workload is covered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Covered {
    /// The IDs of controls.
    pub controls: BTreeSet<&'static str>,
    /// How many pods it has that need it.
    pub pods: usize,
}

impl Usage {
    /// The controls that it names and that none of what it covers violates.
    pub fn idle_controls(&self) -> Vec<&'static str> {
        let named = self.waiver.as_ref().map_or(&[][..], |waiver| &waiver.controls);
        let used = |id: &&&'static str| self.covers.values().any(|covered| covered.controls.contains(**id));
        named.iter().filter(|id| !used(id)).copied().collect()
    }
}

/// Holds every waiver against what runs, and what its namespaces enforce now. By name; those that cannot be read last.
pub fn usages(cluster: &Snapshot, pod_security: &PodSecurity, waiving: &Waiving) -> Vec<Usage> {
    let mut all: Vec<Usage> = waiving
        .waivers
        .iter()
        .map(|waiver| Usage {
            title: waiver.title(),
            waiver: Some(Arc::clone(waiver)),
            state: waiving.waivers.state(waiver, waiving.now),
            covers: BTreeMap::new(),
        })
        .collect();
    let policies: BTreeMap<&str, _> = cluster
        .namespaces()
        .map(|namespace| {
            let name = namespace.metadata.name.as_deref().unwrap_or_default();
            (name, pod_security.policy_of(namespace).0.enforce)
        })
        .collect();
    let none = PodSpec::default();
    for pod in cluster.all_pods() {
        let namespace = namespace_of(pod);
        let Some(by) = policies.get(namespace).copied().filter(|by| by.level != Level::Privileged) else { continue };
        let spec = pod.spec.as_ref().unwrap_or(&none);
        if pod_security.exempts_namespace(namespace) || pod_security.exempts_runtime_class(spec) {
            continue;
        }
        let cover = waiving.cover(namespace, &pod.metadata, pod_security.judge(by, &pod.metadata, spec));
        for used in cover.by {
            let of_it = |usage: &&mut Usage| usage.waiver.as_ref().is_some_and(|w| Arc::ptr_eq(w, &used.waiver));
            if let Some(usage) = all.iter_mut().find(of_it) {
                let key = (namespace.to_owned(), Maker::of(&pod.metadata));
                let covered = usage.covers.entry(key).or_default();
                covered.controls.extend(used.controls.iter().copied());
                covered.pods += 1;
            }
        }
    }
    all.extend(waiving.waivers.problems().iter().map(|(title, error)| Usage {
        title: title.clone(),
        waiver: None,
        state: State::Invalid(error.clone()),
        covers: BTreeMap::new(),
    }));
    all
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

    fn waiver(name: &str, workload: &str, controls: &[&str], expires: &str) -> Value {
        json!({"apiVersion": "ringfence.dev/v1alpha1", "kind": "Waiver", "metadata": {"name": name, "namespace": "waivers"},
            "spec": {"namespaces": ["shop"], "workload": {"kind": "Pod", "name": workload}, "podFields": true,
                "controls": controls, "expires": expires, "owner": "o", "reason": "r"}})
    }

    #[test]
    fn a_waiver_tells_what_it_covers_and_what_it_could_do_without() {
        let now: Timestamp = "2026-05-01T00:00:00Z".parse().unwrap();
        let objects = [
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop",
                "labels": {"pod-security.kubernetes.io/enforce": "baseline"}}}),
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"},
                "spec": {"hostPID": true, "containers": [{"name": "c"}]}}),
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "good", "namespace": "shop"},
                "spec": {"containers": [{"name": "c"}]}}),
        ];
        let waivers = [
            waiver("a", "web", &["hostNamespaces", "hostPathVolumes"], "2026-05-20T00:00:00Z"),
            waiver("b", "good", &["hostNamespaces"], "2026-05-20T00:00:00Z"),
            waiver("c", "web", &["hostNamespaces"], "2026-04-20T00:00:00Z"),
            waiver("d", "web", &["nonsense"], "2026-05-20T00:00:00Z"),
        ];
        let terms = Terms { namespace: "waivers".to_owned(), longest: SignedDuration::from_hours(24 * 90) };
        let waiving = Waiving { waivers: Arc::new(Waivers::new(&terms, &waivers)), now };
        let cluster = Snapshot::of("test", objects.to_vec());
        let all = usages(&cluster, &PodSecurity::default(), &waiving);
        let told: Vec<_> = all.iter().map(|u| (u.title.as_str(), u.state == State::Valid, u.covers.len())).collect();
        assert_eq!(told, [("waivers/a", true, 1), ("waivers/b", true, 0), ("waivers/c", false, 0), ("waivers/d", false, 0)]);
        assert_eq!(all[0].idle_controls(), ["hostPathVolumes"]);
        let ((namespace, maker), covered) = all[0].covers.first_key_value().unwrap();
        assert_eq!((namespace.as_str(), maker.name.as_str(), covered.pods), ("shop", "web", 1));
        assert!(matches!(all[3].state, State::Invalid(_)) && all[3].waiver.is_none());
    }
}
