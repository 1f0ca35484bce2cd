//! The ranges of each namespace: `openshift.io/sa.scc.uid-range`, `…supplemental-groups` and `…mcs`.

pub(crate) mod allocator;
mod bitmap;
mod events;
mod mcs;
pub(crate) mod store;
#[cfg(test)]
mod tests;
mod uid;

pub use mcs::{McsRange, McsRangeError};
pub use uid::{UidRange, UidRangeError};

use crate::controller::Controller;
use crate::writer::WriteError;
use allocator::{AllocateError, Allocator, GRACE, Repaired, Store};
pub(crate) use events::Events;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::Mutex;

/// What namespaces get their ranges from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranges {
    /// Users, and groups.
    pub uids: UidRange,
    /// SELinux levels.
    pub levels: McsRange,
    /// How many levels go to each namespace, of which it is told the first. With 0 all still get one each.
    pub levels_each: u32,
}

impl Default for Ranges {
    /// OpenShift's.
    fn default() -> Self {
        Self { uids: UidRange::default(), levels: McsRange::default(), levels_each: 5 }
    }
}

impl Ranges {
    /// The level of the block of that number.
    pub(crate) fn level(&self, number: usize) -> Option<String> {
        let number = u64::try_from(number).ok()?;
        self.levels.label(number.checked_mul(u64::from(self.levels_each.max(1)))?)
    }

    /// How many namespaces can have a level of their own.
    pub fn namespaces(&self) -> u64 {
        self.levels.labels().div_ceil(u64::from(self.levels_each.max(1)))
    }
}

/// The key under which repair is asked for: no namespace is called so.
pub(crate) const REPAIR: &str = "/repair";
/// How often to repair, as upstream.
const REPAIR_EVERY: Duration = Duration::from_hours(8);

/// Gives namespaces their ranges.
pub(crate) struct Allocate<S> {
    /// Locked for as long as something is done, so that nobody repairs while another here allocates.
    allocator: Mutex<Allocator<S>>,
    pub(crate) numbers: Numbers,
    /// Nobody is told in a dry run.
    pub(crate) events: Option<Events>,
}

/// For the metrics, as of the last repair.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    pub(crate) allocated: AtomicU64,
    pub(crate) taken: AtomicU64,
    pub(crate) duplicates: AtomicU64,
}

impl<S: Store> Allocate<S> {
    pub(crate) fn new(store: S, ranges: Ranges, events: Option<Events>) -> Self {
        Self { allocator: Mutex::new(Allocator::new(store, ranges)), numbers: Numbers::default(), events }
    }

    async fn repair(&self) -> Result<Duration, WriteError> {
        let Repaired { duplicates, strange, freed, unused, taken } = self.allocator.lock().await.repair().await?;
        for (namespace, other, block) in &duplicates {
            tracing::error!(namespace, other, block, "two namespaces have one range of users; nothing was changed");
        }
        for (namespace, block) in &strange {
            tracing::warn!(namespace, block, "its range of users is not one of this allocator's");
        }
        tracing::info!(taken, unused, freed, duplicates = duplicates.len(), "repaired the record of ranges");
        self.numbers.taken.store(taken as u64, Relaxed);
        self.numbers.duplicates.store(duplicates.len() as u64, Relaxed);
        Ok(if unused > 0 { GRACE + Duration::from_secs(1) } else { REPAIR_EVERY })
    }
}

impl<S: Store> Controller for Allocate<S> {
    const NAME: &'static str = "ranges";

    async fn sync(&self, key: &str) -> Result<Option<Duration>, WriteError> {
        if key == REPAIR {
            return self.repair().await.map(Some);
        }
        let allocated = self.allocator.lock().await.allocate(key).await;
        match allocated {
            Ok(Some(annotations)) => {
                self.numbers.allocated.fetch_add(1, Relaxed);
                self.numbers.taken.fetch_add(1, Relaxed);
                let block = annotations.get(ringfence_scc::UID_RANGE);
                let level = annotations.get(ringfence_scc::MCS);
                tracing::info!(controller = Self::NAME, namespace = key, block, level, "gave ranges");
                if let Some(events) = &self.events {
                    events.given(key);
                }
                Ok(None)
            }
            Ok(None) => Ok(None),
            Err(AllocateError::Store(error)) => Err(error),
            Err(error @ AllocateError::OnlyGroups) => {
                tracing::warn!(controller = Self::NAME, namespace = key, %error, "gave no ranges");
                Ok(None)
            }
            Err(error) => Err(WriteError::Failed(error.to_string())),
        }
    }
}
