//! The exit status, the same for every command.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// Nothing to complain of.
    Clean,
    /// The tool did its work and found something.
    Findings,
    /// The tool could not do its work, or not all of it.
    Failure,
    /// The exit status of a command that was run for the user.
    Passed(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Clean => Self::SUCCESS,
            Exit::Findings => Self::from(1),
            Exit::Failure => Self::from(2),
            Exit::Passed(code) => Self::from(code),
        }
    }
}
