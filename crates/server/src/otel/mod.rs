//! Traces for OpenTelemetry: a span for each review, with one for each part of the work, sent as OTLP over HTTP in JSON.
//!
//! ```text
//!  request ─ Tracer::start ─▶ Active ─ child, child, … ─ finish ─▶ queue of bounded length ─▶ exporter ─ POST ─▶ collector
//!            sampled, or nothing                          full: dropped and counted           failed: dropped and counted
//! ```
//!
//! Nothing that a review does waits for the exporter. <https://opentelemetry.io/docs/specs/otlp/#otlphttp>

mod export;
mod sampler;
mod settings;
mod span;
mod tracer;

pub(crate) use export::{Counts, Exporter};
pub use settings::{TraceError, Traces};
pub(crate) use tracer::{Active, Tracer};

#[cfg(test)]
mod tests;
