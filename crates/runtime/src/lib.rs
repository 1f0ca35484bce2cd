//! Applies an effective security context to a process on Linux, and reads back from the kernel what it got.
//!
//! ```text
//! EffectiveContainer ─ spec ─▶ OCI runtime spec ─ engine ─▶ process ─ observe ─▶ ProcessState
//!                      pure                        launcher (built in)
//!                                                  external (runc, crun…)
//! ```
//!
//! Unsafe code lives in `sys` alone.

// The tests inside share the harness of those outside, which knows the crate by its name.
#[cfg(test)]
extern crate self as ringfence_runtime;

pub mod app_armor;
pub mod cgroup;
pub mod docker;
pub mod engine;
pub mod external;
pub mod inside;
pub mod launcher;
pub mod observe;
pub mod probe;
pub mod protect;
pub mod rootfs;
pub mod run;
pub mod seccomp;
pub mod selinux;
pub mod spec;
pub mod state;
pub mod store;
pub mod subordinate;
pub mod sys;
pub mod volume;
