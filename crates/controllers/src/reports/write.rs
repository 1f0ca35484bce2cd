//! One report after another is judged and written, while this replica leads.

use super::event::events;
use super::fingerprint::{NOT_OURS, fingerprint};
use super::known::{Known, What};
use super::{CLUSTER, FIELD_MANAGER, OF_CLUSTER, OF_NAMESPACE};
use crate::controller::{Controller, Work};
use crate::writer::{WriteError, Writer};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{DeleteParams, GetParams, Patch, PatchParams};
use kube::core::Request;
use ringfence_admission::pod_security::PodSecurity;
use ringfence_admission::report::{NAME, NamespaceReport, Overview, cluster_policy_report, policy_report, report};
use ringfence_admission::waiver::Waiving;
use ringfence_live::{Clock, Resource};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long changes are gathered before a namespace is judged, at least; and the cluster as a whole.
pub(crate) const DEBOUNCE: Duration = Duration::from_secs(1);
const CLUSTER_DEBOUNCE: Duration = Duration::from_secs(3);
/// How much longer than judging took is waited before the next time, so that it takes no more than a tenth of it.
const SHARE: u32 = 10;
/// Events of a namespace at one time.
const MOST_EVENTS: usize = 50;
/// For how long an event that was written is taken to be there: as long as an API server keeps them by default.
const TOLD: Duration = Duration::from_hours(1);
/// How many such are remembered. Others are asked for.
const MOST_TOLD: usize = 10_000;

/// Writes reports and events.
pub(crate) struct Reports {
    pub(crate) known: Arc<Known>,
    pub(crate) writer: Arc<Writer>,
    pub(crate) work: Arc<Work>,
    pub(crate) pod_security: PodSecurity,
    pub(crate) max_results: usize,
    pub(crate) events: bool,
    pub(crate) state: Mutex<State>,
    pub(crate) numbers: Numbers,
    /// By which waivers expire.
    pub(crate) clock: Clock,
}

/// What was found out. Every change leaves it whole, so that a poisoned lock is as good as new.
#[derive(Default)]
pub(crate) struct State {
    /// By namespace.
    overviews: BTreeMap<String, Overview>,
    /// How long judging took.
    took: HashMap<String, Duration>,
    told: HashMap<String, Instant>,
}

/// For the metrics.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    pub(crate) events: AtomicU64,
}

impl Controller for Reports {
    const NAME: &'static str = "reports";

    async fn sync(&self, key: &str) -> Result<Option<Duration>, WriteError> {
        if self.known.unknown().is_some() || self.known.is_absent(What::Reports) {
            // All are asked for again when it is known.
            return Ok(None);
        }
        if key == CLUSTER { self.cluster().await } else { self.namespace(key).await }.map(|()| None)
    }
}

impl Reports {
    /// To be looked at soon. What changes until then is looked at together.
    pub(crate) fn add(&self, key: &str) {
        let wait = if key == CLUSTER {
            CLUSTER_DEBOUNCE
        } else {
            self.state().took.get(key).map_or(DEBOUNCE, |took| DEBOUNCE.max(*took * SHARE))
        };
        self.work.queue.add_after(key, wait, Instant::now());
    }

    pub(crate) fn add_all(&self) {
        self.known.names().iter().for_each(|name| self.add(name));
        self.add(CLUSTER);
    }

