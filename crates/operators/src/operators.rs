//! The operators that a run knows, and what is in a document for them.

use std::sync::OnceLock;

use ringfence_manifest::{Document, Unreadable, Workload};

use crate::derive::{Derived, derive};
use crate::profile::Profile;
use crate::settings::{Installed, OperatorSetting, Platform, SettingError};

/// A profile that comes with ringfence, read when it is first needed.
#[derive(Debug)]
struct BuiltIn {
    name: &'static str,
    text: &'static str,
    /// What the API groups of its resources end in.
    groups: &'static str,
}

const BUILT_IN: [BuiltIn; 3] = [
    BuiltIn { name: "eck", text: include_str!("builtin/eck.yaml"), groups: ".k8s.elastic.co" },
    BuiltIn {
        name: "redis-enterprise",
        text: include_str!("builtin/redis-enterprise.yaml"),
        groups: crate::redis::GROUP,
    },
    BuiltIn { name: "olm", text: include_str!("builtin/olm.yaml"), groups: "operators.coreos.com" },
];

/// The operators that are known, each with its version and settings.
#[derive(Clone, Debug)]
pub struct Operators {
    platform: Platform,
    operators: Vec<Operator>,
}

#[derive(Clone, Debug)]
struct Operator {
    name: String,
    /// What the API groups of its resources end in; empty where the profile has been read anyway.
    groups: &'static str,
    installed: OnceLock<Option<Installed>>,
    /// A built-in profile's place.
    built_in: Option<usize>,
}

/// An object of a document.
#[derive(Clone, Debug)]
pub enum Item {
    /// A workload as it is written, or why it could not be read.
    Workload(Result<Box<Workload>, Box<Unreadable>>),
    /// What an operator makes of a custom resource.
    Derived(Box<Derived>),
    /// Anything else.
    Other {
        /// Its `apiVersion`.
        api_version: String,
        /// Its `kind`.
        kind: String,
    },
}

/// The profiles that come with ringfence: ECK, Redis Enterprise and OLM.
pub fn built_in() -> impl Iterator<Item = &'static Profile> {
    (0..BUILT_IN.len()).filter_map(built_in_profile)
}

fn built_in_profile(index: usize) -> Option<&'static Profile> {
    static READ: [OnceLock<Option<Profile>>; BUILT_IN.len()] = [const { OnceLock::new() }; BUILT_IN.len()];
    let (cell, built_in) = READ.get(index).zip(BUILT_IN.get(index))?;
    // A test reads each of them, and finds nothing wrong.
    cell.get_or_init(|| Profile::read(built_in.text.as_bytes()).ok().and_then(|mut read| read.pop())).as_ref()
}

impl Default for Operators {
    fn default() -> Self {
        Self::new(Platform::default())
    }
}

impl Operator {
    fn installed(&self, platform: Platform) -> Option<&Installed> {
        let read = || {
            let profile = self.built_in.and_then(built_in_profile)?;
            Some(Installed::new(profile.clone(), platform))
        };
        self.installed.get_or_init(read).as_ref()
    }
}

impl Operators {
    /// The built-in ones, on this platform.
    #[must_use]
    pub fn new(platform: Platform) -> Self {
        let operators = BUILT_IN.iter().enumerate().map(|(i, built_in)| Operator {
            name: built_in.name.to_owned(),
            groups: built_in.groups,
            installed: OnceLock::new(),
            built_in: Some(i),
        });
        Self { platform, operators: operators.collect() }
    }

    /// Adds a profile, in place of one of the same name.
    pub fn add(&mut self, profile: Profile) {
        let name = profile.name().to_owned();
        let installed = OnceLock::from(Some(Installed::new(profile, self.platform)));
        let operator = Operator { name, groups: "", installed, built_in: None };
        match self.operators.iter_mut().find(|known| known.name == operator.name) {
            Some(known) => *known = operator,
            None => self.operators.push(operator),
        }
    }

    /// Applies what is said of an operator.
    pub fn set(&mut self, setting: &OperatorSetting) -> Result<(), SettingError> {
        let platform = self.platform;
        if let Some(known) = self.operators.iter_mut().find(|known| known.name == setting.name)
            && known.installed(platform).is_some()
            && let Some(Some(installed)) = known.installed.get_mut()
        {
            return installed.set(setting);
        }
        let known: Vec<_> = self.operators.iter().map(|known| known.name.as_str()).collect();
        Err(SettingError::Operator { name: setting.name.clone(), known: known.join(", ") })
    }

    /// The profiles, in the order in which they were added: the last one that knows a kind has it.
    pub fn profiles(&self) -> impl Iterator<Item = &Profile> {
        self.operators.iter().filter_map(|known| known.installed(self.platform)).map(|installed| &installed.profile)
    }

    /// What the document holds, lists opened up, in the order of the text.
    pub fn items(&self, document: &Document<'_>) -> Vec<Item> {
        self.items_with(document, document.contents().workloads)
    }

    /// As [`items`](Self::items), with workloads that have been read already.
    pub fn items_with(&self, document: &Document<'_>, workloads: Vec<Result<Workload, Box<Unreadable>>>) -> Vec<Item> {
        let mut workloads = workloads.into_iter();
        let mut items = vec![];
        for object in document.objects() {
            if object.workload.is_some() {
                items.extend(workloads.next().map(|workload| Item::Workload(workload.map(Box::new))));
                continue;
            }
            let group = object.api_version.split_once('/').map_or("", |(group, _)| group);
            let known = self.operators.iter().rev().find_map(|operator| {
                let asked = group.ends_with(operator.groups).then_some(operator)?;
                let installed = asked.installed(self.platform)?;
                let resources = &installed.profile.spec().resources;
                let index = resources.iter().position(|known| known.group == group && known.kind == object.kind)?;
                Some((installed, index))
            });
            items.push(match known {
                Some((installed, index)) => Item::Derived(Box::new(derive(document, &object, installed, index))),
                None => Item::Other { api_version: object.api_version.to_owned(), kind: object.kind.to_owned() },
            });
        }
        items
    }
}
