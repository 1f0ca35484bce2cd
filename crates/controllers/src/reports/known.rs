//! What is known of the cluster, and what a change concerns.

use super::fingerprint::{Fingerprint, NOT_OURS, fingerprint};
use super::{CLUSTER, OF_CLUSTER, OF_NAMESPACE};
use crate::kept::{Kept, Key};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use ringfence_admission::cluster::Kind;
use ringfence_admission::decode::{DecodeError, decode};
use ringfence_admission::pod_security::template;
use ringfence_admission::report::NAME;
use ringfence_admission::waiver::{Terms, Waivers};
use ringfence_live::{Client, Event, Resource, Shared, follow, follow_in, follow_named, name_of};
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Namespaces,
    Pods,
    Waivers,
    Reports,
    ClusterReports,
}

pub(crate) const ALL: [What; 5] = [What::Namespaces, What::Pods, What::Waivers, What::Reports, What::ClusterReports];

impl What {
    fn resource(self) -> Resource<'static> {
        let of =
            |kind: Kind| Resource { api_version: kind.api_version(), plural: kind.resource(), kind: kind.as_str() };
        match self {
            Self::Namespaces => of(Kind::Namespace),
            Self::Pods => of(Kind::Pod),
            Self::Waivers => of(Kind::Waiver),
            Self::Reports => OF_NAMESPACE,
            Self::ClusterReports => OF_CLUSTER,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        self.resource().plural
    }
}

/// Which reports a change concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Touched {
    Nothing,
    /// That of a namespace, or that of the cluster.
    One(String),
    All,
}

/// The cluster, as far as reports depend on it.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Every change leaves it whole, so that a poisoned lock is as good as new.
    objects: Mutex<Objects>,
    terms: Option<Terms>,
    states: [State; ALL.len()],
}

#[derive(Debug, Default)]
struct Objects {
    namespaces: Kept<Arc<Namespace>>,
    pods: Kept<Arc<Pod>>,
    /// Pods that one controller made are mostly alike.
    templates: Shared<Pod>,
    waivers: Kept<Value>,
    made: Arc<Waivers>,
    reports: Kept<Fingerprint>,
    cluster_reports: Kept<Fingerprint>,
}

/// How far something is known.
#[derive(Debug, Default)]
struct State {
    settled: AtomicBool,
    absent: AtomicBool,
    failures: AtomicU64,
}

impl Known {
    pub(crate) fn new(terms: Option<Terms>) -> Self {
        Self { terms, ..Self::default() }
    }

    /// Follows the cluster from now on, and tells what each change concerns. Must be called within a tokio runtime.
    pub(crate) fn follow(
        self: &Arc<Self>,
        client: &Client,
        server: &str,
        told: impl Fn(Touched) + Clone + Send + Sync + 'static,
    ) {
        for what in ALL {
            let (known, told, resource) = (Arc::clone(self), told.clone(), what.resource());
            let (client, server) = (client.clone(), server.to_owned());
            let tell = move |event: Event<'_>| known.tell(what, &event, &told);
            match what {
                What::Namespaces | What::Pods => drop(tokio::spawn(follow(client, server, resource, tell))),
                What::Waivers => {
                    let Some(terms) = self.terms.clone() else { continue };
                    tokio::spawn(async move { follow_in(client, server, resource, &terms.namespace, tell).await });
                }
                // Ours alone: those of others may be many, and large.
                What::Reports | What::ClusterReports => {
                    tokio::spawn(async move { follow_named(client, server, resource, NAME, tell).await });
                }
            }
        }
    }

    /// What of it is not known yet.
    pub(crate) fn unknown(&self) -> Option<What> {
        let wanted = ALL.into_iter().filter(|what| *what != What::Waivers || self.terms.is_some());
        wanted.into_iter().find(|what| !self.state(*what).settled.load(Relaxed))
    }

    /// Whether the cluster has no such kind.
    pub(crate) fn is_absent(&self, what: What) -> bool {
        self.state(what).absent.load(Relaxed)
    }

