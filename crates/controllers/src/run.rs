//! All controllers, from their start to their end.

use crate::cache::{Cache, Touched};
use crate::controller::{Controller, Work};
use crate::fence::{Fence, Term};
use crate::labels::{Privileged, Sync};
use crate::lease::{self, Timing, TimingError};
use crate::life::Life;
use crate::ranges::{self, Ranges, store};
use crate::report::Report;
use crate::status::{Status, serve};
use crate::writer::{Writer, reason};
use kube::Client;
use ringfence_admission::cluster::Kind;
use ringfence_admission::sync::{NEEDS, Settings, is_always_privileged};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::task::JoinSet;

/// Which controllers there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Which {
    /// The label synchroniser.
    Sync,
    /// The one that keeps the privileged namespaces privileged.
    Privileged,
    /// The one that gives namespaces their ranges.
    Ranges,
}

/// How a leader is elected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Election {
    /// The lease's name.
    pub name: String,
    /// This replica's name, which no other may have, not even the same replica after a restart.
    pub identity: String,
    /// How long things take.
    pub timing: Timing,
}

/// What is told to whoever wants to know: a line of a dry run.
pub type Told = Arc<dyn Fn(&Value) + Send + std::marker::Sync>;

/// How the controllers run.
pub struct Options {
    /// Which.
    pub controllers: BTreeSet<Which>,
    /// How labels are synchronised.
    pub labels: Settings,
    /// What ranges are given from.
    pub ranges: Ranges,
    /// The namespace of the lease, and of the record of ranges.
    pub namespace: String,
    /// How a leader is elected; `None` where there is one replica.
    pub election: Option<Election>,
    /// Writes in a second, on average.
    pub writes_per_second: f64,
    /// Writes at once after a quiet time.
    pub burst: u32,
    /// How often everything is looked at again, though nothing changed.
    pub resync: Duration,
    /// Where to answer `/livez`, `/readyz` and `/metrics`.
    pub listener: Option<std::net::TcpListener>,
    /// Write nothing: let the server check each write, and tell it here.
    pub dry_run: Option<Told>,
}

