//! The waivers of a cluster, under the cluster's terms.

use super::object::{Waiver, WaiverError};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::{collections::HashMap, sync::Arc};

/// Which waivers count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The one namespace whose waivers count: who may make objects there, grants.
    pub namespace: String,
    /// How long a waiver may last, from when it was made.
    pub longest: SignedDuration,
}

/// The waivers that count, and those that do not and why.
#[derive(Debug, Clone, Default)]
pub struct Waivers {
    longest: SignedDuration,
    /// By name.
    all: Vec<Arc<Waiver>>,
    /// By the namespace that they are about; the one that lasts longest first, then by name.
    about: HashMap<String, Vec<Arc<Waiver>>>,
    problems: Vec<(String, WaiverError)>,
    elsewhere: Vec<String>,
}

/// What a waiver is worth at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It counts.
    Valid,
    /// Its time is over.
    Expired,
    /// It does not count.
    Invalid(WaiverError),
}

impl Waivers {
    /// Takes `Waiver` objects in any order. Those of other namespaces do not count.
    pub fn new<'o>(terms: &Terms, objects: impl IntoIterator<Item = &'o Value>) -> Self {
        let mut waivers = Self { longest: terms.longest, ..Self::default() };
        for object in objects {
            let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let namespace = Some(text("/metadata/namespace")).filter(|name| !name.is_empty()).unwrap_or("default");
            let title = format!("{namespace}/{}", text("/metadata/name"));
            if namespace != terms.namespace {
                waivers.elsewhere.push(title);
                continue;
            }
            match Waiver::read(object) {
                Ok(waiver) => match waivers.check(&waiver, waiver.created) {
                    Err(error) => waivers.problems.push((title, error)),
                    Ok(()) => waivers.all.push(Arc::new(waiver)),
                },
                Err(error) => waivers.problems.push((title, error)),
            }
        }
        waivers.all.sort_by(|a, b| a.name.cmp(&b.name));
        waivers.problems.sort_by(|(a, _), (b, _)| a.cmp(b));
        waivers.elsewhere.sort_unstable();
        for waiver in &waivers.all {
            for namespace in &waiver.namespaces {
                let about = waivers.about.entry(namespace.clone()).or_default();
                // A namespace that is named twice is meant once.
                if !about.iter().any(|known| Arc::ptr_eq(known, waiver)) {
                    about.push(Arc::clone(waiver));
                }
            }
        }
        for about in waivers.about.values_mut() {
            about.sort_by(|a, b| b.expires.cmp(&a.expires).then_with(|| a.name.cmp(&b.name)));
        }
        waivers
    }

    /// Whether a waiver that was made then ends soon enough. Without knowing when it was made, nobody can tell yet.
    fn check(&self, waiver: &Waiver, from: Option<Timestamp>) -> Result<(), WaiverError> {
        let Some(from) = from else { return Ok(()) };
        let until = from.saturating_add(self.longest).unwrap_or(Timestamp::MAX);
        if waiver.expires > until {
            return Err(WaiverError::TooLong { expires: waiver.expires, until });
        }
        Ok(())
    }

    /// What a waiver is worth now. Where it is not known when it was made, it must end within the longest time from now.
    pub fn state(&self, waiver: &Waiver, now: Timestamp) -> State {
        if waiver.expires <= now {
            return State::Expired;
        }
        match self.check(waiver, waiver.created.or(Some(now))) {
            Ok(()) => State::Valid,
            Err(error) => State::Invalid(error),
        }
    }

    /// The waivers that can be read, by name; some may have expired.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Waiver>> {
        self.all.iter()
    }

    /// Those about a namespace, in the order in which they are taken.
    pub(super) fn about(&self, namespace: &str) -> &[Arc<Waiver>] {
        self.about.get(namespace).map_or(&[], Vec::as_slice)
    }

    /// The waivers that never count, by namespace and name, with the reason.
    pub fn problems(&self) -> &[(String, WaiverError)] {
        &self.problems
    }

    /// The waivers of other namespaces, which do not count, by namespace and name.
    pub fn elsewhere(&self) -> &[String] {
        &self.elsewhere
    }
}
