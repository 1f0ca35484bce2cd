//! Namespaces: of their metadata only what decides something.

use super::store::Store;
use k8s_openapi::api::core::v1::{Namespace, NamespaceStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use ringfence_admission::decode::{DecodeError, decode};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};

/// Labels and annotations that decide something.
const PREFIXES: [&str; 4] =
    ["pod-security.kubernetes.io/", "openshift.io/", "security.openshift.io/", "ringfence.dev/"];

#[derive(Debug, Default)]
pub(super) struct Namespaces {
    /// With the list that they were last in. Only whole entries go in, so that a poisoned lock is as good as new.
    all: RwLock<HashMap<String, (Arc<Namespace>, u32)>>,
    list: AtomicU32,
    /// How often annotations changed, on which security context constraints depend.
    revision: AtomicU64,
}

impl Namespaces {
    pub(super) fn get(&self, name: &str) -> Option<Arc<Namespace>> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.get(name).map(|(namespace, _)| Arc::clone(namespace))
    }

    pub(super) fn len(&self) -> usize {
        self.all.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(super) fn revision(&self) -> u64 {
        self.revision.load(Relaxed)
    }

    pub(super) fn each(&self, visit: &mut dyn FnMut(&Namespace)) {
        let mut all: Vec<_> = {
            let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
            all.iter().map(|(name, (namespace, _))| (name.clone(), Arc::clone(namespace))).collect()
        };
        all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        for (_, namespace) in &all {
            visit(namespace);
        }
    }
}

impl Store for Namespaces {
    fn begin(&self) {
        self.list.fetch_add(1, Relaxed);
    }

    fn put(&self, object: &RawValue) -> Result<(), DecodeError> {
        let namespace = slim(decode::<Namespace>(object.get())?);
        let name = namespace.metadata.name.clone().unwrap_or_default();
        let entry = (Arc::new(namespace), self.list.load(Relaxed));
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        let annotations = entry.0.metadata.annotations.clone();
        if all.insert(name, entry).is_none_or(|(old, _)| old.metadata.annotations != annotations) {
            self.revision.fetch_add(1, Relaxed);
        }
        Ok(())
    }

    fn remove(&self, _: &str, name: &str) {
        self.all.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        self.revision.fetch_add(1, Relaxed);
    }

    fn finish(&self) {
        let list = self.list.load(Relaxed);
        self.all.write().unwrap_or_else(PoisonError::into_inner).retain(|_, (_, at)| *at == list);
        self.revision.fetch_add(1, Relaxed);
    }
}

/// What is kept of a namespace.
pub(super) fn slim(namespace: Namespace) -> Namespace {
    let keep = |map: Option<BTreeMap<String, String>>| {
        let mut map = map?;
        map.retain(|key, _| PREFIXES.iter().any(|prefix| key.starts_with(prefix)));
        (!map.is_empty()).then_some(map)
    };
    let ObjectMeta { name, labels, annotations, .. } = namespace.metadata;
    let phase = namespace.status.and_then(|status| status.phase).filter(|phase| phase == "Terminating");
    Namespace {
        metadata: ObjectMeta { name, labels: keep(labels), annotations: keep(annotations), ..ObjectMeta::default() },
        spec: None,
        status: phase.map(|phase| NamespaceStatus { phase: Some(phase), ..NamespaceStatus::default() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn raw(value: &serde_json::Value) -> Box<RawValue> {
        serde_json::value::to_raw_value(value).unwrap()
    }

    #[test]
    fn what_a_new_list_has_not_is_gone_and_only_then() {
        let namespaces = Namespaces::default();
        namespaces.begin();
        namespaces.put(&raw(&json!({"metadata": {"name": "a", "labels": {"team": "x"}}}))).unwrap();
        namespaces.put(&raw(&json!({"metadata": {"name": "b"}}))).unwrap();
        namespaces.finish();
        assert_eq!(namespaces.get("a").unwrap().metadata.labels, None);
        namespaces.begin();
        namespaces.put(&raw(&json!({"metadata": {"name": "b"}}))).unwrap();
        assert!(namespaces.get("a").is_some());
        namespaces.finish();
        assert!(namespaces.get("a").is_none() && namespaces.get("b").is_some());
    }
}
