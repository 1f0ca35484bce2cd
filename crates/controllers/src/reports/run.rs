//! Reports that are kept in step with the cluster, from their start to their end.

use super::known::{Known, Touched, What};
use super::write::{Numbers, Reports};
use crate::controller::{Controller as _, Work};
use crate::fence::{Fence, Term};
use crate::lease;
use crate::life::Life;
use crate::run::{Election, RunError};
use crate::status::{Answers, common, many, one, serve};
use crate::writer::Writer;
use kube::Client;
use ringfence_admission::pod_security::PodSecurity;
use ringfence_admission::waiver::{State as Worth, Terms};
use ringfence_live::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::task::JoinSet;

/// How often to look whether a waiver has expired.
const WAIVERS: Duration = Duration::from_secs(10);

/// How reports are kept in step.
pub struct ReportOptions {
    /// What the cluster's admission goes by, but for waivers.
    pub pod_security: PodSecurity,
    /// Which waivers count; none if none do.
    pub waivers: Option<Terms>,
    /// Results of one report at most.
    pub max_results: usize,
    /// Whether events tell of workloads that fail.
    pub events: bool,
    /// The namespace of the lease.
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
}

/// Runs until SIGTERM or SIGINT, finishes what is under way and gives the lease back. A second signal ends it at once.
/// Must be called within a tokio runtime.
pub async fn run_reports(client: Client, server: &str, options: ReportOptions) -> Result<(), RunError> {
    let mut life = Life::new()?;
    if let Some(election) = &options.election {
        election.timing.check()?;
    }
    let fence = Fence::new(if options.election.is_some() { Term::Idle } else { Term::Alone });
    let writer = Writer::new(client.clone(), fence.clone(), options.writes_per_second, options.burst, false);
    let writer = Arc::new(writer);
    let (known, work, numbers) = (Arc::new(Known::new(options.waivers)), Arc::<Work>::default(), Arc::default());
    let reports = Arc::new(Reports {
        known: Arc::clone(&known),
        writer: Arc::clone(&writer),
        work: Arc::clone(&work),
        pod_security: options.pod_security,
        max_results: options.max_results,
        events: options.events,
        state: std::sync::Mutex::default(),
        numbers: Numbers::default(),
        clock: Clock::default(),
    });
    let status = Arc::new(Status {
        reports: Arc::clone(&reports),
        fence: fence.clone(),
        writer,
        election: Arc::clone(&numbers),
        works: vec![(Reports::NAME, Arc::clone(&work))],
        ending: AtomicBool::new(false),
    });
    let mut helpers = JoinSet::new();
    if let Some(listener) = options.listener {
        let listener = tokio::net::TcpListener::from_std(listener).map_err(RunError::Listen)?;
        helpers.spawn(serve(listener, Arc::clone(&status)));
    }
    let told = Arc::clone(&reports);
    known.follow(&client, server, move |touched| match touched {
        Touched::Nothing => {}
        Touched::One(key) => told.add(&key),
        Touched::All => told.add_all(),
    });
    let settled = async {
        while known.unknown().is_some() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    if life.told_to_end(settled).await {
        tracing::info!("ended");
        return Ok(());
    }
    let [namespaces, pods, templates] = known.numbers();
    tracing::info!(namespaces, pods, templates, "the cluster is known");
    // What came while not all was known was passed over.
    reports.add_all();
    life.work(Arc::clone(&reports), &work, &fence);
    helpers.spawn(resync(Arc::clone(&reports), options.resync));
    helpers.spawn(look_at_waivers(Arc::clone(&reports)));
    if let Some(election) = &options.election {
        life.elect(client, options.namespace, election, &fence, numbers);
    }
    life.until_told(&status.ending).await
}

async fn resync(reports: Arc<Reports>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        reports.add_all();
    }
}

/// Looks at everything again when a waiver has expired, of which no watch tells.
async fn look_at_waivers(reports: Arc<Reports>) {
    let mut before = Vec::new();
    loop {
        let (waivers, now) = (reports.known.waivers(), reports.clock.now());
        let worth: Vec<(String, bool)> =
            waivers.iter().map(|waiver| (waiver.title(), waivers.state(waiver, now) == Worth::Valid)).collect();
        if worth != before {
            before = worth;
            reports.add_all();
        }
        tokio::time::sleep(WAIVERS).await;
    }
}

/// What is known of it from outside.
struct Status {
    reports: Arc<Reports>,
    fence: Fence,
    writer: Arc<Writer>,
    election: Arc<lease::Numbers>,
    works: Vec<(&'static str, Arc<Work>)>,
    ending: AtomicBool,
}

impl Answers for Status {
    fn not_ready(&self) -> Option<String> {
        if self.ending.load(Relaxed) {
            return Some("shutting down".to_owned());
        }
        if self.reports.known.is_absent(What::Reports) || self.reports.known.is_absent(What::ClusterReports) {
            return Some(super::NO_KINDS.to_owned());
        }
        self.reports.known.unknown().map(|what| format!("the cluster's {} are not known yet", what.name()))
    }

    fn metrics(&self) -> String {
        let mut out = String::new();
        common(&mut out, &self.fence, &self.election, &self.works, &self.writer);
        let [namespaces, pods, templates] = self.reports.known.numbers().map(|number| number as u64);
        one(&mut out, "ringfence_namespaces", "gauge", "Namespaces that are known.", namespaces);
        one(&mut out, "ringfence_pods", "gauge", "Pods that are known.", pods);
        one(&mut out, "ringfence_pod_templates", "gauge", "Different pods among them.", templates);
        let (results, judged) = self.reports.results();
        let help = "Namespaces that this replica judged.";
        one(&mut out, "ringfence_reports_namespaces", "gauge", help, judged as u64);
        let results = results.map(|(result, n)| (format!("result=\"{result}\""), n));
        many(&mut out, "ringfence_report_results", "gauge", "Results of these, by what they come to.", results.into());
        let events = self.reports.numbers.events.load(Relaxed);
        one(&mut out, "ringfence_report_events_total", "counter", "Events that were written.", events);
        let failures = self.reports.known.failures().map(|(what, n)| (format!("resource=\"{}\"", what.name()), n));
        let help = "Lists and watches that failed.";
        many(&mut out, "ringfence_watch_failures_total", "counter", help, failures.collect());
        out
    }
}
