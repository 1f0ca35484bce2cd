//! What the controllers know of the cluster, kept up to date, and which namespaces a change concerns.

mod slim;

use crate::kept::{Kept, Key, Same};
use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding, RoleRef};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use ringfence_admission::cluster::{self, Kind, LookupError, Platform};
use ringfence_admission::decode::{DecodeError, decode};
use ringfence_admission::rbac::Index;
use ringfence_admission::sync::NEEDS;
use ringfence_live::{Client, Event, Resource, follow, name_of};
use ringfence_scc::SecurityContextConstraints;
use serde_json::value::RawValue;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Which namespaces a change concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Touched {
    Nothing,
    /// One, by something in it.
    Within(String),
    /// One, itself.
    Itself(String),
    All,
}

/// The cluster, as far as labels and ranges depend on it.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    /// Every change leaves it whole, so that a poisoned lock is as good as new.
    objects: Mutex<Objects>,
    states: [State; NEEDS.len()],
    index: Mutex<Indexed>,
    rbac_changed: AtomicBool,
}

#[derive(Debug, Default)]
struct Objects {
    namespaces: Kept<Arc<Namespace>>,
    accounts: Kept<()>,
    constraints: Kept<Arc<SecurityContextConstraints>>,
    roles: Kept<Role>,
    cluster_roles: Kept<ClusterRole>,
    role_bindings: Kept<RoleBinding>,
    cluster_role_bindings: Kept<ClusterRoleBinding>,
}

/// Who may use what, and what it cost to find out.
#[derive(Debug, Default)]
struct Indexed {
    index: Arc<Index>,
    made: Option<(Instant, Duration)>,
}

/// How far a kind of object is known.
#[derive(Debug, Default)]
struct State {
    settled: AtomicBool,
    absent: AtomicBool,
    failures: AtomicU64,
}

impl Cache {
    /// Follows the cluster from now on, and tells whom each change concerns. Must be called within a tokio runtime.
    pub(crate) fn follow(
        self: &Arc<Self>,
        client: &Client,
        server: &str,
        kinds: &[Kind],
        told: impl Fn(Touched) + Clone + Send + Sync + 'static,
    ) {
        for kind in kinds {
            let (cache, told, kind) = (Arc::clone(self), told.clone(), *kind);
            let resource = Resource { api_version: kind.api_version(), plural: kind.resource(), kind: kind.as_str() };
            let tell = move |event: Event<'_>| cache.tell(kind, &event, &told);
            tokio::spawn(follow(client.clone(), server.to_owned(), resource, tell));
        }
    }

    /// The first kind of those that is not known yet.
    pub(crate) fn unknown(&self, kinds: &[Kind]) -> Option<Kind> {
        kinds.iter().find(|kind| !self.state(**kind).is_some_and(|state| state.settled.load(Relaxed))).copied()
    }

    /// Every namespace's name.
    pub(crate) fn names(&self) -> Vec<String> {
        self.objects().namespaces.names("").map(str::to_owned).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.objects().namespaces.len()
    }

