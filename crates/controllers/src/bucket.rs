//! How often the API server is written to: so many times a second, and more at once after a quiet time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A bucket that fills with tokens at a rate. Client-go's flow control.
#[derive(Debug)]
pub(crate) struct Bucket {
    per_second: f64,
    burst: f64,
    /// What is in it, and when it was last looked at. It may be owed to.
    state: Mutex<(f64, Instant)>,
}

impl Bucket {
    /// Full at first. The rate must be above zero, and the burst at least one.
    pub(crate) fn new(per_second: f64, burst: u32, now: Instant) -> Self {
        let burst = f64::from(burst.max(1));
        Self { per_second: per_second.max(0.001), burst, state: Mutex::new((burst, now)) }
    }

    /// Takes a token, and says how long to wait until it is there.
    pub(crate) fn take(&self, now: Instant) -> Duration {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, at) = *state;
        let gained = now.saturating_duration_since(at).as_secs_f64() * self.per_second;
        let left = (tokens + gained).min(self.burst) - 1.0;
        *state = (left, now.max(at));
        if left >= 0.0 { Duration::ZERO } else { Duration::from_secs_f64(-left / self.per_second) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_its_rate() {
        let now = Instant::now();
        let bucket = Bucket::new(10.0, 3, now);
        for _ in 0..3 {
            assert_eq!(bucket.take(now), Duration::ZERO);
        }
        assert_eq!(bucket.take(now), Duration::from_millis(100));
        assert_eq!(bucket.take(now), Duration::from_millis(200));
        assert_eq!(bucket.take(now + Duration::from_mins(1)), Duration::ZERO);
    }
}
