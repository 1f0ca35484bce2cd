//! The system's clock, which somebody may set, and what is to be had in spite of that.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use std::time::{Duration, Instant};

/// How often the clock is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// How far a clock may be off what it should be by now: more than any slewing and any rounding.
const JUMP: SignedDuration = SignedDuration::from_secs(2);
/// Two clocks cannot be read at one time; if it took longer than this, they are read again.
const AT_ONCE: Duration = Duration::from_millis(200);

/// A clock that never falls behind: what has expired by it does not come back because somebody sets the system's clock
/// to a time before this one began. A clock that was set too far ahead meanwhile, and is put right, is followed back.
#[derive(Debug)]
pub struct Clock {
    began: Timestamp,
    since: Instant,
}

impl Default for Clock {
    fn default() -> Self {
        Self { began: Timestamp::now(), since: Instant::now() }
    }
}

impl Clock {
    /// The system's time, or the time that it has to be by now, whichever is later.
    pub fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.since.elapsed()).unwrap_or(SignedDuration::MAX);
        Timestamp::now().max(self.began.saturating_add(passed).unwrap_or(Timestamp::MAX))
    }
}

/// Tells of every jump of the system's clock, within a second or two, with how far it went; for ever. A machine that was
/// suspended has jumped, too.
pub async fn jumps(mut tell: impl FnMut(SignedDuration)) {
    let mut before = reading();
    loop {
        tokio::time::sleep(EVERY).await;
        let now = reading();
        let steady = SignedDuration::try_from(now.1 - before.1).unwrap_or(SignedDuration::MAX);
        let jump = now.0.duration_since(before.0).saturating_sub(steady);
        if jump.abs() >= JUMP {
            tell(jump);
        }
        before = now;
    }
}

/// Both clocks at one moment.
fn reading() -> (Timestamp, Instant) {
    loop {
        let (steady, wall) = (Instant::now(), Timestamp::now());
        if steady.elapsed() < AT_ONCE {
            return (wall, steady);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_back_goes_on_and_one_that_was_set_ahead_is_followed() {
        let hours = SignedDuration::from_hours;
        let ahead = Timestamp::now() + hours(24);
        let clock = Clock { began: ahead, since: Instant::now() };
        assert!(clock.now() >= ahead && clock.now() <= clock.now());
        let behind = Clock { began: Timestamp::now() - hours(24), since: Instant::now() };
        assert!(behind.now() + hours(1) > Timestamp::now());
    }
}
