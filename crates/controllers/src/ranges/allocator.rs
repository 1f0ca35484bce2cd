//! Giving each namespace a block of its own.
//!
//! Which blocks are taken is kept in a record of its own, which is written before the namespace is, and only as the
//! version that was read. So two who allocate at one time can never give the same block away: the second to write the
//! record has to read it again. A block that is in the record and in no namespace is being given away, or its
//! namespace is gone or never came to be written. Repair gives it free, but only after it has seen it so twice, with
//! more time between than any request lasts.
//!
//! Upstream: `pkg/security/controller/namespace_scc_allocation_controller.go`, whose repair frees such blocks at once
//! and notes that this is not safe.

use super::Ranges;
use super::bitmap::Bitmap;
use crate::writer::WriteError;
use ringfence_scc::{MCS, SUPPLEMENTAL_GROUPS, UID_RANGE};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use tokio::time::Instant;

/// How long a block must have been in no namespace before it is free. An API server answers within a minute, or not.
pub(crate) const GRACE: Duration = Duration::from_mins(3);

/// Which blocks of which range are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) range: String,
    pub(crate) taken: Bitmap,
    /// How often blocks became free. As long as it stays the same, no block that is taken was given anew.
    pub(crate) freed: u64,
    /// Which object it is: one that was deleted and made anew is another. `None` for one that is still to be made.
    pub(crate) uid: Option<String>,
    /// The version that was read; `None` for one that is still to be made.
    pub(crate) version: Option<String>,
}

/// A namespace, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) name: String,
    pub(crate) uid: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) terminating: bool,
}

/// Where records and namespaces are. Every read is of the newest state.
pub(crate) trait Store: Send + Sync + 'static {
    fn record(&self) -> impl Future<Output = Result<Option<Record>, WriteError>> + Send;
    /// Writes the record as its version, or makes it; otherwise [`WriteError::Conflict`].
    fn save(&self, record: &Record) -> impl Future<Output = Result<Record, WriteError>> + Send;
    fn namespaces(&self) -> impl Future<Output = Result<Vec<Known>, WriteError>> + Send;
    fn namespace(&self, name: &str) -> impl Future<Output = Result<Option<Known>, WriteError>> + Send;
    /// Sets the annotations of the namespace, if it is still of that version.
    fn annotate(
        &self,
        namespace: &Known,
        annotations: &BTreeMap<String, String>,
    ) -> impl Future<Output = Result<(), WriteError>> + Send;
}

/// Why a namespace gets no block.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AllocateError {
    #[error(transparent)]
    Store(#[from] WriteError),
    #[error("every block of {0} is taken; give a wider range")]
    Full(String),
    #[error("there is no SELinux level left for block {0}; give more categories, or fewer labels to each namespace")]
    NoLabel(String),
    #[error("it has {SUPPLEMENTAL_GROUPS} without {UID_RANGE}; remove the one, or set both")]
    OnlyGroups,
}

/// What repair found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Repaired {
    /// Namespaces that have a block that another has, or that touches that of another: it, the other, and its block.
    pub(crate) duplicates: Vec<(String, String, String)>,
    /// Namespaces whose annotation is no block, or none of the range, with what it says.
    pub(crate) strange: Vec<(String, String)>,
    /// How many blocks became free.
    pub(crate) freed: usize,
    /// How many are in no namespace, and may become free.
    pub(crate) unused: usize,
    pub(crate) taken: usize,
}

/// One who allocates. There may be several, here or elsewhere.
#[derive(Debug)]
pub(crate) struct Allocator<S> {
    pub(crate) store: S,
    pub(crate) ranges: Ranges,
    current: Option<Record>,
    /// Blocks that were in no namespace, and since when; and the record's UID and count of when they were seen so. They
    /// may be given anew only after somebody freed them, so with another count nothing is known of them.
    unused: HashMap<usize, Instant>,
    unused_in: (Option<String>, u64),
}

impl<S: Store> Allocator<S> {
    pub(crate) fn new(store: S, ranges: Ranges) -> Self {
        Self { store, ranges, current: None, unused: HashMap::new(), unused_in: (None, 0) }
    }

