//! A progress bar for what takes longer than a second, on a terminal only.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
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

/// Shows a number that others count up, when nobody knows where it ends.
#[derive(Debug)]
pub(crate) struct Counting {
    bar: ProgressBar,
    noun: &'static str,
}

impl Counting {
    /// Nothing is drawn yet.
    pub(crate) fn new(noun: &'static str) -> Self {
        Self { bar: ProgressBar::hidden(), noun }
    }

    /// Does the work, and shows from its second second on how far it is.
    pub(crate) fn during<T>(self, count: &AtomicU64, work: impl FnOnce() -> T) -> T {
        let (done, finished) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            // Without the thread the work is done all the same, unseen.
            let shown = std::thread::Builder::new().spawn_scoped(scope, move || self.show(count, &finished));
            drop(shown);
            let result = work();
            drop(done);
            result
        })
    }

    fn show(&self, count: &AtomicU64, finished: &mpsc::Receiver<()>) {
        let mut pause = Duration::from_secs(1);
        while finished.recv_timeout(pause) == Err(mpsc::RecvTimeoutError::Timeout) {
            if self.bar.is_hidden() {
                // The template is a constant and right.
                if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} {msg}, {per_sec}, {elapsed}") {
                    self.bar.set_style(style);
                }
                self.bar.set_message(self.noun);
                self.bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
                pause = Duration::from_millis(100);
            }
            self.bar.set_position(count.load(Ordering::Relaxed));
        }
        self.bar.finish_and_clear();
    }
}

/// Bytes that come.
#[derive(Debug)]
pub(crate) struct Bytes {
    bar: ProgressBar,
    started: Instant,
    what: String,
}

impl Bytes {
    /// Nothing is drawn yet.
    pub(crate) fn new(what: &str) -> Self {
        let bar = ProgressBar::hidden();
        bar.set_length(0);
        Self { bar, started: Instant::now(), what: crate::view::clean(what).into_owned() }
    }

    /// There is more to come than was known.
    pub(crate) fn expect(&self, bytes: u64) {
        self.bar.inc_length(bytes);
    }

    /// So many came.
    pub(crate) fn step(&self, bytes: u64) {
        self.bar.inc(bytes);
        if self.bar.is_hidden() && self.started.elapsed() > Duration::from_secs(1) {
            // The template is a constant and right.
            if let Ok(style) =
                ProgressStyle::with_template("{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}")
            {
                self.bar.set_style(style.progress_chars("=> "));
            }
            self.bar.set_message(self.what.clone());
            self.bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
        }
    }

    /// So many have to come again.
    pub(crate) fn back(&self, bytes: u64) {
        self.bar.dec(bytes);
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
