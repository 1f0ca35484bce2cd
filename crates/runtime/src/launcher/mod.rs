//! The built-in launcher: applies an OCI runtime spec to a process, and refuses to start it if the kernel's state is
//! not what was asked for.
//!
//! ```text
//! Spec ─ plan (pure) ─▶ Plan ─ start ─▶ keeper ─ clone3 ─▶ container: steps, read back, seccomp, execve
//!            │                            │ user and PID namespace;   │
//!        Unsupported                      │ dies with the launcher    ├ Step { step, errno }
//!                                         ▼                           └ Mismatch { field, wanted, found }
//!                                    Exit, nothing left
//! ```
//!
//! After the clone nothing is allocated: callers may have as many threads as they like. What goes wrong arrives
//! through a page of shared memory, so that no seccomp filter can keep it back.
//!
//! What a container is shown otherwise than under runc:
//!
//! - `/sys/fs/cgroup` is read-only even in a privileged container. Where the container has no cgroup of its own, what is
//!   shown is the launcher's, which may be the host's root.
//! - A container with CAP_SYS_ADMIN that may not open all devices has a cgroup namespace of its own, which begins at the
//!   cgroup that guards devices. A volume of the host's cgroup hierarchy, writable, is still a way out of it.
//! - A container without CAP_SYS_ADMIN that may not open all devices can open no device through a volume, not even the
//!   null device in a volume of the host's `/`, unless the volume is that device alone.
//! - Masked files are read-only: their mode and owner cannot be changed.

pub(crate) mod attempt;
mod child;
mod exec;
mod facts;
mod groups;
mod guard;
mod held;
mod idmapped;
mod mappings;
mod plan;
mod report;
mod running;
mod start;
mod status;
#[cfg(test)]
mod tests;
mod text;

use oci_spec::runtime::Spec;

use crate::engine::{Engine, Launch, Running, StartError};
pub use exec::{Exec, Home};
use facts::Facts;
pub(crate) use held::user_namespace;
pub(crate) use idmapped::id_mapped;
use plan::{Plan, Policy};

/// The built-in engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BuiltIn {
    policy: Policy,
}

impl BuiltIn {
    /// An engine that refuses whatever it cannot apply.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the caller's supplementary groups stay in a container whose user namespace maps a single group without
    /// privilege: the kernel offers no way to drop them there (user_namespaces(7)). Without this, such a container is
    /// refused if the caller has any.
    #[must_use]
    pub const fn keep_groups(mut self, keep: bool) -> Self {
        self.policy.keep_groups = keep;
        self
    }

    /// What would be done for a spec, a step on each line, without doing it.
    pub fn plan(self, spec: &Spec) -> Result<String, StartError> {
        self.planned(spec).map(|plan| plan.to_string())
    }

    fn planned(self, spec: &Spec) -> Result<Plan, StartError> {
        Plan::new(spec, &Facts::read(spec)?, self.policy)
    }
}

impl Engine for BuiltIn {
    fn name(&self) -> &'static str {
        "built-in"
    }

    fn makes_groups_here(&self) -> bool {
        true
    }

    fn start(&self, launch: Launch<'_>) -> Result<Box<dyn Running>, StartError> {
        let plan = self.planned(launch.spec)?;
        let asks = launch.spec.process().as_ref().is_some_and(|process| process.terminal() == Some(true));
        if asks != matches!(launch.stdio, crate::engine::Stdio::Terminal { .. }) {
            let what = "a terminal without its streams, or the other way round (process.terminal)".to_owned();
            return Err(StartError::Unsupported { what, where_: "by the built-in launcher".to_owned() });
        }
        start::start(&plan, launch.stdio, launch.keep).map(|container| Box::new(container) as Box<dyn Running>)
    }
}
