//! Pods: for each its name, what made it, and a template that all pods like it share.

use super::store::Store;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use parking_lot::RwLock;
use ringfence_admission::cluster::{Alike, Body};
use ringfence_admission::decode::{DecodeError, decode, decode_pod};
use ringfence_admission::pod_security::{Owner, template, template_for_constraints};
use ringfence_live::Shared;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

/// How many pods are handed over between two moments at which they may change.
const TOGETHER: usize = 256;

/// How many kinds of pods are kept as they were read while they are looked at.
const READ: usize = 1024;

/// Whoever writes comes before those who read next, as no lock of the standard library promises: who reads one namespace
/// after another would keep changes, and the thread that has them at hand, waiting for seconds.
#[derive(Debug, Default)]
pub(super) struct Pods {
    all: RwLock<All>,
    /// Whether to keep what constraints are chosen by, too.
    for_constraints: bool,
}

#[derive(Debug, Default)]
struct All {
    by_namespace: HashMap<Box<str>, Together>,
    templates: Shared<str>,
    owners: Shared<Owner>,
    /// The number of the list that is read or was read last.
    list: u32,
    count: usize,
    /// How often pods changed.
    changes: u64,
}

/// The pods of a namespace.
#[derive(Debug, Default)]
struct Together {
    by_name: BTreeMap<Box<str>, Entry>,
    /// The number of the last change.
    revision: u64,
}

/// A pod.
#[derive(Debug)]
struct Entry {
    /// JSON, which is a tenth of what the pod would take.
    template: Arc<str>,
    owner: Option<Arc<Owner>>,
    list: u32,
}

/// A few pods, one after another.
#[derive(Debug, Default)]
struct Handful {
    /// All names, one behind the other.
    names: String,
    /// Where each name ends, and what it is the name of.
    pods: Vec<(usize, Arc<str>, Option<Arc<Owner>>)>,
}

impl Handful {
    fn last(&self) -> Option<&str> {
        let from = self.pods.len().checked_sub(2).and_then(|before| self.pods.get(before)).map_or(0, |(to, ..)| *to);
        self.names.get(from..).filter(|_| !self.pods.is_empty())
    }
}

impl Pods {
    /// Nothing yet; if constraints count, what they are chosen by is kept, too.
    pub(super) fn new(for_constraints: bool) -> Self {
        Self { for_constraints, ..Self::default() }
    }

    /// How many pods there are, and how many different ones.
    pub(super) fn len(&self) -> (usize, usize) {
        let all = self.all.read();
        (all.count, all.templates.len())
    }

    /// Hands over the pods of a namespace by name. They may change meanwhile: what is handed over was there at one time.
    pub(super) fn each(&self, namespace: &str, visit: &mut dyn FnMut(Alike<'_>) -> ControlFlow<()>) {
        // What was handed over goes by its address, which must be nothing else's until the end.
        let mut kept: HashMap<usize, (Body<'_>, bool)> = HashMap::new();
        let mut handful = Handful::default();
        while self.some(namespace, &mut handful) {
            let mut from = 0;
            for (to, template, owner) in &handful.pods {
                let number = Arc::as_ptr(template).addr();
                let has_room = kept.len() < READ;
                let (body, stays) = kept.entry(number).or_insert_with(|| (Body::kept(Arc::clone(template)), has_room));
                let name = handful.names.get(from..*to).unwrap_or_default();
                from = *to;
                let alike = Alike { name, owner: owner.as_deref(), template: Some(number), pod: body };
                if visit(alike).is_break() {
                    return;
                }
                if !*stays {
                    body.forget();
                }
            }
        }
    }

    /// The next pods of the namespace. Nobody waits while they are looked at.
    fn some(&self, namespace: &str, handful: &mut Handful) -> bool {
        let all = self.all.read();
        let after = match handful.last() {
            Some(last) => Bound::Excluded(last),
            None => Bound::Unbounded,
        };
        let pods = all.by_namespace.get(namespace).map(|pods| pods.by_name.range::<str, _>((after, Bound::Unbounded)));
        let mut next = Handful::default();
        for (name, entry) in pods.into_iter().flatten().take(TOGETHER) {
            next.names.push_str(name);
            next.pods.push((next.names.len(), Arc::clone(&entry.template), entry.owner.clone()));
        }
        *handful = next;
        !handful.pods.is_empty()
    }

    /// Another number whenever pods of the namespace are others than before.
    pub(super) fn revision(&self, namespace: &str) -> u64 {
        let all = self.all.read();
        // Numbers are given out once, so that a namespace which went and came again is another.
        all.by_namespace.get(namespace).map_or(0, |pods| pods.revision)
    }
}

impl Store for Pods {
    fn begin(&self) {
        self.all.write().list += 1;
    }

    fn put(&self, object: &RawValue) -> Result<(), DecodeError> {
        // The quicker way passes over what only constraints read.
        let pod: Pod = if self.for_constraints { decode(object.get())? } else { decode_pod(object.get())? };
        let (namespace, name) =
            (pod.metadata.namespace.clone().unwrap_or_default(), pod.metadata.name.clone().unwrap_or_default());
        let owner = Owner::of(&pod);
        let template = if self.for_constraints { template_for_constraints(pod) } else { template(pod) };
        let json = serde_json::to_string(&template).map_err(|error| DecodeError::new(error.to_string()))?;
        let mut all = self.all.write();
        let all = &mut *all;
        let template = match all.templates.known(json.as_bytes()) {
            Some(known) => known,
            None if serde_json::from_str::<Pod>(&json).is_ok_and(|read| read == template) => {
                all.templates.share(json.as_bytes(), json.as_str())
            }
            None => return Err(DecodeError::new("what is to be kept of it cannot be read again")),
        };
        let owner = owner.map(|owner| all.owners.share(&owner.uid.clone().into_bytes(), owner));
        let entry = Entry { template, owner, list: all.list };
        if !all.by_namespace.contains_key(namespace.as_str()) {
            all.by_namespace.insert(namespace.as_str().into(), Together::default());
        }
        let Some(pods) = all.by_namespace.get_mut(namespace.as_str()) else { return Ok(()) };
        let is_new = |old: &Entry| !Arc::ptr_eq(&old.template, &entry.template) || old.owner != entry.owner;
        // A list that brings nothing new is no change.
        if pods.by_name.get(name.as_str()).is_none_or(is_new) {
            all.changes += 1;
            pods.revision = all.changes;
        }
        let before = pods.by_name.insert(name.into(), entry);
        all.count += usize::from(before.is_none());
        Ok(())
    }

    fn remove(&self, namespace: &str, name: &str) {
        let mut all = self.all.write();
        let all = &mut *all;
        let Some(pods) = all.by_namespace.get_mut(namespace) else { return };
        if pods.by_name.remove(name).is_none() {
            return;
        }
        all.count -= 1;
        all.changes += 1;
        pods.revision = all.changes;
        if pods.by_name.is_empty() {
            all.by_namespace.remove(namespace);
        }
    }

    fn finish(&self) {
        let mut all = self.all.write();
        let all = &mut *all;
        let list = all.list;
        all.by_namespace.retain(|_, pods| {
            let before = pods.by_name.len();
            pods.by_name.retain(|_, entry| entry.list == list);
            if pods.by_name.len() != before {
                all.changes += 1;
                pods.revision = all.changes;
            }
            !pods.by_name.is_empty()
        });
        all.count = all.by_namespace.values().map(|pods| pods.by_name.len()).sum();
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
    Pod { metadata, ..(**alike.pod).clone() }
}

#[cfg(test)]
mod tests;
