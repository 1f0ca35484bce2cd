//! What a request tells of itself.

use super::sampler::Sampler;
use super::span::{Attribute, Span};
use crate::webhook::Trace;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc::Sender;

/// Spans that a request has at most; it is never more.
const USUAL: usize = 5;

/// Begins traces.
#[derive(Debug)]
pub(crate) struct Tracer {
    sampler: Sampler,
    queue: Sender<Vec<Span>>,
    /// Spans for which there was no room.
    dropped: Arc<AtomicU64>,
    /// Seeded by the system; identifiers have to differ, not to be secret.
    random: RandomState,
    count: AtomicU64,
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct Active {
    tracer: Arc<Tracer>,
    root: Span,
    children: Vec<Span>,
    /// When the root began: how long things took must not depend on who sets the system's clock.
    began: Instant,
}

impl Tracer {
    pub(super) fn new(sampler: Sampler, queue: Sender<Vec<Span>>, dropped: Arc<AtomicU64>) -> Self {
        Self { sampler, queue, dropped, random: RandomState::new(), count: AtomicU64::new(0) }
    }

    /// A span for a request, which goes on with the caller's trace; `None` if it is not sampled.
    pub(crate) fn start(self: &Arc<Self>, name: &'static str, caller: Option<&Trace>) -> Option<Active> {
        let trace = caller.map_or_else(|| self.trace_id(), Trace::trace_id);
        if !self.sampler.samples(trace, caller.map(Trace::is_sampled)) {
            return None;
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let from = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        let root = Span {
            trace,
            id: self.span_id(),
            parent: caller.map(Trace::span_id),
            name,
            is_root: true,
            from,
            to: from,
            attributes: Vec::new(),
            failed: false,
        };
        Some(Active { tracer: Arc::clone(self), root, children: Vec::with_capacity(USUAL), began: Instant::now() })
    }

    fn trace_id(&self) -> [u8; 16] {
        let [high, low] = [self.span_id(), self.span_id()];
        (u128::from(u64::from_be_bytes(high)) << 64 | u128::from(u64::from_be_bytes(low))).to_be_bytes()
    }

    fn span_id(&self) -> [u8; 8] {
        // Zero is no identifier.
        self.random.hash_one(self.count.fetch_add(1, Relaxed)).max(1).to_be_bytes()
    }
}

impl Active {
    /// Nanoseconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        let passed = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.root.from.saturating_add(passed)
    }

    /// A part of the work that began then and ends now.
    pub(crate) fn child(&mut self, name: &'static str, from: u64) {
        let (trace, id, parent) = (self.root.trace, self.tracer.span_id(), Some(self.root.id));
        let (attributes, failed, to) = (Vec::new(), false, self.now());
        self.children.push(Span { trace, id, parent, name, is_root: false, from, to, attributes, failed });
    }

    pub(crate) fn text(&mut self, key: &'static str, value: &str) {
        if !value.is_empty() {
            self.root.attributes.push((key, Attribute::Text(value.to_owned())));
        }
    }

    pub(crate) fn bool(&mut self, key: &'static str, value: bool) {
        self.root.attributes.push((key, Attribute::Bool(value)));
    }

    /// The whole is over, with that HTTP status; it is handed on if there is room.
    pub(crate) fn finish(mut self, status: u16) {
        self.root.attributes.push(("http.response.status_code", Attribute::Int(status.into())));
        self.root.failed = status >= 500;
        self.root.to = self.now();
        self.children.push(self.root);
        let count = self.children.len() as u64;
        if self.tracer.queue.try_send(self.children).is_err() {
            self.tracer.dropped.fetch_add(count, Relaxed);
        }
    }
}