    /// How often each kind could not be followed.
    pub(crate) fn failures(&self) -> impl Iterator<Item = (Kind, u64)> + '_ {
        NEEDS.into_iter().zip(&self.states).map(|(kind, state)| (kind, state.failures.load(Relaxed)))
    }

    /// Brings who may use what up to date. Waits, if that happens often, so that it takes no more than a tenth of the
    /// time.
    pub(crate) async fn refresh(&self) {
        if !self.rbac_changed.load(Relaxed) {
            return;
        }
        let wait = self
            .index
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .made
            .and_then(|(at, took)| (took * 10).min(Duration::from_secs(1)).checked_sub(at.elapsed()));
        if let Some(wait) = wait {
            tokio::time::sleep(wait).await;
        }
        let began = Instant::now();
        // What changes from here on is for the next time.
        self.rbac_changed.store(false, Relaxed);
        let index = {
            let objects = self.objects();
            let Objects { roles, cluster_roles, role_bindings, cluster_role_bindings, .. } = &*objects;
            let (roles, cluster_roles) = (roles.values(), cluster_roles.values());
            Index::new(roles, cluster_roles, role_bindings.values(), cluster_role_bindings.values())
        };
        *self.index.lock().unwrap_or_else(PoisonError::into_inner) =
            Indexed { index: Arc::new(index), made: Some((Instant::now(), began.elapsed())) };
    }

    fn objects(&self) -> std::sync::MutexGuard<'_, Objects> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self, kind: Kind) -> Option<&State> {
        NEEDS.iter().position(|known| *known == kind).and_then(|at| self.states.get(at))
    }

    fn tell(&self, kind: Kind, event: &Event<'_>, told: &impl Fn(Touched)) {
        match event {
            Event::Listing => self.objects().begin(kind),
            Event::Is(object) => match self.put(kind, object) {
                Ok(touched) => {
                    self.unsettle_if_absent(kind);
                    told(touched);
                }
                Err(error) => {
                    let (namespace, name) = name_of(object);
                    tracing::warn!(resource = kind.resource(), namespace, name, %error, "cannot use an object");
                }
            },
            Event::Gone(object) => told(self.remove(kind, &name_of(object))),
            Event::Listed => {
                self.finish(kind).into_iter().for_each(told);
                if self.settle(kind, false) {
                    // What was asked for meanwhile was not done.
                    told(Touched::All);
                }
                tracing::debug!(resource = kind.resource(), "listed");
            }
            Event::Absent => {
                self.objects().begin(kind);
                self.finish(kind).into_iter().for_each(told);
                if self.settle(kind, true) {
                    told(Touched::All);
                }
            }
            Event::Alive => {}
            Event::Trouble(error) => {
                if let Some(state) = self.state(kind) {
                    state.failures.fetch_add(1, Relaxed);
                }
                tracing::warn!(resource = kind.resource(), %error, "cannot follow the cluster; what is known is kept");
            }
        }
    }

    /// Notes that a kind is known. Returns whether that is news.
    fn settle(&self, kind: Kind, absent: bool) -> bool {
        let Some(state) = self.state(kind) else { return false };
        if absent && !state.absent.swap(true, Relaxed) {
            tracing::info!(resource = kind.resource(), "the cluster has none");
        }
        state.absent.store(absent, Relaxed);
        !state.settled.swap(true, Relaxed)
    }

    /// The first objects of a kind that the server did not know: until their list is at its end, some of them would be
    /// taken for all.
    fn unsettle_if_absent(&self, kind: Kind) {
        if let Some(state) = self.state(kind)
            && state.absent.swap(false, Relaxed)
        {
            state.settled.store(false, Relaxed);
        }
    }

    fn put(&self, kind: Kind, object: &RawValue) -> Result<Touched, DecodeError> {
        let (key, json) = (name_of(object), object.get());
        let mut objects = self.objects();
        let touched = match kind {
            Kind::Namespace => {
                let namespace = Arc::new(slim::namespace(decode(json)?));
                let name = key.1.clone();
                objects.namespaces.put(key, namespace).map_or(Touched::Nothing, |_| Touched::Itself(name))
            }
            Kind::ServiceAccount => {
                let namespace = key.0.clone();
                objects.accounts.put(key, ()).map_or(Touched::Nothing, |_| Touched::Within(namespace))
            }
            Kind::SecurityContextConstraints => {
                let words = |error: &dyn std::fmt::Display| DecodeError::new(error.to_string());
                let value: serde_json::Value = serde_json::from_str(json).map_err(|error| words(&error))?;
                let mut scc = ringfence_scc::decode(value).map_err(|error| words(&error))?;
                scc.metadata = slim::metadata(scc.metadata);
                objects.constraints.put(key, Arc::new(scc)).map_or(Touched::Nothing, |_| Touched::All)
            }
            Kind::Role => {
                let Role { metadata, rules } = decode(json)?;
                let role = Role { metadata: slim::metadata(metadata), rules: slim::rules(rules) };
                let (namespace, now) = (key.0.clone(), grants(role.rules.as_deref()));
                self.rbac(objects.roles.put(key, role).map(|old| {
                    if now || old.is_some_and(|old| grants(old.rules.as_deref())) {
                        Touched::Within(namespace)
                    } else {
                        Touched::Nothing
                    }
                }))
            }
            Kind::ClusterRole => {
                let ClusterRole { metadata, rules, aggregation_rule } = decode(json)?;
                let metadata = slim::metadata(metadata);
                let role = ClusterRole { metadata, rules: slim::rules(rules), aggregation_rule };
                let now = role_grants(&role);
                self.rbac(objects.cluster_roles.put(key, role).map(|old| {
                    if now || old.is_some_and(|old| role_grants(&old)) { Touched::All } else { Touched::Nothing }
                }))
            }
            Kind::RoleBinding => {
                let mut binding: RoleBinding = decode(json)?;
                binding.metadata = slim::metadata(binding.metadata);
                let namespace = key.0.clone();
                self.rbac(objects.role_bindings.put(key, binding).map(|_| Touched::Within(namespace)))
            }
            Kind::ClusterRoleBinding => {
                let mut binding: ClusterRoleBinding = decode(json)?;
                binding.metadata = slim::metadata(binding.metadata);
                let concerns = objects.concerns(&binding.role_ref);
                self.rbac(objects.cluster_role_bindings.put(key, binding).map(|_| concerns))
            }
            _ => Touched::Nothing,
        };
        Ok(touched)
    }

    /// Notes that who may use what has changed, if something has.
    fn rbac(&self, change: Result<Touched, Same>) -> Touched {
        let Ok(touched) = change else { return Touched::Nothing };
        self.rbac_changed.store(true, Relaxed);
        touched
    }

    fn remove(&self, kind: Kind, key: &Key) -> Touched {
        let mut objects = self.objects();
        let all = |gone: bool| if gone { Touched::All } else { Touched::Nothing };
        let within = |gone: bool| if gone { Touched::Within(key.0.clone()) } else { Touched::Nothing };
        match kind {
            Kind::Namespace => {
                objects.namespaces.remove(key);
                Touched::Nothing
            }
            Kind::ServiceAccount => within(objects.accounts.remove(key).is_some()),
            Kind::SecurityContextConstraints => all(objects.constraints.remove(key).is_some()),
            Kind::Role => self.rbac(Ok(within(objects.roles.remove(key).is_some()))),
            Kind::ClusterRole => self.rbac(Ok(all(objects.cluster_roles.remove(key).is_some_and(|r| role_grants(&r))))),
            Kind::RoleBinding => self.rbac(Ok(within(objects.role_bindings.remove(key).is_some()))),
            Kind::ClusterRoleBinding => {
                let binding = objects.cluster_role_bindings.remove(key);
                self.rbac(Ok(binding.map_or(Touched::Nothing, |binding| objects.concerns(&binding.role_ref))))
            }
            _ => Touched::Nothing,
        }
    }

    /// The list is at its end.
    fn finish(&self, kind: Kind) -> Vec<Touched> {
        let mut objects = self.objects();
        let gone: Vec<Key> = match kind {
            Kind::Namespace => keys(objects.namespaces.finish()),
            Kind::ServiceAccount => keys(objects.accounts.finish()),
            Kind::SecurityContextConstraints => keys(objects.constraints.finish()),
            Kind::Role => keys(objects.roles.finish()),
            Kind::ClusterRole => keys(objects.cluster_roles.finish()),
            Kind::RoleBinding => keys(objects.role_bindings.finish()),
            Kind::ClusterRoleBinding => keys(objects.cluster_role_bindings.finish()),
            _ => Vec::new(),
        };
        if gone.is_empty() {
            return Vec::new();
        }
        self.rbac_changed.store(true, Relaxed);
        match kind {
            Kind::Namespace => Vec::new(),
            Kind::ServiceAccount | Kind::Role | Kind::RoleBinding => {
                let namespaces: BTreeSet<String> = gone.into_iter().map(|(namespace, _)| namespace).collect();
                namespaces.into_iter().map(Touched::Within).collect()
            }
            _ => vec![Touched::All],
        }
    }
}

