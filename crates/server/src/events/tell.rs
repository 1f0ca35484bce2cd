//! One refusal after another is told: once, and then counted.

use super::{Numbers, Refused};
use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use ringfence_admission::waiver::Maker;
use ringfence_live::{Apply, ChangeError, Client, Place, Resource, apply, read};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Who writes the events, and who counts repetitions in them.
const MANAGER: &str = "ringfence-serve";
const COUNTER: &str = "ringfence-serve-count";
/// How often an event that goes on is written again.
const AGAIN: Duration = Duration::from_mins(5);
/// Events that are remembered. Of more than that at one time, some are left out.
const REMEMBERED: usize = 1000;
/// Events at once after a quiet time, and how long until there may be one more.
const BURST: f64 = 25.0;
const EVERY: Duration = Duration::from_secs(1);

const EVENTS: Resource<'static> = Resource { api_version: "events.k8s.io/v1", plural: "events", kind: "Event" };
/// Controllers that something else may have made.
const MADE: [Resource<'static>; 2] = [
    Resource { api_version: "apps/v1", plural: "replicasets", kind: "ReplicaSet" },
    Resource { api_version: "batch/v1", plural: "jobs", kind: "Job" },
];

/// An event that was written.
struct Told {
    at: Instant,
    /// How often it was to be said since then.
    since: u64,
}

/// Tells until nobody can refuse anything any more.
pub(super) async fn tell(client: Client, mut refused: mpsc::Receiver<Refused>, numbers: Arc<Numbers>) {
    let mut told: HashMap<String, Told> = HashMap::new();
    let mut allowance = Allowance { left: BURST, at: Instant::now() };
    while let Some(refused) = refused.recv().await {
        let (name, now) = (name(&refused), Instant::now());
        let times = match told.get_mut(&name) {
            Some(known) if now - known.at < AGAIN => {
                known.since += 1;
                continue;
            }
            Some(known) => known.since + 1,
            None => 1,
        };
        if !told.contains_key(&name) && told.len() >= REMEMBERED {
            told.retain(|_, known| now - known.at < AGAIN);
        }
        if (!told.contains_key(&name) && told.len() >= REMEMBERED) || !allowance.take(now) {
            numbers.left_out.fetch_add(1, Relaxed);
            continue;
        }
        told.insert(name.clone(), Told { at: now, since: 0 });
        match write(&client, &name, &refused, times).await {
            Ok(()) => numbers.written.fetch_add(1, Relaxed),
            Err(error) => {
                tracing::warn!(namespace = %refused.namespace, %error, "cannot tell of a refused pod in an event");
                numbers.failed.fetch_add(1, Relaxed)
            }
        };
    }
}

/// How many events may be written now.
struct Allowance {
    left: f64,
    at: Instant,
}

impl Allowance {
    fn take(&mut self, now: Instant) -> bool {
        let gained = (now - self.at).as_secs_f64() / EVERY.as_secs_f64();
        (self.left, self.at) = ((self.left + gained).min(BURST), now);
        let may = self.left >= 1.0;
        if may {
            self.left -= 1.0;
        }
        may
    }
}

/// The same for the same maker and words, so that all replicas write one event.
fn name(refused: &Refused) -> String {
    let Refused { namespace, maker, note } = refused;
    let whole = json!([namespace, maker.api_version, maker.kind, maker.name, maker.uid, note]).to_string();
    let hash = digest(&SHA256, whole.as_bytes());
    let mut name = "ringfence-".to_owned();
    for byte in hash.as_ref().iter().take(8) {
        name += &format!("{byte:02x}");
    }
    name
}

async fn write(client: &Client, name: &str, refused: &Refused, times: u64) -> Result<(), ChangeError> {
    let place = Place { resource: EVENTS, namespace: Some(&refused.namespace), name };
    let metadata = json!({"name": name, "namespace": refused.namespace});
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
    let (event, manager) = if let Some(there) = read(client, place).await? {
        let before = there["series"]["count"].as_u64().unwrap_or(1);
        let series = json!({"count": before.saturating_add(times), "lastObservedTime": now});
        // Of an event nothing else may change.
        (
            json!({"apiVersion": EVENTS.api_version, "kind": EVENTS.kind, "metadata": metadata, "series": series}),
            COUNTER,
        )
    } else {
        let direct = reference(&refused.namespace, &refused.maker);
        let owner = owner(client, refused).await;
        let mut event = json!({"apiVersion": EVENTS.api_version, "kind": EVENTS.kind, "metadata": metadata,
            "regarding": owner.as_ref().map_or_else(|| direct.clone(), |owner| reference(&refused.namespace, owner)),
            "note": refused.note, "type": "Warning", "reason": "PodRefused", "action": "Admit", "eventTime": now,
            "reportingController": "ringfence.dev/serve", "reportingInstance": MANAGER});
        if owner.is_some() {
            event["related"] = direct;
        }
        (event, MANAGER)
    };
    match apply(client, place, &event, Apply { manager, force: true, dry_run: false }).await {
        Ok(_) => Ok(()),
        // Nobody looks for it there any more.
        Err(ChangeError { code: Some(403 | 404), message, .. }) if message.contains("being terminated") => Ok(()),
        Err(error) => Err(error),
    }
}

fn reference(namespace: &str, maker: &Maker) -> Value {
    json!({"apiVersion": maker.api_version, "kind": maker.kind, "name": maker.name, "namespace": namespace, "uid": maker.uid})
}

/// What made the maker, if something did and it can be known: the Deployment, of which people know.
async fn owner(client: &Client, refused: &Refused) -> Option<Maker> {
    let Maker { api_version, kind, name, uid } = &refused.maker;
    let resource = MADE.into_iter().find(|made| made.api_version == api_version && made.kind == kind)?;
    let place = Place { resource, namespace: Some(&refused.namespace), name };
    let there = match read(client, place).await {
        Ok(there) => there?,
        Err(error) => {
            tracing::debug!(%error, "cannot look for what made it");
            return None;
        }
    };
    // A pod may say of itself what it likes.
    if there["metadata"]["uid"] != uid.as_str() {
        return None;
    }
    let owners = there["metadata"]["ownerReferences"].as_array()?;
    let owner = owners.iter().find(|owner| owner["controller"] == true)?;
    let text = |field: &str| owner[field].as_str().map(str::to_owned);
    Some(Maker { api_version: text("apiVersion")?, kind: text("kind")?, name: text("name")?, uid: text("uid")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_told_and_then_one_a_second() {
        let now = Instant::now();
        let mut allowance = Allowance { left: BURST, at: now };
        assert_eq!((0..100).filter(|_| allowance.take(now)).count(), 25);
        assert_eq!((0..100).filter(|_| allowance.take(now + Duration::from_secs(3))).count(), 3);
    }

    #[test]
    fn replicas_tell_of_one_thing_under_one_name() {
        let of = |name: &str, note: &str| {
            let maker =
                Maker { api_version: "apps/v1".into(), kind: "ReplicaSet".into(), name: name.into(), uid: "u".into() };
            super::name(&Refused { namespace: "shop".into(), maker, note: note.into() })
        };
        assert_eq!(of("a", "b"), of("a", "b"));
        assert!(of("a", "b") != of("ab", "") && of("a", "b") != of("a", "c"));
    }
}
