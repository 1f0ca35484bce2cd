//! What every request has at hand.

use crate::certificates::Kept;
use crate::events::Events;
use crate::metrics::Metrics;
use crate::otel::{Counts, Exporter, Tracer};
use crate::settings::{Fail, Settings};
use crate::source::{AnyCluster, Source};
use ringfence_admission::admit::Pipeline;
use ringfence_admission::pod_security::PodSecurity;
use ringfence_admission::waiver::Waiving;
use ringfence_live::Clock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use tokio::sync::Semaphore;

/// What every request has at hand.
pub(crate) struct App {
    pub(crate) pod_security: PodSecurity,
    pub(crate) source: Arc<dyn Source>,
    pub(crate) fail: Fail,
    pub(crate) advisory: bool,
    pub(crate) metrics: Metrics,
    /// For the bodies of all requests together.
    pub(crate) room: Semaphore,
    clock: Clock,
    /// Begins traces, if anybody wants them.
    pub(crate) tracer: Option<Arc<Tracer>>,
    traced: Option<Arc<Counts>>,
    /// Tells of refused pods, if anybody is to be told.
    pub(crate) events: OnceLock<Arc<Events>>,
    draining: AtomicBool,
    /// Where the server makes its own certificates.
    kept: Option<Kept>,
    /// Made of the constraints as they were at a revision of the source.
    pipeline: RwLock<Option<(u64, Arc<Pipeline<AnyCluster>>)>>,
}

impl App {
    pub(crate) fn new(
        pod_security: PodSecurity,
        source: Arc<dyn Source>,
        settings: &Settings,
        kept: Option<Kept>,
        exporter: Option<&Exporter>,
    ) -> Self {
        Self {
            pod_security,
            source,
            fail: settings.fail,
            advisory: settings.advisory,
            metrics: Metrics::default(),
            room: crate::http::room(settings.limits.bodies),
            clock: Clock::default(),
            tracer: exporter.map(Exporter::tracer),
            traced: exporter.map(Exporter::counts),
            events: OnceLock::new(),
            draining: AtomicBool::new(false),
            kept,
            pipeline: RwLock::default(),
        }
    }

    /// From now on nobody is to send new requests here.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    /// Why no request should be sent here.
    pub(crate) fn not_ready(&self) -> Option<&'static str> {
        if self.is_draining() {
            return Some("shutting down");
        }
        if self.kept.as_ref().is_some_and(|kept| !kept.is_known()) {
            return Some("there is no certificate yet that an API server believes");
        }
        self.source.cluster().err()
    }

    /// The constraints, ready to judge.
    pub(crate) fn pipeline(&self, cluster: &AnyCluster) -> Arc<Pipeline<AnyCluster>> {
        // The revision is read first: what changes meanwhile is seen the next time.
        let revision = self.source.revision();
        let known = self.pipeline.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, pipeline)) = known.as_ref().filter(|(at, _)| *at == revision) {
            return Arc::clone(pipeline);
        }
        drop(known);
        let made = Arc::new(Pipeline::new(Arc::clone(cluster), self.pod_security.clone()));
        *self.pipeline.write().unwrap_or_else(PoisonError::into_inner) = Some((revision, Arc::clone(&made)));
        made
    }

    /// The waivers that count, as they are now.
    pub(crate) fn waiving(&self) -> Option<Waiving> {
        // Of a snapshot they come with the configuration.
        let waivers = self.source.waivers().or_else(|| Some(Arc::clone(&self.pod_security.waiving()?.waivers)))?;
        Some(Waiving { waivers, now: self.clock.now() })
    }

    pub(crate) fn metrics_text(&self) -> String {
        let mut text = self.metrics.render();
        if let Some(traced) = &self.traced {
            traced.render(&mut text);
        }
        if let Some(waiving) = self.waiving() {
            crate::metrics::waivers(&waiving, &mut text);
        }
        if let Some(events) = self.events.get() {
            events.render(&mut text);
        }
        self.source.metrics(&mut text);
        text
    }
}
