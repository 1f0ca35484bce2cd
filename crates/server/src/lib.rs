//! The API server's side: admission webhooks over HTTP and TLS, what they know of the cluster, and what is counted.
//!
//! ```text
//!  connection ─ http ─▶ route ─ body within limits ─▶ webhook ─▶ ringfence_admission ─▶ AdmissionReview
//!     tls: certificate read anew                        ▲
//!                          │                            └─ source::Source: a snapshot, or what is watched
//!                          └─ page: to look at the cluster with, on a listener of its own
//! ```
//!
//! A [`Live`] source follows a running cluster and keeps what admission needs of it. [`Server`] serves a [`Source`] until it is told to end. This crate must not know arguments, printing or exit
//! statuses; it says what happens through `tracing`.
#![forbid(unsafe_code)]

mod app;
mod certificates;
mod cluster;
mod events;
mod http;
mod metrics;
mod otel;
mod page;
mod sandbox;
mod server;
mod settings;
mod source;
mod spare;
mod tls;
mod webhook;

pub use certificates::{Kept, SelfSigned};
pub use cluster::Live;
pub use events::Events;
pub use otel::{TraceError, Traces};
pub use page::Page;
pub use ringfence_ui::About;
pub use sandbox::{Sandbox, SandboxError, Shut};
pub use server::{ServeError, Server, listen};
pub use settings::{Fail, Limits, Settings};
pub use source::{AnyCluster, Asked, Source};
pub use tls::{TlsError, TlsFiles};
