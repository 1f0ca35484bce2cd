//! From the first look at the cluster to the end: signals, workers, and the lease, which outlasts them.

use crate::controller::{Controller, Work, work};
use crate::fence::Fence;
use crate::lease::{self, Elector};
use crate::run::{Election, RunError};
use kube::Client;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What runs, and how it is ended.
pub(crate) struct Life {
    terminate: Signal,
    interrupt: Signal,
    end_work: watch::Sender<bool>,
    end_lease: watch::Sender<bool>,
    workers: JoinSet<()>,
    elector: JoinSet<()>,
    jumps: JoinSet<()>,
}

impl Life {
    /// Takes SIGTERM and SIGINT from now on.
    pub(crate) fn new() -> Result<Self, RunError> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(RunError::Signals)?,
            interrupt: signal(SignalKind::interrupt()).map_err(RunError::Signals)?,
            end_work: watch::Sender::new(false),
            end_lease: watch::Sender::new(false),
            workers: JoinSet::new(),
            elector: JoinSet::new(),
            jumps: JoinSet::new(),
        }
        .told_of_jumps())
    }

    /// Nothing here goes by the system's clock but the times that are written, and waivers.
    fn told_of_jumps(mut self) -> Self {
        self.jumps.spawn(ringfence_live::jumps(|jump| {
            tracing::warn!(seconds = jump.as_secs_f64(), "the system's clock jumped");
        }));
        self
    }

    /// Whether a signal came before that was done.
    pub(crate) async fn told_to_end(&mut self, until: impl Future<Output = ()>) -> bool {
        tokio::select! {
            () = until => false,
            _ = self.terminate.recv() => true,
            _ = self.interrupt.recv() => true,
        }
    }

    /// Works on a queue whenever this replica leads.
    pub(crate) fn work<C: Controller>(&mut self, controller: Arc<C>, queue: &Arc<Work>, fence: &Fence) {
        self.workers.spawn(work(controller, Arc::clone(queue), fence.clone(), self.end_work.subscribe()));
    }

    /// Takes part in an election.
    pub(crate) fn elect(
        &mut self,
        client: Client,
        namespace: String,
        election: &Election,
        fence: &Fence,
        numbers: Arc<lease::Numbers>,
    ) {
        let api = lease::Api::new(client, namespace, election.name.clone());
        let candidate = Elector::new(api, election.identity.clone(), election.timing, numbers);
        self.elector.spawn(candidate.run(fence.clone(), self.end_lease.subscribe()));
    }

    /// Goes on until a signal comes, finishes what is under way and gives the lease back; a second signal ends it at
    /// once.
    pub(crate) async fn until_told(mut self, ending: &AtomicBool) -> Result<(), RunError> {
        let ended = async {
            tokio::select! {
                Some(ended) = self.workers.join_next() => ended,
                Some(ended) = self.elector.join_next() => ended,
                else => std::future::pending().await,
            }
        };
        tokio::select! {
            Err(error) = ended => return Err(RunError::Ended(error)),
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        ending.store(true, Relaxed);
        tracing::info!("told to end: finishing what is under way");
        self.end_work.send_replace(true);
        let rest = async {
            while self.workers.join_next().await.is_some() {}
            // Nothing is written any more: another may lead.
            self.end_lease.send_replace(true);
            while self.elector.join_next().await.is_some() {}
        };
        let told = tokio::select! {
            () = rest => false,
            _ = self.terminate.recv() => true,
            _ = self.interrupt.recv() => true,
        };
        if told {
            tracing::warn!("told again to end: at once");
        }
        tracing::info!("ended");
        Ok(())
    }
}
