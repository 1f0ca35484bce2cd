//! HTTP: connections, their limits, and which path leads where.

mod answer;
mod body;
mod connection;
mod listen;
mod respond;
mod route;

pub(crate) use body::room;
pub(crate) use listen::{Site, serve};
pub(crate) use respond::{Reply, typed};
