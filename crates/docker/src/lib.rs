//! Docker's command line: what each flag means, what a container of it gets, and the pod that is its equal.
//!
//! ```text
//! docker run … ─ parse ─▶ Options ─ resolve ─▶ Container ─ process() ─▶ ProcessState   (what /proc will say)
//!                           │  ▲
//!                  to_pod() ▼  │ from_container()
//!                           Pod, and notes on what has no equivalent
//! ```
//!
//! Pure: files that a flag names, and what the image and the machine hold, come in as data. The rules are those of the
//! docker command and of its daemon (github.com/docker/cli `cli/command/container`, github.com/moby/moby `daemon`), as
//! each [`Version`] has them.
#![forbid(unsafe_code)]

pub mod compose;
pub mod effective;
mod equivalent;
mod flags;
mod options;
mod refusal;
pub mod value;
mod version;

pub use equivalent::{Expressed, Note, command_line, from_container, to_pod};
pub use flags::{Effect, FLAGS, Flag, Foreign, Given, Parsed, Takes, known, parse, suggestion};
pub use options::{Files, Options};
pub use refusal::Refusal;
pub use version::Version;
