//! Waivers of the one namespace whose waivers count.

use super::store::Store;
use ringfence_admission::decode::DecodeError;
use ringfence_admission::waiver::{Terms, Waivers};
use ringfence_live::name_of;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// By name, with the list that each was last in.
#[derive(Debug, Default)]
struct Objects {
    all: BTreeMap<String, (Value, u32)>,
    list: u32,
}

#[derive(Debug)]
pub(super) struct Kept {
    terms: Terms,
    objects: Mutex<Objects>,
    /// What follows from them. Only whole sets go in, so that a poisoned lock is as good as new.
    made: RwLock<Arc<Waivers>>,
}

impl Kept {
    pub(super) fn new(terms: Terms) -> Self {
        let made = RwLock::new(Arc::new(Waivers::new(&terms, [])));
        Self { terms, objects: Mutex::default(), made }
    }

    pub(super) fn terms(&self) -> &Terms {
        &self.terms
    }

    pub(super) fn all(&self) -> Arc<Waivers> {
        Arc::clone(&self.made.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, change: impl FnOnce(&mut Objects), whole: bool) {
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut objects);
        if !whole {
            return;
        }
        let made = Waivers::new(&self.terms, objects.all.values().map(|(object, _)| object));
        let known = self.all();
        // A waiver that does not count is told of once, not with each change of another.
        for (title, error) in made.problems().iter().filter(|problem| !known.problems().contains(problem)) {
            tracing::warn!(waiver = %title, %error, "a waiver does not count");
        }
        *self.made.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(made);
    }
}

impl Store for Kept {
    fn begin(&self) {
        self.change(|objects| objects.list += 1, false);
    }

    fn put(&self, object: &RawValue) -> Result<(), DecodeError> {
        let (_, name) = name_of(object);
        let read: Result<Value, _> = serde_json::from_str(object.get());
        match read {
            Ok(mut value) => {
                slim(&mut value);
                self.change(|objects| drop(objects.all.insert(name, (value, objects.list))), true);
                Ok(())
            }
            Err(error) => {
                // What is not understood does not count, and neither does what was there before.
                self.change(|objects| drop(objects.all.remove(&name)), true);
                Err(DecodeError::new(error.to_string()))
            }
        }
    }

    fn remove(&self, _: &str, name: &str) {
        self.change(|objects| drop(objects.all.remove(name)), true);
    }

    fn finish(&self) {
        self.change(|objects| objects.all.retain(|_, (_, at)| *at == objects.list), true);
    }
}

/// Only what counts is kept: the managers of fields may be longer than the waiver.
fn slim(object: &mut Value) {
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.retain(|key, _| ["name", "namespace", "creationTimestamp"].contains(&key.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::jiff::SignedDuration;
    use serde_json::json;

    fn raw(name: &str, control: &str) -> Box<RawValue> {
        let object = json!({"metadata": {"name": name, "namespace": "waivers", "managedFields": [{}]}, "spec": {
            "namespaces": ["shop"], "workload": {"every": true}, "podFields": true, "controls": [control],
            "expires": "2026-06-01T00:00:00Z", "owner": "o", "reason": "r"}});
        serde_json::value::to_raw_value(&object).unwrap()
    }

    #[test]
    fn follows_the_objects_and_drops_what_it_cannot_read() {
        let kept = Kept::new(Terms { namespace: "waivers".to_owned(), longest: SignedDuration::from_hours(24) });
        let names = || kept.all().iter().map(|waiver| waiver.name.clone()).collect::<Vec<_>>();
        kept.begin();
        kept.put(&raw("a", "privileged")).unwrap();
        kept.put(&raw("b", "hostPorts")).unwrap();
        kept.finish();
        assert_eq!(names(), ["a", "b"]);
        // A change that makes it invalid takes it away, and a list without it, too.
        kept.put(&raw("a", "nonsense")).unwrap();
        assert_eq!((names(), kept.all().problems().len()), (vec!["b".to_owned()], 1));
        kept.begin();
        kept.put(&raw("a", "privileged")).unwrap();
        kept.finish();
        assert_eq!(names(), ["a"]);
        kept.remove("waivers", "a");
        assert!(names().is_empty());
    }
}
