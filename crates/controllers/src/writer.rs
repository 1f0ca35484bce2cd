//! The one way to the API server for whatever changes something.

use crate::bucket::Bucket;
use crate::fence::{Fence, NotLeading};
use http::Request;
use kube::Client;
use serde::de::DeserializeOwned;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How long an answer may take.
const LONGEST: Duration = Duration::from_secs(10);

/// Why something was not read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// Another replica may write.
    #[error(transparent)]
    NotLeading(#[from] NotLeading),
    /// There is no such object, or it is not that one any more.
    #[error("it is gone")]
    Gone,
    /// It changed meanwhile, or fields of it are others'.
    #[error("conflict: {0}")]
    Conflict(String),
    /// The server refused or failed, or did not answer. Whether something was written is not known if there was no
    /// answer.
    #[error("{0}")]
    Failed(String),
}

/// Sends requests to the API server: no more than so many a second, and none while another replica leads.
pub(crate) struct Writer {
    client: Client,
    fence: Fence,
    bucket: Bucket,
    pub(crate) dry_run: bool,
    numbers: Numbers,
}

/// For the metrics.
#[derive(Debug, Default)]
struct Numbers {
    done: AtomicU64,
    conflicts: AtomicU64,
    failed: AtomicU64,
}

impl Writer {
    pub(crate) fn new(client: Client, fence: Fence, per_second: f64, burst: u32, dry_run: bool) -> Self {
        let bucket = Bucket::new(per_second, burst, Instant::now());
        Self { client, fence, bucket, dry_run, numbers: Numbers::default() }
    }

    /// Reads something, afresh.
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        request: Result<Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<T, WriteError> {
        let request = request.map_err(|error| WriteError::Failed(error.to_string()))?;
        self.answer(LONGEST, request).await
    }

    /// Writes something, when it is its turn.
    pub(crate) async fn write<T: DeserializeOwned>(
        &self,
        request: Result<Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<T, WriteError> {
        let request = request.map_err(|error| WriteError::Failed(error.to_string()))?;
        self.fence.may_write(Instant::now())?;
        sleep(self.bucket.take(Instant::now())).await;
        // Much may have happened while it waited.
        let left = self.fence.may_write(Instant::now())?.unwrap_or(LONGEST);
        let answer = self.answer(left.min(LONGEST), request).await;
        let number = match &answer {
            Ok(_) => &self.numbers.done,
            Err(WriteError::Conflict(_)) => &self.numbers.conflicts,
            Err(_) => &self.numbers.failed,
        };
        number.fetch_add(1, Relaxed);
        answer
    }

    async fn answer<T: DeserializeOwned>(&self, within: Duration, request: Request<Vec<u8>>) -> Result<T, WriteError> {
        match timeout(within, self.client.request(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => Err(WriteError::Gone),
            Ok(Err(error @ kube::Error::Api(_))) if code(&error) == Some(409) => {
                Err(WriteError::Conflict(reason(&error)))
            }
            Ok(Err(error)) => Err(WriteError::Failed(reason(&error))),
            Err(_) => Err(WriteError::Failed("no answer in time".to_owned())),
        }
    }

    pub(crate) fn numbers(&self) -> [(&'static str, u64); 3] {
        let Numbers { done, conflicts, failed } = &self.numbers;
        [("done", done), ("conflict", conflicts), ("failed", failed)].map(|(result, n)| (result, n.load(Relaxed)))
    }
}

fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

/// The server's words, or the innermost cause: the errors between say no more than that the one below failed.
pub(crate) fn reason(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        let line = status.message.lines().next().unwrap_or_default();
        return if line.is_empty() { format!("HTTP status {}", status.code) } else { line.chars().take(500).collect() };
    }
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
