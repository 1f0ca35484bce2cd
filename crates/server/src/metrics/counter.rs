//! A counter for each set of labels.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{PoisonError, RwLock};

/// Beyond so many sets of labels all others are counted together, so that no caller can make memory grow.
const MOST: usize = 500;
const OTHER: &str = "other";

type Label = std::borrow::Cow<'static, str>;

#[derive(Debug)]
pub(crate) struct Counters<const N: usize> {
    name: &'static str,
    help: &'static str,
    labels: [&'static str; N],
    counts: RwLock<HashMap<[Label; N], AtomicU64>>,
}

impl<const N: usize> Counters<N> {
    pub(crate) fn new(name: &'static str, help: &'static str, labels: [&'static str; N]) -> Self {
        Self { name, help, labels, counts: RwLock::default() }
    }

    /// Counts one more.
    pub(crate) fn add(&self, values: [Label; N]) {
        {
            // A thread that panicked left whole entries behind.
            let counts = self.counts.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(count) = counts.get(&values) {
                count.fetch_add(1, Relaxed);
                return;
            }
        }
        let mut counts = self.counts.write().unwrap_or_else(PoisonError::into_inner);
        let values = if counts.len() < MOST { values } else { std::array::from_fn(|_| OTHER.into()) };
        counts.entry(values).or_default().fetch_add(1, Relaxed);
    }

    /// The sum over all labels.
    #[cfg(test)]
    pub(crate) fn total(&self) -> u64 {
        self.counts.read().unwrap().values().map(|count| count.load(Relaxed)).sum()
    }

    pub(crate) fn render(&self, out: &mut String) {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "# HELP {} {}\n# TYPE {} counter", self.name, self.help, self.name);
        let counts = self.counts.read().unwrap_or_else(PoisonError::into_inner);
        let mut lines: Vec<_> = counts.iter().collect();
        lines.sort_unstable_by_key(|(values, _)| *values);
        for (values, count) in lines {
            let _ = write!(out, "{}{{", self.name);
            for (i, (label, value)) in self.labels.iter().zip(values).enumerate() {
                let comma = if i == 0 { "" } else { "," };
                let _ = write!(out, "{comma}{label}=\"{}\"", escape(value));
            }
            let _ = writeln!(out, "}} {}", count.load(Relaxed));
        }
    }
}

/// As the exposition format wants it, cut where nobody would read on.
fn escape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars().take(80) {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_label_and_escapes_values() {
        let counters = Counters::new("a_total", "Things.", ["x"]);
        counters.add(["1".into()]);
        counters.add(["1".into()]);
        counters.add(["\"\n".into()]);
        let mut out = String::new();
        counters.render(&mut out);
        assert_eq!(
            out,
            "# HELP a_total Things.\n# TYPE a_total counter\na_total{x=\"\\\"\\n\"} 1\na_total{x=\"1\"} 2\n"
        );
    }

    #[test]
    fn memory_does_not_grow_with_what_callers_make_up() {
        let counters = Counters::new("a_total", "Things.", ["x"]);
        for i in 0..10_000 {
            counters.add([i.to_string().into()]);
        }
        assert_eq!(counters.counts.read().unwrap().len(), MOST + 1);
        assert_eq!(counters.total(), 10_000);
    }
}
