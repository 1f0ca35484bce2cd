//! Why a pod gets this security context constraint and not another, and what a refused pod would take.

mod candidate;
mod turns;

pub use candidate::{Candidate, Change, Objection, give, plain_violation};
pub use turns::{Turns, because};
