//! What came of raising a resource limit in a container, with SYS_RESOURCE and without it.

use serde::{Deserialize, Serialize};

/// The attempts to raise the hard limit of RLIMIT_NOFILE (setrlimit(2)), each from the same limit to the same limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RaisedLimit {
    /// The hard limit before, in files.
    pub from: u64,
    /// The hard limit that is asked for: what `fs.nr_open` allows at most, where it is above.
    pub to: u64,
    /// The container's first process, with whatever capabilities it has.
    pub process: Attempt,
    /// A program with the file capability SYS_RESOURCE (capabilities(7)), which is how a user who is not root comes by it.
    /// Absent where the first process has the capability itself, and where no such program could be given to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<Attempt>,
    /// The first process again, after it has dropped the capability.
    pub without: Attempt,
}

/// One attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Whether SYS_RESOURCE was effective; `None` where that could not be seen.
    pub effective: Option<bool>,
    /// Whether the limit was raised, as getrlimit(2) says afterwards. It is put back at once.
    pub raised: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl RaisedLimit {
    /// Whether the capability made the difference: raised with it, and refused without it.
    pub fn shows_the_capability(&self) -> bool {
        let with = |attempt: &Attempt| attempt.raised && attempt.effective == Some(true);
        (with(&self.process) || self.program.as_ref().is_some_and(with))
            && !self.without.raised
            && self.without.effective == Some(false)
    }
}
