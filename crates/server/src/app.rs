//! What every request has at hand.

use crate::metrics::Metrics;
use crate::settings::{Fail, Limits};
use crate::source::Source;
use ringfence_admission::pod_security::PodSecurity;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tokio::sync::Semaphore;

/// What every request has at hand.
pub(crate) struct App {
    pub(crate) pod_security: PodSecurity,
    pub(crate) source: Arc<dyn Source>,
    pub(crate) fail: Fail,
    pub(crate) metrics: Metrics,
    /// For the bodies of all requests together.
    pub(crate) room: Semaphore,
    draining: AtomicBool,
}

impl App {
    pub(crate) fn new(pod_security: PodSecurity, source: Arc<dyn Source>, fail: Fail, limits: &Limits) -> Self {
        Self {
            pod_security,
            source,
            fail,
            metrics: Metrics::default(),
            room: crate::http::room(limits.bodies),
            draining: AtomicBool::new(false),
        }
    }

    /// From now on nobody is to send new requests here.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Relaxed);
    }

    /// Why no request should be sent here.
    pub(crate) fn not_ready(&self) -> Option<&'static str> {
        if self.draining.load(Relaxed) {
            return Some("shutting down");
        }
        self.source.cluster().err()
    }

    pub(crate) fn metrics_text(&self) -> String {
        let mut text = self.metrics.render();
        self.source.metrics(&mut text);
        text
    }
}
