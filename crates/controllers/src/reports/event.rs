//! An event for each workload that fails, under a name that follows from it and the words, so that it is told once for as
//! long as the API server keeps it.

use super::FIELD_MANAGER;
use jiff::Timestamp;
use ringfence_admission::report::{NamespaceReport, Outcome};
use ringfence_admission::waiver::Maker;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Characters of an event's note, which may have 1024 bytes.
const LONGEST_NOTE: usize = 256;

/// The events about workloads that fail, at most so many.
pub fn events(report: &NamespaceReport, most: usize, now: Timestamp) -> Vec<Value> {
    let mut makers: Vec<(&Maker, Vec<&str>)> = Vec::new();
    for finding in report.findings.iter().filter(|finding| finding.outcome == Outcome::Fail) {
        let full = makers.len() == most;
        match makers.iter_mut().find(|(maker, _)| *maker == &finding.maker) {
            Some((_, messages)) => messages.push(&finding.message),
            None if full => break,
            None => makers.push((&finding.maker, vec![&finding.message])),
        }
    }
    let level = report.policy.enforce.to_string();
    let of = |(maker, messages): (&Maker, Vec<&str>)| {
        let note = format!("running pods violate PodSecurity {level:?}: {}", messages.join(", "));
        event(&report.namespace, maker, &note, now)
    };
    makers.into_iter().map(of).collect()
}

/// The event that tells that of a workload.
pub fn event(namespace: &str, maker: &Maker, note: &str, now: Timestamp) -> Value {
    let note: String = note.chars().take(LONGEST_NOTE).collect();
    let mut regarding = json!({"apiVersion": maker.api_version, "kind": maker.kind, "name": maker.name,
        "namespace": namespace});
    if !maker.uid.is_empty() {
        regarding["uid"] = maker.uid.as_str().into();
    }
    let time = now.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
    json!({"apiVersion": "events.k8s.io/v1", "kind": "Event",
        "metadata": {"name": name(maker, &note), "namespace": namespace}, "regarding": regarding, "note": note,
        "type": "Warning", "reason": "ViolatesPodSecurity", "action": "Judge", "eventTime": time,
        "reportingController": "ringfence.dev/report", "reportingInstance": FIELD_MANAGER})
}

/// The same for the same workload and words.
fn name(maker: &Maker, note: &str) -> String {
    let mut hash = Sha256::new();
    for part in [&maker.api_version, &maker.kind, &maker.name, note] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let mut name = "ringfence-".to_owned();
    for byte in hash.finalize().iter().take(8) {
        name += &format!("{byte:02x}");
    }
    name
}
