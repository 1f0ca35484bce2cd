//! Why a container of docker's command line does not run.

use std::io;

use ringfence_docker::Refusal;

use crate::app_armor::AppArmorError;
use crate::engine::{Exit, StartError};
use crate::rootfs::RootfsError;
use crate::run::RunError;
use crate::state::StateError;

/// Why it did not run.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// docker would refuse it.
    #[error(transparent)]
    Refused(Refusal),
    /// The root file system could not be prepared.
    #[error(transparent)]
    Rootfs(#[from] RootfsError),
    /// The state directory failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// The probe could not be prepared.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The engine did not start it.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The cgroup for the limits could not be made.
    #[error("limit what the container may use")]
    Limits {
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The seccomp profile cannot be used.
    #[error("seccomp profile {path}: {why}")]
    Seccomp {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// docker's own AppArmor profile is not loaded, and cannot be (moby `daemon/apparmor_default.go`).
    #[error("AppArmor enabled on system but the docker-default profile could not be loaded")]
    AppArmor(#[from] AppArmorError),
    /// A value that the specification has no room for.
    #[error("{0} has no place in the OCI runtime spec")]
    Spec(String),
    /// The probe started and said nothing.
    #[error("the probe did not answer: {exit:?} {stderr}")]
    Probe {
        /// How it ended.
        exit: Exit,
        /// What it printed as an error.
        stderr: String,
    },
    /// Something else in the machinery failed.
    #[error("{what}")]
    Machinery {
        /// What was attempted.
        what: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

impl DockerError {
    /// The exit status that docker's command gives.
    pub fn exit(&self) -> u8 {
        let text = |error: &dyn std::error::Error| {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                text += &format!(": {cause}");
                source = cause.source();
            }
            text
        };
        match self {
            Self::Refused(refusal) => refusal.exit,
            // What the kernel refused while the container was set up; docker goes by the words.
            Self::Start(error) => Refusal::daemon(text(error)).exit,
            _ => 125,
        }
    }
}
