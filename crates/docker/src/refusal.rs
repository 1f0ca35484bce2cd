//! Why docker does not run a container, with the exit status that its command gives.

/// A refusal in docker's own words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// 125: docker itself refused; 126: the command cannot be executed; 127: something that is named is not there.
    pub exit: u8,
    /// What docker prints, without `docker:` and `Error response from daemon:` before it.
    pub message: String,
}

impl Refusal {
    /// The command line is refused before a daemon is asked (`cli/command/container/run.go`, `runRun`).
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: 125, message: message.into() }
    }

    /// The daemon or the runtime refused. The command tells the status from the message alone (`runStartContainerErr`).
    pub fn daemon(message: impl Into<String>) -> Self {
        let message = message.into();
        let not_there =
            ["executable file not found", "no such file or directory", "system cannot find the file specified"];
        let lower = message.to_lowercase();
        let exit = if not_there.iter().any(|words| lower.contains(words)) {
            127
        } else if ["permission denied", "is a directory"].iter().any(|words| lower.contains(words)) {
            126
        } else {
            125
        };
        Self { exit, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_status_follows_from_the_message() {
        assert_eq!(Refusal::usage("opening x: no such file or directory").exit, 125);
        assert_eq!(Refusal::daemon("gathering: no such file or directory").exit, 127);
        assert_eq!(Refusal::daemon("exec /x: permission denied").exit, 126);
        assert_eq!(Refusal::daemon("unable to apply caps: operation not permitted").exit, 125);
    }
}