    /// How many results there are of each kind, and how many namespaces were judged.
    pub(crate) fn results(&self) -> ([(&'static str, u64); 5], usize) {
        let state = self.state();
        let sum = |of: fn(&Overview) -> usize| state.overviews.values().map(of).sum::<usize>() as u64;
        let results = [
            ("fail", sum(|overview| overview.summary.fail)),
            ("warn", sum(|overview| overview.summary.warn)),
            ("error", sum(|overview| overview.summary.error)),
            ("skip", sum(|overview| overview.summary.skip)),
            ("pass", sum(|overview| overview.summary.pass)),
        ];
        (results, state.overviews.len())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn namespace(&self, name: &str) -> Result<(), WriteError> {
        let Some((namespace, pods)) = self.known.namespace(name) else {
            // Its report went with it.
            let mut state = self.state();
            state.took.remove(name);
            if state.overviews.remove(name).is_some() {
                drop(state);
                self.add(CLUSTER);
            }
            return Ok(());
        };
        let ending = namespace.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Terminating");
        let report = self.judge(name, namespace, pods).await?;
        if ending {
            return Ok(());
        }
        let old = self.known.report(Some(name));
        if report.findings.is_empty() {
            return if old.is_some_and(|old| old != NOT_OURS) { self.delete(name).await } else { Ok(()) };
        }
        let object = policy_report(&report, self.max_results);
        if old.is_none_or(|old| Some(old) != fingerprint(&object)) {
            self.apply(OF_NAMESPACE, Some(name), NAME, &object).await?;
            tracing::info!(namespace = name, summary = %object["summary"], "reported");
        }
        if self.events {
            self.tell(&report).await?;
        }
        Ok(())
    }

    /// Judges a namespace, beside what else is to be done, and notes what the cluster's report says of it.
    async fn judge(
        &self,
        name: &str,
        namespace: Arc<Namespace>,
        pods: Vec<Arc<Pod>>,
    ) -> Result<NamespaceReport, WriteError> {
        let mut pod_security = self.pod_security.clone();
        if self.known.terms().is_some() {
            pod_security = pod_security.with_waivers(Waiving { waivers: self.known.waivers(), now: self.clock.now() });
        }
        let began = Instant::now();
        let judged = tokio::task::spawn_blocking(move || {
            let pods: Vec<&Pod> = pods.iter().map(|pod| &**pod).collect();
            report(&pod_security, &namespace, &pods)
        });
        let report = judged.await.map_err(|error| WriteError::Failed(error.to_string()))?;
        let overview = Overview::from(&report);
        let mut state = self.state();
        state.took.insert(name.to_owned(), began.elapsed());
        let before = state.overviews.insert(name.to_owned(), overview);
        let news = before.as_ref() != state.overviews.get(name);
        drop(state);
        if news {
            self.add(CLUSTER);
        }
        Ok(report)
    }

    async fn cluster(&self) -> Result<(), WriteError> {
        if self.known.is_absent(What::ClusterReports) {
            return Ok(());
        }
        // Whoever just began to lead has not judged all of them yet; they are in the queue.
        for name in self.known.names() {
            if !self.state().overviews.contains_key(&name)
                && let Some((namespace, pods)) = self.known.namespace(&name)
            {
                self.judge(&name, namespace, pods).await?;
            }
        }
        let overviews: Vec<Overview> = self.state().overviews.values().cloned().collect();
        let object = cluster_policy_report(&overviews, self.max_results);
        if self.known.report(None).is_none_or(|old| Some(old) != fingerprint(&object)) {
            self.apply(OF_CLUSTER, None, NAME, &object).await?;
            tracing::info!(summary = %object["summary"], "reported on the cluster");
        }
        Ok(())
    }

    /// Events that are not there already.
    async fn tell(&self, report: &NamespaceReport) -> Result<(), WriteError> {
        for event in events(report, MOST_EVENTS, Timestamp::now()) {
            let name = event["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let key = format!("{}/{name}", report.namespace);
            if self.state().told.get(&key).is_some_and(|at| at.elapsed() < TOLD) {
                continue;
            }
            let request = Request::new(path(EVENTS, Some(&report.namespace))).get(&name, &GetParams::default());
            match self.writer.read::<Value>(request).await {
                Ok(_) => {}
                Err(WriteError::Gone) => {
                    self.apply(EVENTS, Some(&report.namespace), &name, &event).await?;
                    self.numbers.events.fetch_add(1, Relaxed);
                }
                Err(error) => return Err(error),
            }
            let mut state = self.state();
            if state.told.len() >= MOST_TOLD {
                state.told.retain(|_, at| at.elapsed() < TOLD);
            }
            if state.told.len() < MOST_TOLD {
                state.told.insert(key, Instant::now());
            }
        }
        Ok(())
    }

    async fn apply(
        &self,
        resource: Resource<'_>,
        namespace: Option<&str>,
        name: &str,
        object: &Value,
    ) -> Result<(), WriteError> {
        let parameters = PatchParams { force: true, ..PatchParams::apply(FIELD_MANAGER) };
        let request = Request::new(path(resource, namespace)).patch(name, &parameters, &Patch::Apply(object));
        match self.writer.write::<Value>(request).await {
            Ok(_) => Ok(()),
            // A namespace that is going away takes nothing new, and one that is gone nothing at all.
            Err(WriteError::Failed(error)) if error.contains("because it is being terminated") => Ok(()),
            Err(WriteError::Gone) if namespace.is_some_and(|name| self.known.namespace(name).is_none()) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn delete(&self, namespace: &str) -> Result<(), WriteError> {
        let request = Request::new(path(OF_NAMESPACE, Some(namespace))).delete(NAME, &DeleteParams::default());
        match self.writer.write::<Value>(request).await {
            Ok(_) => {
                tracing::info!(namespace, "there is nothing to report any more");
                Ok(())
            }
            Err(WriteError::Gone) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

const EVENTS: Resource<'static> = Resource { api_version: "events.k8s.io/v1", plural: "events", kind: "Event" };

/// Where the objects of a kind are, in a namespace if they are in any.
fn path(resource: Resource<'_>, namespace: Option<&str>) -> String {
    match namespace {
        Some(namespace) => format!("/apis/{}/namespaces/{namespace}/{}", resource.api_version, resource.plural),
        None => format!("/apis/{}/{}", resource.api_version, resource.plural),
    }
}
