//! Events for whoever waits for pods that were refused: on the workload, with the control and what to write instead.
//!
//! A refused pod is nowhere to be seen; what made it, a ReplicaSet or a Job, tries again and again, and the person looks at
//! the Deployment above it. What is told goes through a channel of bounded length to a task of its own, so that no review
//! waits for it; what does not fit is counted and left out.

mod tell;

use ringfence_admission::review::{AdmissionRequest, AdmissionResponse, Operation};
use ringfence_admission::waiver::Maker;
use ringfence_live::Client;
use serde::Deserialize;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::sync::mpsc;

/// Refusals that wait to be told of.
const WAITING: usize = 256;
/// Bytes of a note, of which the API takes 1024.
const NOTE: usize = 1000;

/// Tells of refused pods.
#[derive(Debug)]
pub struct Events {
    waiting: mpsc::Sender<Refused>,
    numbers: Arc<Numbers>,
}

/// For the metrics.
#[derive(Debug, Default)]
struct Numbers {
    written: AtomicU64,
    left_out: AtomicU64,
    failed: AtomicU64,
}

/// A pod that was refused, as far as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Refused {
    namespace: String,
    /// What made the pod.
    maker: Maker,
    note: String,
}

impl Events {
    /// Begins to write events. Must be called within a tokio runtime, with which it ends.
    pub fn start(client: Client) -> Arc<Self> {
        let (waiting, refused) = mpsc::channel(WAITING);
        let numbers = Arc::<Numbers>::default();
        tokio::spawn(tell::tell(client, refused, Arc::clone(&numbers)));
        Arc::new(Self { waiting, numbers })
    }

    /// Whether a refusal is one to be told of: that of a new pod which a controller made, and not only to try. Then `hints`
    /// says what to write instead.
    pub(crate) fn refused(
        &self,
        request: &AdmissionRequest,
        response: &AdmissionResponse,
        hints: impl FnOnce() -> Vec<String>,
    ) {
        let Some((maker, why)) = told(request, response) else { return };
        let refused = Refused { namespace: request.namespace.clone(), maker, note: note(why, &hints()) };
        if self.waiting.try_send(refused).is_err() {
            self.numbers.left_out.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn render(&self, out: &mut String) {
        let Numbers { written, left_out, failed } = &*self.numbers;
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "# HELP ringfence_events_total Events about refused pods.\n# TYPE ringfence_events_total counter"
        );
        for (result, number) in [("written", written), ("left_out", left_out), ("failed", failed)] {
            let _ = writeln!(out, "ringfence_events_total{{result=\"{result}\"}} {}", number.load(Relaxed));
        }
    }
}

/// What made the pod, and why it was refused.
fn told<'r>(request: &AdmissionRequest, response: &'r AdmissionResponse) -> Option<(Maker, &'r str)> {
    #[derive(Deserialize)]
    struct Object {
        metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
    }
    let status = response.status.as_ref().filter(|status| !response.allowed && status.code == 403)?;
    let new = request.operation == Operation::Create
        && request.resource.group.is_empty()
        && request.resource.resource == "pods"
        && request.request_sub_resource.is_empty()
        && request.dry_run != Some(true);
    let object: Object = serde_json::from_str(request.object.as_ref().filter(|_| new)?.get()).ok()?;
    let maker = Maker::direct(&object.metadata);
    (maker.kind != "Pod").then_some((maker, status.message.as_str()))
}

/// The words of the refusal without the pod's name, which is another each time, and what to write instead.
fn note(why: &str, hints: &[String]) -> String {
    let why = why.strip_prefix("pods ").and_then(|rest| rest.split_once("forbidden: ")).map_or(why, |(_, why)| why);
    let mut note = format!("pods are refused: {why}");
    for hint in hints {
        let _ = write!(note, "; {hint}");
    }
    if note.len() > NOTE {
        let mut end = NOTE;
        while !note.is_char_boundary(end) {
            end -= 1;
        }
        note.truncate(end);
        note.push('…');
    }
    note
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn request(change: &Value) -> AdmissionRequest {
        let owner =
            json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d4", "uid": "u", "controller": true});
        let mut request = json!({"uid": "1", "operation": "CREATE", "namespace": "shop",
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "object": {"metadata": {"generateName": "web-5d4-", "ownerReferences": [owner]}}});
        for (key, value) in change.as_object().unwrap() {
            request[key] = value.clone();
        }
        serde_json::from_value(request).unwrap()
    }

    fn refusal(code: u16) -> AdmissionResponse {
        response(code, "pods \"web-5d4-\" is forbidden: violates PodSecurity \"baseline:latest\": privileged")
    }

    fn response(code: u16, message: &str) -> AdmissionResponse {
        let mut response = ringfence_admission::review::unjudged("1", message, false);
        if let Some(status) = &mut response.status {
            (status.code, status.message) = (code, message.to_owned());
        }
        response
    }

    #[test]
    fn only_new_pods_of_controllers_that_are_refused_are_told_of() {
        let maker = |change: Value, code| told(&request(&change), &refusal(code)).map(|(maker, _)| maker.name);
        assert_eq!(maker(json!({}), 403).as_deref(), Some("web-5d4"));
        for other in [
            json!({"dryRun": true}),
            json!({"operation": "UPDATE"}),
            json!({"requestSubResource": "ephemeralcontainers"}),
            json!({"resource": {"group": "", "version": "v1", "resource": "podtemplates"}}),
            json!({"object": {"metadata": {"name": "by-hand"}}}),
            json!({"object": null}),
            json!({"object": []}),
        ] {
            assert_eq!(maker(other.clone(), 403), None, "{other}");
        }
        assert_eq!(maker(json!({}), 500), None);
    }

    #[test]
    fn a_note_has_no_names_of_pods_says_what_to_write_and_fits() {
        let why = "pods \"web-5d4-\" is forbidden: violates PodSecurity \"baseline:latest\": privileged";
        let hints = ["spec.containers[0].securityContext.privileged is true: remove it".to_owned()];
        assert_eq!(
            note(why, &hints),
            "pods are refused: violates PodSecurity \"baseline:latest\": privileged; \
             spec.containers[0].securityContext.privileged is true: remove it"
        );
        let long = note(why, &["ä".repeat(2000)]);
        assert!(long.len() <= 1024 && long.ends_with('…'), "{}", long.len());
    }
}