impl Objects {
    fn begin(&mut self, kind: Kind) {
        match kind {
            Kind::Namespace => self.namespaces.begin(),
            Kind::ServiceAccount => self.accounts.begin(),
            Kind::SecurityContextConstraints => self.constraints.begin(),
            Kind::Role => self.roles.begin(),
            Kind::ClusterRole => self.cluster_roles.begin(),
            Kind::RoleBinding => self.role_bindings.begin(),
            Kind::ClusterRoleBinding => self.cluster_role_bindings.begin(),
            _ => {}
        }
    }

    /// Whom a binding of that cluster role concerns. One that is not known will tell when it comes.
    fn concerns(&self, role: &RoleRef) -> Touched {
        if self.cluster_roles.get("", &role.name).is_some_and(role_grants) { Touched::All } else { Touched::Nothing }
    }
}

fn keys<T>(gone: Vec<(Key, T)>) -> Vec<Key> {
    gone.into_iter().map(|(key, _)| key).collect()
}

fn grants(rules: Option<&[k8s_openapi::api::rbac::v1::PolicyRule]>) -> bool {
    rules.unwrap_or_default().iter().any(slim::is_relevant)
}

/// One that collects the rules of others may grant what they do.
fn role_grants(role: &ClusterRole) -> bool {
    role.aggregation_rule.is_some() || grants(role.rules.as_deref())
}

