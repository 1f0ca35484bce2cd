//! Security context constraints, and the roles and bindings that say who may use them.

use super::store::Store;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use ringfence_admission::cluster::Kind;
use ringfence_admission::decode::{DecodeError, decode};
use ringfence_admission::rbac::Index;
use ringfence_live::name_of;
use ringfence_scc::SecurityContextConstraints;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// The kinds that say who may use a constraint.
pub(super) const RBAC: [Kind; 4] = [Kind::Role, Kind::ClusterRole, Kind::RoleBinding, Kind::ClusterRoleBinding];

/// By namespace (empty for what is in none) and name, with the list that each was last in.
type Map<T> = BTreeMap<(String, String), (T, u32)>;

#[derive(Debug, Default)]
pub(super) struct Constraints {
    /// Only whole entries go in, so that a poisoned lock is as good as new.
    all: RwLock<BTreeMap<String, (SecurityContextConstraints, u32)>>,
    list: AtomicU64,
    /// How often they changed.
    revision: AtomicU64,
    objects: Mutex<Objects>,
    changed: AtomicBool,
    indexed: AtomicBool,
    index: RwLock<Arc<Index>>,
    /// How often the index was made.
    indexes: AtomicU64,
}

#[derive(Debug, Default)]
struct Objects {
    roles: Map<Role>,
    cluster_roles: Map<ClusterRole>,
    role_bindings: Map<RoleBinding>,
    cluster_role_bindings: Map<ClusterRoleBinding>,
}

impl Constraints {
    pub(super) fn each(&self, visit: &mut dyn FnMut(&SecurityContextConstraints)) {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.values().for_each(|(scc, _)| visit(scc));
    }

    pub(super) fn revision(&self) -> u64 {
        self.revision.load(Relaxed)
    }

    /// How often the index was made anew.
    pub(super) fn indexes(&self) -> u64 {
        self.indexes.load(Relaxed)
    }

