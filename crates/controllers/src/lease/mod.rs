//! Who of several replicas writes: the holder of a `coordination.k8s.io` Lease.
//!
//! The semantics are those of client-go's `tools/leaderelection`, with which replicas of both can share a lease. When
//! another's lease is over is decided by how long *this* machine has seen it unchanged, so that clocks need not agree.
//! Every change is conditional on the version of the lease that was read.

mod api;
#[cfg(test)]
mod tests;

pub(crate) use api::Api;

use crate::fence::{Fence, Term};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// How long things take in an election. The defaults are those of Kubernetes' own components.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How long others wait after the last renewal that they saw. Whole seconds.
    pub lease_duration: Duration,
    /// How long the leader goes on without a renewal.
    pub renew_deadline: Duration,
    /// How long to wait between attempts.
    pub retry_period: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }
}

/// How much longer than the retry period those may wait who do not lead, so that they do not ask in step.
const JITTER: f64 = 1.2;

/// Why times do not fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimingError {
    /// Others would take over while the leader still tries.
    #[error("the lease's duration of {0:?} must be longer than the renew deadline of {1:?}")]
    Deadline(Duration, Duration),
    /// The leader would have no second try.
    #[error("the renew deadline of {0:?} must be longer than 1.2 times the retry period of {1:?}")]
    Retry(Duration, Duration),
    /// A lease counts in seconds.
    #[error("the lease's duration of {0:?} must be whole seconds, at least one")]
    Seconds(Duration),
}

impl Timing {
    /// Checks that they fit together, as client-go does.
    pub fn check(&self) -> Result<(), TimingError> {
        if self.lease_duration.subsec_nanos() != 0 || self.seconds() < 1 {
            return Err(TimingError::Seconds(self.lease_duration));
        }
        if self.lease_duration <= self.renew_deadline {
            return Err(TimingError::Deadline(self.lease_duration, self.renew_deadline));
        }
        if self.renew_deadline <= self.retry_period.mul_f64(JITTER) || self.retry_period.is_zero() {
            return Err(TimingError::Retry(self.renew_deadline, self.retry_period));
        }
        Ok(())
    }

    fn seconds(&self) -> i32 {
        i32::try_from(self.lease_duration.as_secs()).unwrap_or(i32::MAX)
    }
}

/// Where the lease is kept.
pub(crate) trait Leases: Send + Sync {
    /// Reads it; `None` if there is none.
    fn get(&self) -> impl Future<Output = Result<Option<Lease>, String>> + Send;
    /// Makes it. Fails if there is one by now.
    fn create(&self, lease: &Lease) -> impl Future<Output = Result<Lease, String>> + Send;
    /// Replaces it. Fails if it is no longer of the version that it was read in.
    fn update(&self, lease: &Lease) -> impl Future<Output = Result<Lease, String>> + Send;
}

/// One replica's view of an election.
#[derive(Debug)]
pub(crate) struct Elector<L> {
    leases: L,
    identity: String,
    timing: Timing,
    /// As it was last seen, and since when it has been so.
    observed: Option<(Lease, Instant)>,
    numbers: Arc<Numbers>,
}

/// For the metrics.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    pub(crate) terms: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) failures: AtomicU64,
}

impl<L: Leases> Elector<L> {
    pub(crate) fn new(leases: L, identity: String, timing: Timing, numbers: Arc<Numbers>) -> Self {
        Self { leases, identity, timing, observed: None, numbers }
    }

    /// Leads whenever it can, until it is told to end; then, if it leads, gives the lease back at once. Must be told
    /// to end only when nothing is written any more.
    pub(crate) async fn run(mut self, fence: Fence, mut end: watch::Receiver<bool>) {
        loop {
            let acquired = tokio::select! {
                acquired = self.acquire(&fence) => acquired,
                _ = end.wait_for(|end| *end) => return,
            };
            self.numbers.terms.fetch_add(1, Relaxed);
            tracing::info!(identity = self.identity, "leading");
            let ending = tokio::select! {
                () = self.keep(&fence, acquired) => false,
                _ = end.wait_for(|end| *end) => true,
            };
            fence.set(Term::Idle);
            if ending {
                self.release().await;
                return;
            }
            self.numbers.lost.fetch_add(1, Relaxed);
            tracing::warn!(identity = self.identity, "the lease is lost: nothing is written any more");
        }
    }

    /// Tries until it leads. Returns since when.
    async fn acquire(&mut self, fence: &Fence) -> Instant {
        loop {
            if let Some(since) = self.attempt().await {
                self.lead(fence, since);
                return since;
            }
            sleep(self.timing.retry_period.mul_f64(1.0 + JITTER * random())).await;
        }
    }

    /// Renews until it cannot.
    async fn keep(&mut self, fence: &Fence, mut renewed: Instant) {
        loop {
            sleep(self.timing.retry_period).await;
            if let Some(since) = self.attempt().await {
                renewed = since;
                self.lead(fence, since);
            } else if self.holder().is_some_and(|holder| holder != self.identity)
                || renewed.elapsed() >= self.timing.renew_deadline
            {
                return;
            }
        }
    }

    fn lead(&self, fence: &Fence, since: Instant) {
        let Timing { renew_deadline, lease_duration, .. } = self.timing;
        fence.set(Term::Leading { renew_by: since + renew_deadline, ends: since + lease_duration });
    }