    pub(crate) fn failures(&self) -> impl Iterator<Item = (What, u64)> + '_ {
        ALL.into_iter().map(|what| (what, self.state(what).failures.load(Relaxed)))
    }

    pub(crate) fn terms(&self) -> Option<&Terms> {
        self.terms.as_ref()
    }

    pub(crate) fn waivers(&self) -> Arc<Waivers> {
        Arc::clone(&self.objects().made)
    }

    /// Every namespace's name.
    pub(crate) fn names(&self) -> Vec<String> {
        self.objects().namespaces.names("").map(str::to_owned).collect()
    }

    /// How many namespaces, pods and different pods there are.
    pub(crate) fn numbers(&self) -> [usize; 3] {
        let objects = self.objects();
        [objects.namespaces.len(), objects.pods.len(), objects.templates.len()]
    }

    /// A namespace and its pods.
    pub(crate) fn namespace(&self, name: &str) -> Option<(Arc<Namespace>, Vec<Arc<Pod>>)> {
        let objects = self.objects();
        let namespace = Arc::clone(objects.namespaces.get("", name)?);
        Some((namespace, objects.pods.within(name).map(|(_, pod)| Arc::clone(pod)).collect()))
    }

    /// What the report of the namespace is like, or that of the cluster, if there is one. It may be somebody else's.
    pub(crate) fn report(&self, namespace: Option<&str>) -> Option<Fingerprint> {
        let objects = self.objects();
        match namespace {
            Some(namespace) => objects.reports.get(namespace, NAME).copied(),
            None => objects.cluster_reports.get("", NAME).copied(),
        }
    }

    fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self, what: What) -> &State {
        let [namespaces, pods, waivers, reports, cluster_reports] = &self.states;
        match what {
            What::Namespaces => namespaces,
            What::Pods => pods,
            What::Waivers => waivers,
            What::Reports => reports,
            What::ClusterReports => cluster_reports,
        }
    }

    pub(crate) fn tell(&self, what: What, event: &Event<'_>, told: &impl Fn(Touched)) {
        let (state, resource) = (self.state(what), what.resource());
        match event {
            Event::Listing => self.begin(what),
            Event::Is(object) => match self.put(what, object) {
                Ok(touched) => told(touched),
                Err(error) => {
                    let (namespace, name) = name_of(object);
                    state.failures.fetch_add(1, Relaxed);
                    tracing::warn!(%resource, namespace, name, %error, "cannot use an object");
                }
            },
            Event::Gone(object) => told(self.remove(what, &name_of(object))),
            Event::Listed => {
                self.finish(what).into_iter().for_each(told);
                if state.absent.swap(false, Relaxed) {
                    // What was asked for meanwhile was not done.
                    told(Touched::All);
                }
                state.settled.store(true, Relaxed);
                tracing::debug!(%resource, "listed");
            }
            Event::Absent => {
                self.begin(what);
                self.finish(what).into_iter().for_each(told);
                if !state.absent.swap(true, Relaxed) {
                    tracing::warn!(%resource, "the cluster has none");
                }
                state.settled.store(true, Relaxed);
            }
            Event::Alive => {}
            Event::Trouble(error) => {
                state.failures.fetch_add(1, Relaxed);
                tracing::warn!(%resource, %error, "cannot follow the cluster; what is known is kept");
            }
        }
    }

    fn begin(&self, what: What) {
        let mut objects = self.objects();
        match what {
            What::Namespaces => objects.namespaces.begin(),
            What::Pods => objects.pods.begin(),
            What::Waivers => objects.waivers.begin(),
            What::Reports => objects.reports.begin(),
            What::ClusterReports => objects.cluster_reports.begin(),
        }
    }

    fn put(&self, what: What, object: &RawValue) -> Result<Touched, DecodeError> {
        let (key, json) = (name_of(object), object.get());
        let of_it = |touched: bool, name: &str| if touched { Touched::One(name.to_owned()) } else { Touched::Nothing };
        let odd = |error: serde_json::Error| DecodeError::new(error.to_string());
        let mut objects = self.objects();
        let objects = &mut *objects;
        Ok(match what {
            What::Namespaces => {
                let name = key.1.clone();
                of_it(objects.namespaces.put(key, Arc::new(namespace(decode(json)?))).is_ok(), &name)
            }
            What::Pods => {
                let (pod, namespace) = (pod(decode(json)?), key.0.clone());
                let shared = objects.templates.share(&serde_json::to_vec(&pod).map_err(odd)?, pod);
                of_it(objects.pods.put(key, shared).is_ok(), &namespace)
            }
            What::Waivers => {
                let mut waiver: Value = serde_json::from_str(json).map_err(odd)?;
                if let Some(Value::Object(metadata)) = waiver.get_mut("metadata") {
                    metadata.retain(|key, _| ["name", "namespace", "creationTimestamp"].contains(&key.as_str()));
                }
                if let Some(waiver) = waiver.as_object_mut() {
                    waiver.remove("status");
                }
                if objects.waivers.put(key, waiver).is_err() {
                    return Ok(Touched::Nothing);
                }
                self.remake(objects);
                Touched::All
            }
            What::Reports => {
                let (report, namespace) = (serde_json::from_str(json).map_err(odd)?, key.0.clone());
                of_it(objects.reports.put(key, fingerprint(&report).unwrap_or(NOT_OURS)).is_ok(), &namespace)
            }
            What::ClusterReports => {
                let report = serde_json::from_str(json).map_err(odd)?;
                of_it(objects.cluster_reports.put(key, fingerprint(&report).unwrap_or(NOT_OURS)).is_ok(), CLUSTER)
            }
        })
    }

    fn remove(&self, what: What, key: &Key) -> Touched {
        let mut objects = self.objects();
        let objects = &mut *objects;
        match what {
            What::Namespaces => {
                objects.namespaces.remove(key).map_or(Touched::Nothing, |_| Touched::One(key.1.clone()))
            }
            What::Pods => objects.pods.remove(key).map_or(Touched::Nothing, |_| Touched::One(key.0.clone())),
            What::Waivers => {
                objects.waivers.remove(key);
                self.remake(objects);
                Touched::All
            }
            What::Reports => objects.reports.remove(key).map_or(Touched::Nothing, |_| Touched::One(key.0.clone())),
            What::ClusterReports => {
                objects.cluster_reports.remove(key);
                Touched::One(CLUSTER.to_owned())
            }
        }
    }

    /// The list is at its end.
    fn finish(&self, what: What) -> Vec<Touched> {
        let mut objects = self.objects();
        let objects = &mut *objects;
        match what {
            What::Namespaces => {
                objects.namespaces.finish().into_iter().map(|((_, name), _)| Touched::One(name)).collect()
            }
            What::Pods => within(objects.pods.finish()),
            What::Waivers => {
                if objects.waivers.finish().is_empty() {
                    return Vec::new();
                }
                self.remake(objects);
                vec![Touched::All]
            }
            What::Reports => within(objects.reports.finish()),
            What::ClusterReports => {
                objects.cluster_reports.finish();
                vec![Touched::One(CLUSTER.to_owned())]
            }
        }
    }

    fn remake(&self, objects: &mut Objects) {
        let Some(terms) = &self.terms else { return };
        objects.made = Arc::new(Waivers::new(terms, objects.waivers.values()));
    }
}

