//! The machine's clock, where it may be set.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

pub(crate) const HOUR: i64 = 3600;
pub(crate) const DAY: i64 = 24 * HOUR;
pub(crate) const YEAR: i64 = 365 * DAY;

/// There is one clock.
static ONE: Mutex<()> = Mutex::new(());

/// The clock of a machine that is there to be tested on. It is right again when this is dropped.
pub(crate) struct Clock {
    began: (SystemTime, Instant),
    _one: MutexGuard<'static, ()>,
}

/// `None`, which is then said, where the clock is not to be set: anywhere but in the virtual machine of `tests/vm`.
pub(crate) fn settable() -> Option<Clock> {
    // The machine's first process leaves that file.
    if std::env::var_os("RINGFENCE_SETS_CLOCK").is_none() || !Path::new("/moved").exists() {
        println!("skipped: the clock is set only in the virtual machine of tests/vm");
        return None;
    }
    let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    Some(Clock { began: (SystemTime::now(), Instant::now()), _one: one })
}

impl Clock {
    /// What the time would be if nobody had set it, in seconds since 1970.
    pub(crate) fn right(&self) -> i64 {
        let now = self.began.0 + self.began.1.elapsed();
        i64::try_from(now.duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
    }

    /// Sets it so many seconds ahead of what it should be, or behind.
    pub(crate) fn ahead(&self, seconds: i64) {
        set(self.right() + seconds);
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        let seconds = self.right();
        let _ = Command::new("date").args(["-s", &format!("@{seconds}")]).stdout(Stdio::null()).status();
    }
}

/// Sets it to seconds since 1970.
fn set(seconds: i64) {
    let set = Command::new("date").args(["-s", &format!("@{seconds}")]).stdout(Stdio::null()).status().unwrap();
    assert!(set.success());
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    assert!((now - seconds).abs() < 60, "it is {now}, not {seconds}");
}
