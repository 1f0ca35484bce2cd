//! One controller: a queue of keys, and a worker that takes them one at a time while this replica leads.

use crate::fence::Fence;
use crate::queue::Queue;
use crate::writer::WriteError;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Does what a key stands for.
pub(crate) trait Controller: Send + Sync + 'static {
    /// As on the command line.
    const NAME: &'static str;

    /// Brings what the key stands for to where it should be. Returns when to look again, if not only when something
    /// changes.
    fn sync(&self, key: &str) -> impl Future<Output = Result<Option<Duration>, WriteError>> + Send;
}

/// What is known of a worker from outside.
#[derive(Debug, Default)]
pub(crate) struct Work {
    pub(crate) queue: Queue,
    pub(crate) done: AtomicU64,
    pub(crate) failed: AtomicU64,
}

/// Works until it is told to end; what is under way then is finished first.
pub(crate) async fn work<C: Controller>(
    controller: Arc<C>,
    work: Arc<Work>,
    fence: Fence,
    mut end: watch::Receiver<bool>,
) {
    loop {
        let key = tokio::select! {
            biased;
            _ = end.wait_for(|end| *end) => return,
            key = next(&work.queue, &fence) => key,
        };
        match controller.sync(&key).await {
            Ok(again) => {
                work.done.fetch_add(1, Relaxed);
                work.queue.forget(&key);
                if let Some(wait) = again {
                    work.queue.add_after(&key, wait, Instant::now());
                }
            }
            Err(error) => {
                work.failed.fetch_add(1, Relaxed);
                let controller = C::NAME;
                if matches!(error, WriteError::NotLeading(_)) {
                    tracing::info!(controller, key, "not done: another may lead");
                } else {
                    tracing::warn!(controller, key, %error, "not done; it will be tried again");
                }
                work.queue.retry(&key, Instant::now());
            }
        }
        work.queue.done(&key);
    }
}

/// The next key, once this replica leads.
async fn next(queue: &Queue, fence: &Fence) -> String {
    loop {
        fence.leading().await;
        let key = queue.next().await;
        if fence.leads() {
            return key;
        }
        // It was waited for longer than this replica led.
        queue.add(&key);
        queue.done(&key);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
