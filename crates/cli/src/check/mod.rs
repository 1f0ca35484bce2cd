//! Judging one input: every workload of it against every standard asked for.

mod admission;
mod all_versions;
mod judge;
mod namespace;
mod nodes;
mod report;
mod resource;
mod standard;

pub(crate) use all_versions::ranges;
pub(crate) use judge::{Against, Judged, Judgement, judge};
pub(crate) use namespace::is_namespace;
pub(crate) use report::ObjectReport;
pub(crate) use standard::{Standard, Versions};
