//! Trying again: what may pass, a few times, ever later, and not before the registry says.

use std::time::Duration;

use super::RegistryError;

/// Tries of one request.
pub(crate) const TRIES: u32 = 5;

/// A registry that asks for more patience than this is answered with an error that says so.
const LONGEST: u64 = 60;

/// How long to wait after the try of this number, from 0, failed. `None` when there is no use in another.
pub(crate) fn wait(error: &RegistryError, number: u32, tries: u32) -> Option<Duration> {
    if number + 1 >= tries || !error.is_passing() {
        return None;
    }
    if let RegistryError::Status { retry_after: Some(seconds), .. } = error {
        return (*seconds <= LONGEST).then(|| Duration::from_secs(*seconds));
    }
    // Not all at the same moment, who failed at the same moment.
    let jitter = u64::from(
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |now| now.subsec_nanos()),
    );
    let base = 200_u64 << number.min(6);
    Some(Duration::from_millis(base + jitter % (base / 2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16, retry_after: Option<u64>) -> RegistryError {
        RegistryError::Status { url: String::new(), status, said: String::new(), retry_after }
    }

    #[test]
    fn what_may_pass_is_tried_again_and_later_each_time() {
        let first = wait(&status(503, None), 0, TRIES).unwrap();
        let third = wait(&status(503, None), 2, TRIES).unwrap();
        assert!(first < third && third < Duration::from_secs(2));
        assert_eq!(wait(&status(429, Some(7)), 0, TRIES), Some(Duration::from_secs(7)));
    }

    #[test]
    fn what_stays_is_not_tried_again() {
        assert_eq!(wait(&status(404, None), 0, TRIES), None);
        assert_eq!(wait(&status(503, None), TRIES - 1, TRIES), None);
        assert_eq!(wait(&status(429, Some(3600)), 0, TRIES), None);
    }
}