    /// Acquires or renews the lease, once. Returns since when it is held for its duration: a moment before the request.
    pub(crate) async fn attempt(&mut self) -> Option<Instant> {
        let within = self.timing.renew_deadline / 2;
        match timeout(within, self.try_attempt()).await {
            Ok(Ok(since)) => since,
            Ok(Err(error)) => {
                self.numbers.failures.fetch_add(1, Relaxed);
                tracing::warn!(identity = self.identity, error, "cannot acquire or renew the lease");
                None
            }
            Err(_) => {
                self.numbers.failures.fetch_add(1, Relaxed);
                tracing::warn!(identity = self.identity, "no answer about the lease in time");
                None
            }
        }
    }

    async fn try_attempt(&mut self) -> Result<Option<Instant>, String> {
        // Who holds it need not read it first.
        if self.holder() == Some(&self.identity)
            && self.is_valid(Instant::now())
            && let Some((lease, _)) = &self.observed
        {
            let (since, wanted) = (Instant::now(), self.renewed(lease));
            match self.leases.update(&wanted).await {
                Ok(lease) => {
                    self.observed = Some((lease, since));
                    return Ok(Some(since));
                }
                Err(error) => tracing::debug!(error, "the lease is not as it was"),
            }
        }
        let Some(lease) = self.leases.get().await? else {
            let since = Instant::now();
            let made = self.leases.create(&self.first()).await?;
            self.observed = Some((made, since));
            return Ok(Some(since));
        };
        self.observe(lease);
        let Some((lease, _)) = &self.observed else { return Ok(None) };
        let holder = holder_of(lease);
        let held = holder == self.identity;
        if !holder.is_empty() && !held && self.is_valid(Instant::now()) {
            return Ok(None);
        }
        let wanted = if held { self.renewed(lease) } else { self.taken(lease) };
        let since = Instant::now();
        let lease = self.leases.update(&wanted).await?;
        self.observed = Some((lease, since));
        Ok(Some(since))
    }

    /// Whoever holds it has renewed it if anything of it is new.
    fn observe(&mut self, lease: Lease) {
        match &mut self.observed {
            Some((known, _)) if known.spec == lease.spec => *known = lease,
            _ => self.observed = Some((lease, Instant::now())),
        }
    }

    fn holder(&self) -> Option<&str> {
        self.observed.as_ref().map(|(lease, _)| holder_of(lease))
    }

    /// Whether the lease, whosever it is, is not over yet.
    fn is_valid(&self, now: Instant) -> bool {
        self.observed.as_ref().is_some_and(|(lease, since)| {
            let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds).unwrap_or_default();
            *since + Duration::from_secs(u64::try_from(seconds).unwrap_or_default()) > now
        })
    }

    fn first(&self) -> Lease {
        let now = Some(MicroTime(now()));
        let spec = LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(self.timing.seconds()),
            acquire_time: now.clone(),
            renew_time: now,
            lease_transitions: Some(0),
            ..LeaseSpec::default()
        };
        Lease { spec: Some(spec), ..Lease::default() }
    }

    fn renewed(&self, lease: &Lease) -> Lease {
        let mut lease = lease.clone();
        let spec = lease.spec.get_or_insert_default();
        spec.renew_time = Some(MicroTime(now()));
        spec.lease_duration_seconds = Some(self.timing.seconds());
        lease
    }

    fn taken(&self, lease: &Lease) -> Lease {
        let transitions = lease.spec.as_ref().and_then(|spec| spec.lease_transitions).unwrap_or_default();
        let mut first = self.first();
        if let Some(spec) = &mut first.spec {
            spec.lease_transitions = Some(transitions.saturating_add(1));
        }
        Lease { metadata: lease.metadata.clone(), ..first }
    }

    /// Gives the lease back, so that nobody has to wait for its end.
    async fn release(&mut self) {
        if self.holder() != Some(&self.identity) {
            return;
        }
        match timeout(self.timing.renew_deadline, self.try_release()).await {
            Ok(Ok(())) => tracing::info!(identity = self.identity, "the lease is given back"),
            Ok(Err(error)) => tracing::warn!(error, "cannot give the lease back; it will run out"),
            Err(_) => tracing::warn!("cannot give the lease back in time; it will run out"),
        }
    }

    async fn try_release(&mut self) -> Result<(), String> {
        // A renewal may have been under way, of which nothing is known.
        let Some(lease) = self.leases.get().await?.filter(|lease| holder_of(lease) == self.identity) else {
            return Ok(());
        };
        let mut given = self.taken(&lease);
        if let Some(spec) = &mut given.spec {
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
            spec.lease_transitions = lease.spec.and_then(|spec| spec.lease_transitions);
        }
        self.leases.update(&given).await.map(drop)
    }
}

fn holder_of(lease: &Lease) -> &str {
    lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default()
}

/// A lease's times are of microseconds, and what comes back must be what was sent.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

/// Between 0 and 1; every hasher is seeded anew.
fn random() -> f64 {
    use std::hash::{BuildHasher as _, RandomState};
    let number = u16::try_from(RandomState::new().hash_one(0) % 1000).unwrap_or_default();
    f64::from(number) / 1000.0
}
