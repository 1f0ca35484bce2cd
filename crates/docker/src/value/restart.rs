//! `--restart` (docker/cli `opts/opts.go`, `ParseRestartPolicy`; moby `daemon/container.go`, `validateRestartPolicy`;
//! moby `restartmanager`).

use std::time::Duration;

use crate::refusal::Refusal;

/// Whether a container that has ended starts again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// Never.
    #[default]
    No,
    /// If it did not end with 0, at most so often; zero is no limit.
    OnFailure(u32),
    /// Whatever it ended with.
    Always,
    /// The same; the two differ when a daemon starts.
    UnlessStopped,
}

impl Restart {
    /// Reads the flag; nothing said is no restart.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let mut parts = text.split(':');
        let (name, count, more) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        if more.is_some() {
            return Err(Refusal::usage("invalid restart policy format"));
        }
        let count = match count.map(str::parse::<i64>) {
            None => 0,
            Some(Ok(count)) => count,
            Some(Err(_)) => return Err(Refusal::usage("maximum retry count must be an integer")),
        };
        let no_count = |policy| {
            if count == 0 {
                Ok(policy)
            } else {
                let why = format!("maximum retry count cannot be used with restart policy '{name}'");
                Err(Refusal::daemon(why))
            }
        };
        match name {
            "" | "no" => no_count(Self::No),
            "always" => no_count(Self::Always),
            "unless-stopped" => no_count(Self::UnlessStopped),
            "on-failure" => u32::try_from(count)
                .map(Self::OnFailure)
                .map_err(|_| Refusal::daemon("maximum retry count cannot be negative")),
            _ => Err(Refusal::daemon(format!("invalid restart policy '{name}'"))),
        }
    }
}

/// The first pause before a container starts again; each further one is twice as long, up to the longest.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_mins(1);
/// After a run of this length the pauses begin anew.
const GOOD_RUN: Duration = Duration::from_secs(10);

/// What decides, each time that a container has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestartManager {
    pause: Duration,
    restarts: u32,
}

impl RestartManager {
    /// After which pause it starts again, if it does.
    pub fn again(&mut self, policy: Restart, exit_code: u8, ran: Duration) -> Option<Duration> {
        if ran >= GOOD_RUN {
            self.pause = Duration::ZERO;
        }
        self.pause = if self.pause.is_zero() { FIRST } else { (self.pause * 2).min(LONGEST) };
        let again = match policy {
            Restart::No => false,
            Restart::OnFailure(most) => exit_code != 0 && (most == 0 || self.restarts < most),
            Restart::Always | Restart::UnlessStopped => true,
        };
        self.restarts += u32::from(again);
        again.then_some(self.pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_and_refused_as_docker_does() {
        assert_eq!(Restart::parse(""), Ok(Restart::No));
        assert_eq!(Restart::parse("on-failure:3"), Ok(Restart::OnFailure(3)));
        assert_eq!(Restart::parse("unless-stopped"), Ok(Restart::UnlessStopped));
        let why = |text: &str| Restart::parse(text).unwrap_err().message;
        assert_eq!(why("always:3"), "maximum retry count cannot be used with restart policy 'always'");
        assert_eq!(why("on-failure:x"), "maximum retry count must be an integer");
        assert_eq!(why("on-failure:-1"), "maximum retry count cannot be negative");
        assert_eq!(why("a:b:c"), "invalid restart policy format");
        assert_eq!(why("sometimes"), "invalid restart policy 'sometimes'");
    }

    #[test]
    fn pauses_grow_and_begin_anew_after_a_good_run() {
        let mut manager = RestartManager::default();
        let (bad, millis) = (Duration::ZERO, Duration::from_millis);
        let mut again = |code, ran| manager.again(Restart::OnFailure(3), code, ran);
        assert_eq!(again(1, bad), Some(millis(100)));
        assert_eq!(again(1, bad), Some(millis(200)));
        assert_eq!(again(1, GOOD_RUN), Some(millis(100)));
        assert_eq!(again(1, bad), None, "three times were allowed");
        let mut manager = RestartManager::default();
        assert_eq!(manager.again(Restart::OnFailure(0), 0, bad), None);
        for _ in 0..20 {
            assert!(manager.again(Restart::Always, 0, bad).is_some_and(|pause| pause <= LONGEST));
        }
    }
}
