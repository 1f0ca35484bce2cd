//! The time by which waivers expire.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use std::time::Instant;

/// A clock that never goes back: a waiver that has expired stays so, whatever somebody does to the system's clock.
#[derive(Debug)]
pub(crate) struct Clock {
    began: Timestamp,
    since: Instant,
}

impl Default for Clock {
    fn default() -> Self {
        Self { began: Timestamp::now(), since: Instant::now() }
    }
}

impl Clock {
    /// The system's time, or the time that has to be by now, whichever is later.
    pub(crate) fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.since.elapsed()).unwrap_or(SignedDuration::MAX);
        Timestamp::now().max(self.began.saturating_add(passed).unwrap_or(Timestamp::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_back_goes_on() {
        let ahead = Timestamp::now() + SignedDuration::from_hours(24);
        let clock = Clock { began: ahead, since: Instant::now() };
        assert!(clock.now() >= ahead && clock.now() <= clock.now());
    }
}
