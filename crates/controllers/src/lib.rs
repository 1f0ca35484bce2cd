//! Controllers that do in a running cluster what [`ringfence_admission::sync`] plans, and give namespaces their ranges.
//!
//! ```text
//!  watches ─▶ cache ─ whom it concerns ─▶ queues ─▶ workers ─ plan ─▶ writer ─ rate ─ fence ─▶ API server
//!                                          ▲  failures, later            ▲
//!                                          └──────────────┘            lease: one replica leads
//! ```
//!
//! What is decided is decided elsewhere, in pure code: labels in [`ringfence_admission::sync`], blocks and levels in
//! [`UidRange`] and [`McsRange`]. Here is when to look, who may write, and that nothing is given away twice. This crate
//! must not know arguments, printing or exit statuses; it says what happens through `tracing`.
#![forbid(unsafe_code)]

mod bucket;
mod cache;
mod controller;
mod fence;
mod kept;
mod labels;
mod lease;
mod life;
mod queue;
mod ranges;
mod report;
mod reports;
mod run;
mod status;
mod writer;

pub use lease::{Timing, TimingError};
pub use ranges::{McsRange, McsRangeError, Ranges, UidRange, UidRangeError};
pub use reports::{NO_KINDS, ReportOptions, event, events, is_same, run_reports};
pub use run::{Election, Options, RunError, Told, Which, run};
