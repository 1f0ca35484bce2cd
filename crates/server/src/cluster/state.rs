//! How far each kind of object is known, and how fresh that is.

use ringfence_admission::cluster::Kind;
use ringfence_ui::Freshness;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The kinds that are watched.
const WATCHED: [Kind; 8] = [
    Kind::Namespace,
    Kind::Pod,
    Kind::SecurityContextConstraints,
    Kind::Role,
    Kind::ClusterRole,
    Kind::RoleBinding,
    Kind::ClusterRoleBinding,
    Kind::Waiver,
];

/// One kind of object.
#[derive(Debug)]
pub(super) struct State {
    began: Instant,
    listed: AtomicBool,
    absent: AtomicBool,
    /// Milliseconds after `began` at which the server was last heard of.
    alive: AtomicU64,
    lists: AtomicU64,
    failures: AtomicU64,
    /// Why nothing is heard of the server, since it last was.
    trouble: Mutex<Option<String>>,
}

impl State {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            listed: AtomicBool::new(false),
            absent: AtomicBool::new(false),
            alive: AtomicU64::new(0),
            lists: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            trouble: Mutex::default(),
        }
    }

    /// Whether the objects are known, or it is known that there is no such kind.
    pub(super) fn is_settled(&self) -> bool {
        self.listed.load(Relaxed) || self.absent.load(Relaxed)
    }

    /// Whether the objects are known.
    pub(super) fn is_present(&self) -> bool {
        self.listed.load(Relaxed)
    }

    pub(super) fn listed(&self) {
        self.listed.store(true, Relaxed);
        self.absent.store(false, Relaxed);
        self.lists.fetch_add(1, Relaxed);
    }

    pub(super) fn absent(&self) {
        self.absent.store(true, Relaxed);
        self.listed.store(false, Relaxed);
        self.alive();
    }

    pub(super) fn alive(&self) {
        self.alive.store(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX), Relaxed);
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Something that was heard is of no use.
    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Relaxed);
    }

    /// Nothing can be heard for now.
    pub(super) fn troubled(&self, why: String) {
        self.failed();
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    /// For how long the server has not been heard of.
    fn silence(&self) -> Duration {
        self.began.elapsed().saturating_sub(Duration::from_millis(self.alive.load(Relaxed)))
    }
}

/// Every kind that is watched.
#[derive(Debug)]
pub(super) struct States([Arc<State>; WATCHED.len()], Arc<State>);

impl Default for States {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Arc::new(State::new())), Arc::new(State::new()))
    }
}

impl States {
    pub(super) fn is_watched(kind: Kind) -> bool {
        WATCHED.contains(&kind)
    }

    /// The state of a kind; one that is never settled if it is not watched.
    pub(super) fn of(&self, kind: Kind) -> Arc<State> {
        let at = WATCHED.iter().position(|watched| *watched == kind);
        Arc::clone(at.and_then(|at| self.0.get(at)).unwrap_or(&self.1))
    }

    /// What is known is as fresh as the kind that was not heard of for longest. A kind that is known not to exist tells
    /// nothing: it is asked for anew now and then.
    pub(super) fn freshness(&self) -> Freshness {
        let known = || self.0.iter().filter(|state| state.is_present());
        let trouble = |state: &Arc<State>| state.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let troubled =
            known().filter_map(|state| Some((state.silence(), trouble(state)?))).max_by_key(|(for_, _)| *for_);
        let silence = || known().map(|state| state.silence()).max().unwrap_or_default();
        let (silence, trouble) = troubled.map_or_else(|| (silence(), None), |(silence, why)| (silence, Some(why)));
        Freshness { heard_seconds_ago: silence.as_secs(), trouble }
    }

    pub(super) fn render(&self, out: &mut String) {
        metric(out, self, "ringfence_watch_lists_total", "counter", "Whole lists that were read.", |state| {
            state.lists.load(Relaxed).to_string()
        });
        metric(out, self, "ringfence_watch_failures_total", "counter", "Lists and watches that failed.", |state| {
            state.failures.load(Relaxed).to_string()
        });
        let help = "Time since the API server was last heard of.";
        metric(out, self, "ringfence_watch_silence_seconds", "gauge", help, |state| {
            state.silence().as_secs_f64().to_string()
        });
    }
}

fn metric(out: &mut String, states: &States, name: &str, kind: &str, help: &str, value: impl Fn(&State) -> String) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for (kind, state) in WATCHED.iter().zip(&states.0).filter(|(_, state)| state.is_settled()) {
        let _ = writeln!(out, "{name}{{resource=\"{}\"}} {}", kind.resource(), value(state));
    }
}
