//! What a node cannot honour: which containers of a manifest it would break, and whether an application can run on it.
//!
//! ```text
//! PodSpec ──▶ judge()  ─▶ Finding: object, container, field, fact of the node
//! name    ──▶ verdict() ─▶ yes, no or unknown, and why
//! ```

mod finding;
mod judge;
mod need;
mod verdict;

pub use finding::{Finding, Severity};
pub use judge::judge;
pub use need::{ELASTICSEARCH, NEEDS, Need, REDIS_ENTERPRISE, need_of_image};
pub use verdict::{Answer, Verdict, privileged_mode, runs, unprivileged_mode};
