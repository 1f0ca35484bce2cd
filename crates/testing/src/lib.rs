//! Real API servers for tests: etcd and kube-apiserver on the loopback, with certificates of their own, in a temporary
//! directory that goes with them.
//!
//! The binaries are those of `KUBEBUILDER_ASSETS`, as for controller-runtime's envtest: a directory with `etcd` and
//! `kube-apiserver`. Where the variable is unset, [`ApiServer::start`] says so and gives `None`, and the test is skipped.
//!
//! ```no_run
//! use ringfence_testing::{ApiServer, Flavour};
//! use serde_json::json;
//!
//! let Some(server) = ApiServer::start(Flavour::Kubernetes) else { return };
//! server.create(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}));
//! let answer = server.admin().get("/api/v1/namespaces/shop");
//! assert_eq!(answer.code, 200);
//! ```
//!
//! A server may be kept in a static for all tests of a program: when the program ends, in whatever way, a guard that
//! reads from a pipe of it ends the server and removes its directory.
//!
//! This crate must not know anything of ringfence, and nothing but tests may use it.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "what tests cannot set up fails them")]
#![allow(clippy::missing_panics_doc, reason = "what tests cannot set up fails them")]

mod certificates;
mod client;
mod flavour;
mod path;
mod server;
mod token;

pub use certificates::{Authority, Certificate};
pub use client::{Answer, Client};
pub use flavour::Flavour;
pub use path::path_of;
pub use server::{ApiServer, Settings, Who};
