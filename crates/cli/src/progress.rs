//! A progress bar for what takes longer than a second, on a terminal only.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Counts steps towards a total.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    started: Instant,
    verb: &'static str,
}

impl Progress {
    /// Nothing is drawn yet.
    pub(crate) fn new(verb: &'static str, total: usize) -> Self {
        let bar = ProgressBar::hidden();
        bar.set_length(total as u64);
        Self { bar, started: Instant::now(), verb }
    }

    /// One more is done. indicatif itself draws nothing where standard error is no terminal.
    pub(crate) fn step(&self) {
        self.bar.inc(1);
        if self.bar.is_hidden() && self.started.elapsed() > Duration::from_secs(1) {
            // The template is a constant and right.
            if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} {eta}") {
                self.bar.set_style(style.progress_chars("=> "));
            }
            self.bar.set_message(self.verb);
            self.bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
        }
    }

    /// There is more to do than was known.
    pub(crate) fn expect(&self, more: u64) {
        self.bar.inc_length(more);
    }

    /// Prints with the bar out of the way.
    pub(crate) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
