//! The effective security context of each container of a pod: what the kubelet and the container runtime make of the
//! manifest, the image and the node, every value with where it comes from.
//!
//! Pure: what an image, a node or a seccomp profile holds comes in as data ([`facts`]); nothing here reads a file.
//!
//! ```text
//! PodSpec ─┐
//! facts   ─┴─▶ resolve() ─▶ EffectivePod ─▶ EffectiveContainer ─▶ process() ─▶ ProcessState   (what /proc will say)
//!                                │                  ├─ refusal   (what kubelet or runtime will refuse)
//!                                └─ warnings        └─ warnings  (declarations without effect)
//! ```
#![forbid(unsafe_code)]

pub mod capability;
pub mod effective;
pub mod facts;
pub mod node;
pub mod origin;
pub mod process;
mod resolve;
pub mod user_database;

pub use resolve::resolve;