    /// Gives a namespace its block, if it has none. Returns the annotations that were set.
    pub(crate) async fn allocate(&mut self, name: &str) -> Result<Option<BTreeMap<String, String>>, AllocateError> {
        let Some(namespace) = self.store.namespace(name).await? else { return Ok(None) };
        if namespace.annotations.contains_key(UID_RANGE) || namespace.terminating {
            return Ok(None);
        }
        if namespace.annotations.contains_key(SUPPLEMENTAL_GROUPS) {
            // It is somebody's own, and setting it otherwise would fail after the block was taken.
            return Err(AllocateError::OnlyGroups);
        }
        // Unless all goes well, the record is read anew the next time.
        let uids = self.ranges.uids;
        let record = match self.current.take() {
            Some(record) => Some(record),
            None => self.store.record().await?,
        };
        // Without a record of this range nothing is known of what is taken.
        let Some(mut record) = record.filter(|record| record.range == uids.to_string()) else {
            self.repair().await?;
            return Err(WriteError::Conflict("there was no record of this range".to_owned()).into());
        };
        let number = record.taken.first_free(uids.blocks());
        let Some((number, block)) = number.and_then(|number| Some((number, uids.block(number)?))) else {
            return Err(AllocateError::Full(record.range));
        };
        let mut annotations =
            BTreeMap::from([(UID_RANGE.to_owned(), block.clone()), (SUPPLEMENTAL_GROUPS.to_owned(), block.clone())]);
        let level = match namespace.annotations.get(MCS) {
            Some(own) => own.clone(),
            None => self.ranges.level(number).ok_or(AllocateError::NoLabel(block))?,
        };
        annotations.insert(MCS.to_owned(), level);
        record.taken.insert(number);
        let record = self.store.save(&record).await?;
        match self.store.annotate(&namespace, &annotations).await {
            Ok(()) => {
                self.current = Some(record);
                Ok(Some(annotations))
            }
            Err(WriteError::Gone) => {
                self.current = Some(record);
                Ok(None)
            }
            // Whether it was written is not known, so the block stays taken.
            Err(error) => Err(error.into()),
        }
    }

    /// Brings the record to what the namespaces have: what they have is taken, and what none has had for long is free.
    pub(crate) async fn repair(&mut self) -> Result<Repaired, WriteError> {
        self.current = None;
        // The record first: whatever is taken from then on makes the write below fail.
        let old = self.store.record().await?;
        let mut namespaces = self.store.namespaces().await?;
        namespaces.sort_by(|a, b| a.name.cmp(&b.name));
        let mut repaired = Repaired::default();
        let (uids, mut owners) = (self.ranges.uids, HashMap::<usize, &str>::new());
        for namespace in &namespaces {
            let Some(text) = namespace.annotations.get(UID_RANGE) else { continue };
            let of = ringfence_scc::Namespace { name: &namespace.name, annotations: Some(&namespace.annotations) };
            let Ok(block) = of.uid_range() else {
                repaired.strange.push((namespace.name.clone(), text.clone()));
                continue;
            };
            if uids.number(block).is_none() {
                repaired.strange.push((namespace.name.clone(), text.clone()));
            }
            let mut other = None;
            // One that is larger than those of the range was not meant to be one of them, and would leave nothing.
            let touched = if block.max - block.min < uids.size() { uids.touched(block) } else { 0..0 };
            for number in touched {
                match owners.get(&number) {
                    Some(first) => other = other.or(Some(*first)),
                    None => drop(owners.insert(number, &namespace.name)),
                }
            }
            if let Some(first) = other {
                repaired.duplicates.push((namespace.name.clone(), first.to_owned(), text.clone()));
            }
        }
        let mut taken: Bitmap = owners.keys().copied().collect();
        let now = Instant::now();
        let known = old.as_ref().filter(|record| record.range == uids.to_string());
        let seen_in = known.map(|record| (record.uid.clone(), record.freed)).unwrap_or_default();
        if seen_in != self.unused_in {
            self.unused.clear();
        }
        let mut unused = HashMap::new();
        for number in known.iter().flat_map(|record| record.taken.iter()).filter(|n| *n < uids.blocks()) {
            if taken.has(number) {
                continue;
            }
            match self.unused.get(&number) {
                Some(since) if now.duration_since(*since) >= GRACE => repaired.freed += 1,
                since => drop(unused.insert(number, since.copied().unwrap_or(now))),
            }
        }
        for number in unused.keys() {
            taken.insert(*number);
        }
        (repaired.unused, repaired.taken) = (unused.len(), taken.len());
        let (uid, version) =
            old.as_ref().map(|record| (record.uid.clone(), record.version.clone())).unwrap_or_default();
        let freed = old.as_ref().map_or(0, |record| record.freed) + u64::from(repaired.freed > 0);
        let mut record = Record { range: uids.to_string(), taken, freed, uid, version };
        // What is not written down is not seen.
        self.unused.clear();
        if old.as_ref() != Some(&record) {
            record = self.store.save(&record).await?;
        }
        (self.unused, self.unused_in) = (unused, (record.uid, record.freed));
        Ok(repaired)
    }
}