/// The namespaces of what is gone, each once.
fn within<T>(gone: Vec<(Key, T)>) -> Vec<Touched> {
    let mut namespaces: Vec<String> = gone.into_iter().map(|((namespace, _), _)| namespace).collect();
    namespaces.dedup();
    namespaces.into_iter().map(Touched::One).collect()
}

/// Of a namespace only what decides, and whether it is going away.
fn namespace(namespace: Namespace) -> Namespace {
    let Namespace { metadata: ObjectMeta { name, labels, .. }, status, .. } = namespace;
    let labels = labels.map(|mut labels| {
        labels.retain(|key, _| key.starts_with("pod-security.kubernetes.io/"));
        labels
    });
    let status = status.map(|mut status| {
        status.conditions = None;
        status
    });
    Namespace { metadata: ObjectMeta { name, labels, ..ObjectMeta::default() }, status, spec: None }
}

/// Of a pod what a control reads, and what tells what made it and which waivers are about it. One that a controller made is
/// known by that, so that those alike are one.
fn pod(pod: Pod) -> Pod {
    let ObjectMeta { name, labels, owner_references, uid, .. } = pod.metadata.clone();
    let owners = owner_references.map(|all| all.into_iter().filter(|o| o.controller == Some(true)).collect::<Vec<_>>());
    let owners = owners.filter(|owners| !owners.is_empty());
    let mut slim = template(pod);
    if owners.is_none() {
        (slim.metadata.name, slim.metadata.uid) = (name, uid);
    }
    (slim.metadata.labels, slim.metadata.owner_references) = (labels, owners);
    slim
}