/// Why the controllers do not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The election's times do not fit together.
    #[error(transparent)]
    Timing(#[from] TimingError),
    /// The system does not let signals be waited for.
    #[error("cannot wait for signals")]
    Signals(#[source] io::Error),
    /// The socket is of no use.
    #[error("cannot answer on the address")]
    Listen(#[source] io::Error),
    /// The platform does it.
    #[error(
        "the cluster has security.internal.openshift.io: its own controllers give namespaces their ranges, so leave `ranges` out of --controllers"
    )]
    PlatformAllocates,
    /// Something ended that should not.
    #[error("a controller ended unexpectedly")]
    Ended(#[source] tokio::task::JoinError),
}

/// What a change may concern.
#[derive(Clone)]
struct Queues {
    cache: Arc<Cache>,
    sync: Option<Arc<Work>>,
    privileged: Option<Arc<Work>>,
    ranges: Option<Arc<Work>>,
}

impl Queues {
    fn add(&self, touched: &Touched) {
        match touched {
            Touched::Nothing => {}
            Touched::Within(name) => self.labels(name),
            Touched::Itself(name) => {
                self.labels(name);
                if let Some(work) = self.privileged.as_ref().filter(|_| is_always_privileged(name)) {
                    work.queue.add(name);
                }
                if let Some(work) = &self.ranges {
                    work.queue.add(name);
                }
            }
            Touched::All => self.cache.names().iter().for_each(|name| self.labels(name)),
        }
    }

    fn labels(&self, name: &str) {
        if let Some(work) = &self.sync {
            work.queue.add(name);
        }
    }

    fn everything(&self) {
        for name in self.cache.names() {
            self.add(&Touched::Itself(name));
        }
    }
}

/// Runs until SIGTERM or SIGINT, finishes what is under way and gives the lease back. A second signal ends it at once.
/// Must be called within a tokio runtime.
pub async fn run(client: Client, server: &str, options: Options) -> Result<(), RunError> {
    let mut life = Life::new()?;
    let election = options.election.as_ref().filter(|_| options.dry_run.is_none());
    if let Some(election) = election {
        election.timing.check()?;
    }
    let has = |which| options.controllers.contains(&which);
    let fence = Fence::new(if election.is_some() { Term::Idle } else { Term::Alone });
    let writer =
        Writer::new(client.clone(), fence.clone(), options.writes_per_second, options.burst, options.dry_run.is_some());
    let (writer, cache, report) = (Arc::new(writer), Arc::new(Cache::default()), Report(options.dry_run));
    let kinds: &'static [Kind] = if has(Which::Sync) { &NEEDS } else { &[Kind::Namespace] };
    let new_work = |which| has(which).then(Arc::<Work>::default);
    let queues = Queues {
        cache: Arc::clone(&cache),
        sync: new_work(Which::Sync),
        privileged: new_work(Which::Privileged),
        ranges: new_work(Which::Ranges),
    };
    let allocate = has(Which::Ranges).then(|| {
        let api = store::Api {
            writer: Arc::clone(&writer),
            namespace: options.namespace.clone(),
            report: report.clone(),
            imagined: std::sync::Mutex::default(),
        };
        let events = (!writer.dry_run).then(|| ranges::Events::start(client.clone(), options.namespace.clone()));
        Arc::new(ranges::Allocate::new(api, options.ranges.clone(), events))
    });
    let works = [
        (Sync::NAME, &queues.sync),
        (Privileged::NAME, &queues.privileged),
        (ranges::Allocate::<store::Api>::NAME, &queues.ranges),
    ];
    let works = works.into_iter().filter_map(|(name, work)| Some((name, Arc::clone(work.as_ref()?)))).collect();
    let numbers = Arc::<lease::Numbers>::default();
    let status = Arc::new(Status {
        cache: Arc::clone(&cache),
        kinds,
        fence: fence.clone(),
        writer: Arc::clone(&writer),
        election: Arc::clone(&numbers),
        works,
        ranges: allocate.clone(),
        ending: AtomicBool::new(false),
    });
    let mut helpers = JoinSet::new();
    if let Some(listener) = options.listener {
        let listener = tokio::net::TcpListener::from_std(listener).map_err(RunError::Listen)?;
        helpers.spawn(serve(listener, Arc::clone(&status)));
    }
    let told = queues.clone();
    cache.follow(&client, server, kinds, move |touched| told.add(&touched));

    let mut is_done_already = false;
    let settled = async {
        while cache.unknown(kinds).is_some() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        is_done_already = has(Which::Ranges) && platform_allocates(&client).await;
    };
    if life.told_to_end(settled).await {
        tracing::info!("ended");
        return Ok(());
    }
    if is_done_already {
        return Err(RunError::PlatformAllocates);
    }
    tracing::info!(namespaces = cache.len(), "the cluster is known");
    let sync = Sync {
        cache: Arc::clone(&cache),
        writer: Arc::clone(&writer),
        settings: options.labels,
        report: report.clone(),
    };
    let privileged = Privileged { cache: Arc::clone(&cache), writer, report };
    if let Some(queue) = &queues.sync {
        life.work(Arc::new(sync), queue, &fence);
    }
    if let Some(queue) = &queues.privileged {
        life.work(Arc::new(privileged), queue, &fence);
    }
    if let (Some(queue), Some(allocate)) = (&queues.ranges, allocate) {
        life.work(allocate, queue, &fence);
        helpers.spawn(repair_each_term(Arc::clone(queue), fence.clone()));
    }
    helpers.spawn(resync(queues, options.resync));
    if let Some(election) = election {
        life.elect(client, options.namespace, election, &fence, numbers);
    }
    life.until_told(&status.ending).await
}

/// Whether the API is there in which OpenShift's own allocator keeps its record. Asks until there is an answer.
async fn platform_allocates(client: &Client) -> bool {
    loop {
        let Ok(request) = http::Request::get("/apis/security.internal.openshift.io/v1").body(Vec::new()) else {
            return false;
        };
        match client.request::<Value>(request).await {
            Ok(_) => return true,
            // There is none, or nobody may know.
            Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => return false,
            Err(error) => tracing::warn!(error = reason(&error), "cannot ask which APIs there are"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn resync(queues: Queues, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        queues.everything();
    }
}

async fn repair_each_term(work: Arc<Work>, fence: Fence) {
    loop {
        fence.leading().await;
        work.queue.add(ranges::REPAIR);
        fence.idle().await;
    }
}
