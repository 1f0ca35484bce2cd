//! An event for each namespace that was given ranges, as upstream's controller records it: `CreatedSCCRanges`, in the
//! namespace of the controllers.
//!
//! Nothing waits for events, and nothing depends on them. Some are written at once, then one a second; what was given
//! meanwhile is counted in the next, in the form of client-go's aggregation, so that a cluster of ten thousand namespaces is
//! not told of in ten thousand objects. What still waits when the program ends is not told.

use crate::bucket::Bucket;
use crate::writer::reason;
use jiff::Timestamp;
use kube::Client;
use kube::api::PostParams;
use kube::core::Request;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

/// Names that wait. Beyond that they are only counted.
const WAITING: usize = 256;
/// Events in a second, and at once after a quiet time: client-go's burst.
const PER_SECOND: f64 = 1.0;
const BURST: u32 = 25;
/// How long an answer may take.
const LONGEST: Duration = Duration::from_secs(10);

/// Upstream's reason, and its recorder's name for itself.
const REASON: &str = "CreatedSCCRanges";
const COMPONENT: &str = "cluster-policy-controller-namespace-security-allocation-controller";
/// What client-go puts before the message of an event that stands for several.
const COMBINED: &str = "(combined from similar events): ";

/// Tells of namespaces that were given ranges.
pub(crate) struct Events {
    waiting: mpsc::Sender<String>,
    numbers: Arc<Numbers>,
}

/// What becomes of them.
#[derive(Debug, Default)]
struct Numbers {
    /// Given while nobody could wait any more.
    uncounted: AtomicU64,
    written: AtomicU64,
    failed: AtomicU64,
}

impl Events {
    /// Begins to write events to a namespace. Must be called within a tokio runtime, with which it ends.
    pub(crate) fn start(client: Client, namespace: String) -> Self {
        let (waiting, given) = mpsc::channel(WAITING);
        let numbers = Arc::<Numbers>::default();
        tokio::spawn(tell(client, namespace, given, Arc::clone(&numbers)));
        Self { waiting, numbers }
    }

    /// That a namespace was given its ranges. Returns at once.
    pub(crate) fn given(&self, namespace: &str) {
        if self.waiting.try_send(namespace.to_owned()).is_err() {
            self.numbers.uncounted.fetch_add(1, Relaxed);
        }
    }

    /// For the metrics.
    pub(crate) fn numbers(&self) -> [(&'static str, u64); 2] {
        [("written", self.numbers.written.load(Relaxed)), ("failed", self.numbers.failed.load(Relaxed))]
    }
}

/// Tells until nobody gives ranges any more.
async fn tell(client: Client, own: String, mut given: mpsc::Receiver<String>, numbers: Arc<Numbers>) {
    let bucket = Bucket::new(PER_SECOND, BURST, Instant::now());
    let mut failing = false;
    while let Some(mut last) = given.recv().await {
        let wait = bucket.take(Instant::now());
        sleep(wait).await;
        let mut count = 1;
        if !wait.is_zero() {
            while let Ok(next) = given.try_recv() {
                (last, count) = (next, count + 1);
            }
            count += numbers.uncounted.swap(0, Relaxed);
        }
        let event = event(&own, &last, count, Timestamp::now());
        let events = Request::new(format!("/api/v1/namespaces/{own}/events"));
        let Ok(request) = events.create(&PostParams::default(), event.to_string().into_bytes()) else { continue };
        let error = match timeout(LONGEST, client.request::<Value>(request)).await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(reason(&error)),
            Err(_) => Some("no answer in time".to_owned()),
        };
        let Some(error) = error else {
            numbers.written.fetch_add(1, Relaxed);
            failing = false;
            continue;
        };
        numbers.failed.fetch_add(1, Relaxed);
        // A right that is missing is told once, not for every namespace.
        if failing {
            tracing::debug!(namespace = last, error, "cannot tell of ranges in an event");
        } else {
            tracing::warn!(namespace = last, error, "cannot tell of ranges in an event");
        }
        failing = true;
    }
}

/// The event. Upstream's recorder makes it be about whatever runs the controller, or, where that is not known, as here,
/// about the namespace that it runs in.
fn event(own: &str, given: &str, count: u64, now: Timestamp) -> Value {
    let message = format!("created SCC ranges for {given} namespace");
    let message = if count > 1 { format!("{COMBINED}{message}") } else { message };
    let mut hash = Sha256::new();
    for part in ["Normal", REASON, &message] {
        hash.update(part.as_bytes());
    }
    let mut name = format!("{own}.{:x}.", now.as_nanosecond());
    for byte in hash.finalize().iter().rev().take(4).rev() {
        name += &format!("{byte:02x}");
    }
    // Times of this kind of event are of whole seconds.
    let time = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": own},
        "involvedObject": {"apiVersion": "v1", "kind": "Namespace", "namespace": own, "name": own},
        "type": "Normal", "reason": REASON, "message": message, "source": {"component": COMPONENT},
        "count": count, "firstTimestamp": time, "lastTimestamp": time})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    #[test]
    fn an_event_says_what_upstreams_says() {
        let event = event("ringfence-system", "shop", 1, at("2026-05-01T00:00:00.5Z"));
        assert_eq!(event["reason"], "CreatedSCCRanges");
        assert_eq!(event["message"], "created SCC ranges for shop namespace");
        assert_eq!((&event["type"], &event["count"]), (&json!("Normal"), &json!(1)));
        assert_eq!(event["lastTimestamp"], "2026-05-01T00:00:00Z");
        // The last four bytes of a SHA-256 of type, reason and message, as upstream's recorder has them.
        assert_eq!(event["metadata"]["name"], "ringfence-system.18ab47f628cf6500.1d10e412");
    }

    #[test]
    fn one_that_stands_for_several_says_so_and_has_another_name() {
        let now = at("2026-05-01T00:00:00Z");
        let (one, several) = (event("a", "shop", 1, now), event("a", "shop", 7, now));
        assert_eq!(several["message"], "(combined from similar events): created SCC ranges for shop namespace");
        assert_eq!(several["count"], 7);
        assert_ne!(one["metadata"]["name"], several["metadata"]["name"]);
    }
}
