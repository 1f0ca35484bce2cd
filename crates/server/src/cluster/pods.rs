//! Pods: for each its name, what made it, and a template that all pods like it share.

use super::store::Store;
use super::template::template;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use ringfence_admission::cluster::Alike;
use ringfence_admission::decode::{DecodeError, decode};
use ringfence_admission::pod_security::Owner;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError, RwLock, Weak};

#[derive(Debug, Default)]
pub(super) struct Pods {
    all: RwLock<All>,
}

#[derive(Debug, Default)]
struct All {
    by_namespace: HashMap<Box<str>, BTreeMap<Box<str>, Entry>>,
    templates: Shared<Pod>,
    owners: Shared<Owner>,
    /// The number of the list that is read or was read last.
    list: u32,
    count: usize,
}

/// A pod.
#[derive(Debug)]
struct Entry {
    template: Arc<Pod>,
    owner: Option<Arc<Owner>>,
    list: u32,
}

impl Pods {
    /// How many pods there are, and how many different ones.
    pub(super) fn len(&self) -> (usize, usize) {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        (all.count, all.templates.by_hash.len())
    }

    /// Hands over the pods of a namespace by name.
    pub(super) fn each(&self, namespace: &str, visit: &mut dyn FnMut(Alike<'_>) -> ControlFlow<()>) {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        for (name, entry) in all.by_namespace.get(namespace).into_iter().flatten() {
            let template = Some(Arc::as_ptr(&entry.template).addr());
            let alike = Alike { name, owner: entry.owner.as_deref(), template, pod: &entry.template };
            if visit(alike).is_break() {
                return;
            }
        }
    }
}

impl Store for Pods {
    fn begin(&self) {
        self.all.write().unwrap_or_else(PoisonError::into_inner).list += 1;
    }

    fn put(&self, object: &RawValue) -> Result<(), DecodeError> {
        let pod: Pod = decode(object.get())?;
        let (namespace, name) =
            (pod.metadata.namespace.clone().unwrap_or_default(), pod.metadata.name.clone().unwrap_or_default());
        let owner = Owner::of(&pod);
        let template = template(pod);
        let key = serde_json::to_vec(&template).map_err(|error| DecodeError::new(error.to_string()))?;
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        let all = &mut *all;
        let template = all.templates.share(&key, template);
        let owner = owner.map(|owner| all.owners.share(&owner.uid.clone().into_bytes(), owner));
        let entry = Entry { template, owner, list: all.list };
        let before = if let Some(pods) = all.by_namespace.get_mut(namespace.as_str()) {
            pods.insert(name.into(), entry)
        } else {
            all.by_namespace.insert(namespace.into(), BTreeMap::from([(name.into(), entry)]));
            None
        };
        all.count += usize::from(before.is_none());
        Ok(())
    }

    fn remove(&self, namespace: &str, name: &str) {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        let Some(pods) = all.by_namespace.get_mut(namespace) else { return };
        let gone = pods.remove(name).is_some();
        if pods.is_empty() {
            all.by_namespace.remove(namespace);
        }
        all.count -= usize::from(gone);
    }

    fn finish(&self) {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        let list = all.list;
        all.by_namespace.retain(|_, pods| {
            pods.retain(|_, entry| entry.list == list);
            !pods.is_empty()
        });
        all.count = all.by_namespace.values().map(BTreeMap::len).sum();
    }
}

/// The pod with its name and owner, and without what nobody keeps.
pub(super) fn whole(namespace: &str, alike: Alike<'_>) -> Pod {
    let owner = alike.owner.map(|owner| OwnerReference {
        api_version: owner.api_version.clone(),
        kind: owner.kind.clone(),
        name: owner.name.clone(),
        uid: owner.uid.clone(),
        controller: Some(true),
        block_owner_deletion: None,
    });
    let metadata = ObjectMeta {
        name: Some(alike.name.to_owned()),
        namespace: Some(namespace.to_owned()),
        owner_references: owner.map(|owner| vec![owner]),
        ..alike.pod.metadata.clone()
    };
    Pod { metadata, ..alike.pod.clone() }
}

/// Values that are kept once, for as long as somebody has them.
#[derive(Debug)]
struct Shared<T> {
    /// By two keyed hashes of what tells them apart, which nobody outside can make collide.
    by_hash: HashMap<(u64, u64), Weak<T>>,
    keys: (RandomState, RandomState),
    /// When to look for those that nobody has any more.
    sweep_at: usize,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self { by_hash: HashMap::new(), keys: Default::default(), sweep_at: 64 }
    }
}

impl<T> Shared<T> {
    fn share(&mut self, key: &[u8], value: T) -> Arc<T> {
        let hash = (self.keys.0.hash_one(key), self.keys.1.hash_one(key));
        if let Some(known) = self.by_hash.get(&hash).and_then(Weak::upgrade) {
            return known;
        }
        if self.by_hash.len() >= self.sweep_at {
            self.by_hash.retain(|_, value| value.strong_count() > 0);
            self.by_hash.shrink_to_fit();
            self.sweep_at = (self.by_hash.len() * 2).max(64);
        }
        let value = Arc::new(value);
        self.by_hash.insert(hash, Arc::downgrade(&value));
        value
    }
}

#[cfg(test)]
mod tests;
