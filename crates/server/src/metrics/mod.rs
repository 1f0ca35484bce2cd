//! What Prometheus may know: the reference webhook's own counters under their names, and those of this server.

mod counter;
mod histogram;
mod pod_security;
mod waivers;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub(crate) use counter::Counters;
pub(crate) use histogram::Histogram;
pub(crate) use pod_security::PodSecurityMetrics;
pub(crate) use waivers::waivers;

/// Everything that is counted.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) pod_security: PodSecurityMetrics,
    /// Requests by path and HTTP status.
    pub(crate) requests: Counters<2>,
    /// Time from the whole body to the answer, for each webhook.
    pub(crate) validate: Histogram,
    pub(crate) scc: Histogram,
    /// Requests that got an answer although they could not be judged, by whether they were let through.
    pub(crate) impossible: Counters<1>,
    /// What would have been refused, by webhook.
    pub(crate) advised: Counters<1>,
    /// Reviews that were let through although they violate, by the control that was waived.
    pub(crate) waived: Counters<1>,
    /// What went wrong inside, by what it was.
    pub(crate) failures: Counters<1>,
    pub(crate) connections: AtomicU64,
    pub(crate) connections_refused: AtomicU64,
    pub(crate) bytes_waiting: AtomicU64,
    /// When the certificate ends, in seconds since 1970; 0 without one.
    pub(crate) certificate_expiry: AtomicU64,
    pub(crate) certificate_reloads: Counters<1>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            pod_security: PodSecurityMetrics::default(),
            requests: Counters::new(
                "ringfence_http_requests_total",
                "HTTP requests by path and status.",
                ["path", "code"],
            ),
            validate: Histogram::default(),
            scc: Histogram::default(),
            impossible: Counters::new(
                "ringfence_unjudged_total",
                "Reviews that could not be judged, by what was done with them.",
                ["decision"],
            ),
            advised: Counters::new(
                "ringfence_advised_total",
                "Reviews that would have been refused, and were not because refusals are only advised.",
                ["webhook"],
            ),
            waived: Counters::new(
                "ringfence_waived_total",
                "Reviews that waivers let through, by control.",
                ["control"],
            ),
            failures: Counters::new("ringfence_failures_total", "What went wrong inside.", ["what"]),
            connections: AtomicU64::new(0),
            connections_refused: AtomicU64::new(0),
            bytes_waiting: AtomicU64::new(0),
            certificate_expiry: AtomicU64::new(0),
            certificate_reloads: Counters::new(
                "ringfence_certificate_reloads_total",
                "Certificates that were read anew, by what came of it.",
                ["result"],
            ),
        }
    }
}

impl Metrics {
    /// The text that Prometheus scrapes.
    pub(crate) fn render(&self) -> String {
        let mut out = String::with_capacity(8 << 10);
        self.pod_security.render(&mut out);
        self.requests.render(&mut out);
        self.impossible.render(&mut out);
        self.advised.render(&mut out);
        self.waived.render(&mut out);
        self.failures.render(&mut out);
        self.certificate_reloads.render(&mut out);
        Histogram::describe(
            "ringfence_review_duration_seconds",
            "Time from a request's last byte to its answer.",
            &mut out,
        );
        self.validate.render("ringfence_review_duration_seconds", "webhook=\"pod-security\"", &mut out);
        self.scc.render("ringfence_review_duration_seconds", "webhook=\"scc\"", &mut out);
        for (name, help, value) in [
            ("ringfence_connections", "Open connections.", &self.connections),
            ("ringfence_body_bytes_waiting", "Bytes of request bodies that are held.", &self.bytes_waiting),
            (
                "ringfence_certificate_expiry_timestamp_seconds",
                "When the serving certificate ends.",
                &self.certificate_expiry,
            ),
        ] {
            gauge(name, help, value.load(Relaxed), &mut out);
        }
        let name = "ringfence_connections_refused_total";
        let _ = writeln!(out, "# HELP {name} Connections beyond the limit.\n# TYPE {name} counter");
        let _ = writeln!(out, "{name} {}", self.connections_refused.load(Relaxed));
        if let Some(bytes) = resident() {
            gauge("process_resident_memory_bytes", "Resident memory.", bytes, &mut out);
        }
        out
    }
}

/// A gauge without labels. Writing to a string cannot fail.
pub(crate) fn gauge(name: &str, help: &str, value: u64, out: &mut String) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
}

/// Resident memory of this process; see proc_pid_statm(5).
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4096)
}