impl cluster::Namespaces for Cache {
    fn namespace(&self, name: &str) -> Result<Arc<Namespace>, LookupError> {
        let found = self.objects().namespaces.get("", name).map(Arc::clone);
        found.ok_or_else(|| LookupError::not_found("namespaces", name))
    }
}

/// Pods are not watched: no label depends on them.
impl cluster::Pods for Cache {
    fn pods(&self, _: &str, _: &mut dyn FnMut(&Pod) -> ControlFlow<()>) -> Result<(), LookupError> {
        Ok(())
    }
}

/// Operators are not watched either: what installs them labels their namespaces itself.
impl cluster::Cluster for Cache {
    fn platform(&self) -> Platform {
        Platform::OpenShift
    }

    fn has_seen(&self, kind: Kind) -> bool {
        self.state(kind).is_some_and(|state| state.settled.load(Relaxed) && !state.absent.load(Relaxed))
    }

    fn each_namespace(&self, visit: &mut dyn FnMut(&Namespace)) {
        let all: Vec<Arc<Namespace>> = self.objects().namespaces.values().map(Arc::clone).collect();
        for namespace in &all {
            visit(namespace);
        }
    }

    fn service_account(&self, _: &str, _: &str) -> Option<Arc<ServiceAccount>> {
        None
    }

    fn each_service_account(&self, namespace: &str, visit: &mut dyn FnMut(&ServiceAccount)) {
        let names: Vec<String> = self.objects().accounts.names(namespace).map(str::to_owned).collect();
        for name in names {
            let metadata =
                ObjectMeta { name: Some(name), namespace: Some(namespace.to_owned()), ..ObjectMeta::default() };
            visit(&ServiceAccount { metadata, ..ServiceAccount::default() });
        }
    }

    fn each_constraint(&self, visit: &mut dyn FnMut(&SecurityContextConstraints)) {
        let all: Vec<Arc<SecurityContextConstraints>> = self.objects().constraints.values().map(Arc::clone).collect();
        for scc in &all {
            visit(scc);
        }
    }

    fn rbac(&self) -> Arc<Index> {
        Arc::clone(&self.index.lock().unwrap_or_else(PoisonError::into_inner).index)
    }

    fn has_operator(&self, _: &str) -> bool {
        false
    }
}

#[cfg(test)]
mod tests;
