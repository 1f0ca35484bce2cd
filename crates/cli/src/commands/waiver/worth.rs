//! What people want to know first of a waiver.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use ringfence_admission::waiver::{Reach, State, Usage, Waiver};

/// What a waiver is worth, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Worth {
    /// It never counts.
    Invalid,
    /// Its time is over.
    Expired,
    /// It counts, and nothing that runs needs it.
    Unused,
    /// It counts and is needed, but not for long.
    ExpiresSoon,
    /// It counts, and something needs it.
    Good,
}

impl Worth {
    pub(super) const ALL: [Self; 5] = [Self::Good, Self::ExpiresSoon, Self::Unused, Self::Expired, Self::Invalid];
}

/// A waiver, and what there is to say of it.
pub(super) struct Told {
    /// Namespace and name.
    pub(super) title: String,
    /// Why it does not count, if it never does.
    pub(super) error: Option<String>,
    /// What it does; nothing of one in another namespace.
    pub(super) usage: Usage,
    pub(super) worth: Worth,
    /// Whether it counts, and not for long.
    pub(super) expires_soon: bool,
    /// Whether it counts, and nothing needs it as far as pods are known.
    pub(super) unused: bool,
    pub(super) now: Timestamp,
}

impl Told {
    pub(super) fn new(usage: Usage, now: Timestamp, soon: SignedDuration, knows_pods: bool) -> Self {
        let counts = usage.state == State::Valid && usage.waiver.is_some();
        let expires_soon = counts && left(usage.waiver.as_deref(), now) <= soon;
        let unused = counts && knows_pods && usage.reach != Reach::Needed;
        let worth = match &usage.state {
            State::Expired => Worth::Expired,
            State::Valid if unused => Worth::Unused,
            State::Valid if expires_soon => Worth::ExpiresSoon,
            State::Valid if counts => Worth::Good,
            State::Valid | State::Invalid(_) => Worth::Invalid,
        };
        let error = if let State::Invalid(error) = &usage.state { Some(error.to_string()) } else { None };
        Self { title: usage.title.clone(), error, usage, worth, expires_soon, unused, now }
    }

    /// One that is not where waivers count.
    pub(super) fn elsewhere(title: &str, counting: &str) -> Self {
        Self {
            title: title.to_owned(),
            error: Some(format!("only the waivers of the namespace {counting} do")),
            usage: Usage {
                title: title.to_owned(),
                waiver: None,
                state: State::Valid,
                needed_by: std::collections::BTreeMap::new(),
                reach: Reach::Nothing,
            },
            worth: Worth::Invalid,
            expires_soon: false,
            unused: false,
            now: Timestamp::UNIX_EPOCH,
        }
    }

    /// Whether somebody who says this name means it: with its namespace or without, and then of the one that counts.
    pub(super) fn is_called(&self, name: &str, counting: &str) -> bool {
        self.title == name || self.title.strip_prefix(counting).and_then(|rest| rest.strip_prefix('/')) == Some(name)
    }

    /// How long it will count; negative if it does not any more.
    pub(super) fn left(&self) -> SignedDuration {
        left(self.usage.waiver.as_deref(), self.now)
    }
}

fn left(waiver: Option<&Waiver>, now: Timestamp) -> SignedDuration {
    waiver.map_or(SignedDuration::ZERO, |waiver| waiver.expires.duration_since(now))
}