    pub(super) fn index(&self) -> Arc<Index> {
        Arc::clone(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the index has everything that was there when all four kinds were first listed.
    pub(super) fn is_indexed(&self) -> bool {
        self.indexed.load(Relaxed) && !self.changed.load(Relaxed)
    }

    /// Reads the roles and bindings anew, if any changed.
    pub(super) fn index_if_changed(&self) {
        if !self.changed.swap(false, Relaxed) {
            return;
        }
        let index = {
            let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
            Index::new(
                objects.roles.values().map(|(role, _)| role),
                objects.cluster_roles.values().map(|(role, _)| role),
                objects.role_bindings.values().map(|(binding, _)| binding),
                objects.cluster_role_bindings.values().map(|(binding, _)| binding),
            )
        };
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(index);
        self.indexes.fetch_add(1, Relaxed);
        self.indexed.store(true, Relaxed);
    }

    fn list(&self) -> u32 {
        // Lists are numbered from one; that many are never read.
        u32::try_from(self.list.load(Relaxed)).unwrap_or(u32::MAX)
    }
}

impl Store for Constraints {
    fn begin(&self) {
        self.list.fetch_add(1, Relaxed);
    }

    fn put(&self, object: &RawValue) -> Result<(), DecodeError> {
        let (_, name) = name_of(object);
        let words = |error: &dyn std::fmt::Display| DecodeError::new(error.to_string());
        let value: Value = serde_json::from_str(object.get()).map_err(|error| words(&error))?;
        let scc = ringfence_scc::decode(value).map_err(|error| words(&error))?;
        self.all.write().unwrap_or_else(PoisonError::into_inner).insert(name, (scc, self.list()));
        self.revision.fetch_add(1, Relaxed);
        Ok(())
    }

    fn remove(&self, _: &str, name: &str) {
        self.all.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        self.revision.fetch_add(1, Relaxed);
    }

    fn finish(&self) {
        let list = self.list();
        self.all.write().unwrap_or_else(PoisonError::into_inner).retain(|_, (_, at)| *at == list);
        self.revision.fetch_add(1, Relaxed);
    }
}

/// One of the kinds of role or binding, within [`Constraints`].
#[derive(Debug)]
pub(super) struct Kept {
    kind: Kind,
    of: Arc<Constraints>,
    list: AtomicU64,
}

impl Kept {
    pub(super) fn new(kind: Kind, of: Arc<Constraints>) -> Self {
        Self { kind, of, list: AtomicU64::new(0) }
    }

    fn list(&self) -> u32 {
        u32::try_from(self.list.load(Relaxed)).unwrap_or(u32::MAX)
    }

    fn change(&self, change: impl FnOnce(&mut Objects)) {
        change(&mut self.of.objects.lock().unwrap_or_else(PoisonError::into_inner));
        self.of.changed.store(true, Relaxed);
    }
}

impl Store for Kept {
    fn begin(&self) {
        self.list.fetch_add(1, Relaxed);
    }

    fn put(&self, object: &RawValue) -> Result<(), DecodeError> {
        let (key, list, json) = (name_of(object), self.list(), object.get());
        match self.kind {
            Kind::Role => {
                let Role { metadata, rules } = decode(json)?;
                let role = Role { metadata: slim(metadata), rules: relevant(rules) };
                self.change(|objects| drop(objects.roles.insert(key, (role, list))));
            }
            Kind::ClusterRole => {
                let ClusterRole { metadata, rules, aggregation_rule } = decode(json)?;
                let role = ClusterRole { metadata: slim(metadata), rules: relevant(rules), aggregation_rule };
                self.change(|objects| drop(objects.cluster_roles.insert(key, (role, list))));
            }
            Kind::RoleBinding => {
                let mut binding: RoleBinding = decode(json)?;
                binding.metadata = slim(binding.metadata);
                self.change(|objects| drop(objects.role_bindings.insert(key, (binding, list))));
            }
            _ => {
                let mut binding: ClusterRoleBinding = decode(json)?;
                binding.metadata = slim(binding.metadata);
                self.change(|objects| drop(objects.cluster_role_bindings.insert(key, (binding, list))));
            }
        }
        Ok(())
    }

    fn remove(&self, namespace: &str, name: &str) {
        let key = (namespace.to_owned(), name.to_owned());
        self.change(|objects| match self.kind {
            Kind::Role => drop(objects.roles.remove(&key)),
            Kind::ClusterRole => drop(objects.cluster_roles.remove(&key)),
            Kind::RoleBinding => drop(objects.role_bindings.remove(&key)),
            _ => drop(objects.cluster_role_bindings.remove(&key)),
        });
    }

    fn finish(&self) {
        let list = self.list();
        self.change(|objects| match self.kind {
            Kind::Role => objects.roles.retain(|_, (_, at)| *at == list),
            Kind::ClusterRole => objects.cluster_roles.retain(|_, (_, at)| *at == list),
            Kind::RoleBinding => objects.role_bindings.retain(|_, (_, at)| *at == list),
            _ => objects.cluster_role_bindings.retain(|_, (_, at)| *at == list),
        });
    }
}

/// Names, and the labels by which cluster roles are aggregated.
fn slim(metadata: ObjectMeta) -> ObjectMeta {
    let ObjectMeta { name, namespace, labels, .. } = metadata;
    ObjectMeta { name, namespace, labels, ..ObjectMeta::default() }
}

/// Only rules that can be about constraints are kept, each at its place.
fn relevant(rules: Option<Vec<PolicyRule>>) -> Option<Vec<PolicyRule>> {
    let may_matter = |rule: &PolicyRule| {
        let groups = rule.api_groups.as_deref().unwrap_or_default();
        groups.iter().any(|group| group == "*" || group == "security.openshift.io")
    };
    rules.map(|rules| {
        rules.into_iter().map(|rule| if may_matter(&rule) { rule } else { PolicyRule::default() }).collect()
    })
}
