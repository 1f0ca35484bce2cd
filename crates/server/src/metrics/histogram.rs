//! Durations in buckets.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds in microseconds: most answers take tens of them.
const BOUNDS: [u64; 12] = [10, 25, 50, 100, 250, 500, 1_000, 5_000, 10_000, 50_000, 100_000, 1_000_000];

#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [AtomicU64; BOUNDS.len()],
    count: AtomicU64,
    nanoseconds: AtomicU64,
}

impl Histogram {
    pub(crate) fn observe(&self, took: Duration) {
        let at = BOUNDS.iter().position(|bound| took.as_micros() < u128::from(*bound));
        if let Some(bucket) = at.and_then(|at| self.buckets.get(at)) {
            bucket.fetch_add(1, Relaxed);
        }
        self.count.fetch_add(1, Relaxed);
        self.nanoseconds.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    pub(crate) fn describe(name: &str, help: &str, out: &mut String) {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} histogram");
    }

    #[allow(clippy::cast_precision_loss, reason = "sums beyond 2^53 nanoseconds are a hundred days of work")]
    pub(crate) fn render(&self, name: &str, labels: &str, out: &mut String) {
        let mut so_far = 0;
        for (bound, bucket) in BOUNDS.iter().zip(&self.buckets) {
            so_far += bucket.load(Relaxed);
            let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{}\"}} {so_far}", *bound as f64 / 1e6);
        }
        let count = self.count.load(Relaxed);
        let _ = writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {count}");
        let _ = writeln!(out, "{name}_sum{{{labels}}} {}", self.nanoseconds.load(Relaxed) as f64 / 1e9);
        let _ = writeln!(out, "{name}_count{{{labels}}} {count}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative() {
        let histogram = Histogram::default();
        histogram.observe(Duration::from_micros(20));
        histogram.observe(Duration::from_secs(2));
        let mut out = String::new();
        histogram.render("d", "a=\"b\"", &mut out);
        assert!(out.contains("d_bucket{a=\"b\",le=\"0.00001\"} 0\n"));
        assert!(out.contains("d_bucket{a=\"b\",le=\"0.000025\"} 1\n"));
        assert!(out.contains("d_bucket{a=\"b\",le=\"1\"} 1\n"));
        assert!(out.contains("d_bucket{a=\"b\",le=\"+Inf\"} 2\n"));
        assert!(out.contains("d_count{a=\"b\"} 2\n"));
    }
}
