//! Why a container does not run: refused as a node would refuse it, or something in the machinery failed.

use std::io;
use std::path::{Path, PathBuf};

use ringfence_context::effective::{Refusal, RefusalReason};

use crate::app_armor::AppArmorError;
use crate::engine::{Exit, StartError};
use crate::rootfs::RootfsError;
use crate::spec::SpecError;
use crate::state::StateError;
use crate::volume::VolumeError;

/// A refusal as a pod's status or events show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRefusal {
    /// The reason.
    pub reason: RefusalReason,
    /// The message.
    pub message: String,
}

impl From<&Refusal> for RunRefusal {
    fn from(refusal: &Refusal) -> Self {
        Self { reason: refusal.reason, message: refusal.message.clone() }
    }
}

/// Why a container did not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The kubelet or the CRI runtime would refuse it before an OCI runtime is asked.
    #[error("{}: {}", .0.reason.as_str(), .0.message)]
    Refused(RunRefusal),
    /// A volume could not be prepared.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// The root file system could not be prepared.
    #[error(transparent)]
    Rootfs(#[from] RootfsError),
    /// No spec could be made.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The state directory failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// A mount point that would have to be made on the machine itself.
    #[error("the mount point {path:?} is not there, and it cannot be made below {}, which is this machine's own", below.display())]
    MountPoint {
        /// Where the container wants the volume.
        path: String,
        /// The machine's directory.
        below: PathBuf,
    },
    /// The engine did not start it.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The cgroup around the containers could not be made.
    #[error("limit what all containers together may use (resources)")]
    Limits {
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The Localhost seccomp profile cannot be used.
    #[error("seccomp profile {path:?}: {why}")]
    Seccomp {
        /// Relative to the seccomp directory.
        path: String,
        /// Why.
        why: String,
    },
    /// The runtime's default AppArmor profile is not loaded, and cannot be.
    #[error("{0}; appArmorProfile.type Unconfined goes without")]
    AppArmor(#[source] AppArmorError),
    /// The engine did not start it under a profile of which nobody can tell whether it is loaded.
    #[error("the container is not started under AppArmor profile {profile:?}, which may not be loaded: {why}")]
    AppArmorUnseen {
        /// The profile.
        profile: String,
        /// Why it cannot be seen.
        why: String,
        /// What the engine said.
        #[source]
        source: StartError,
    },
    /// The probe started and said nothing: a filter or a lack of memory ended it.
    #[error("the probe did not answer: {exit:?}{}{stderr}", if *in_time { " " } else { ", not in time " })]
    Probe {
        /// How it ended.
        exit: Exit,
        /// What it printed as an error.
        stderr: String,
        /// Whether it ended before it was given up.
        in_time: bool,
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

impl RunError {
    pub(super) fn machinery(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Machinery { what: what.to_owned(), source }
    }

    /// The refusal as a node would report it; `None` where only this machinery failed.
    pub fn refusal(&self) -> Option<RunRefusal> {
        let refusal = |reason, message: String| Some(RunRefusal { reason, message });
        match self {
            Self::Refused(known) => Some(known.clone()),
            // containerd asks the OCI runtime when the container is started, so that whatever it says is a StartError.
            Self::Start(StartError::Machinery { .. } | StartError::Unsupported { .. }) => None,
            Self::Start(error) => refusal(RefusalReason::StartError, with_causes(error)),
            Self::Spec(SpecError::NoCommand) => {
                refusal(RefusalReason::CreateContainerError, "no command specified".to_owned())
            }
            Self::Seccomp { .. } => refusal(RefusalReason::CreateContainerError, self.to_string()),
            Self::Volume(error @ VolumeError::SubPath { .. }) => {
                refusal(RefusalReason::CreateContainerConfigError, error.to_string())
            }
            // It is the OCI runtime that cannot mount it.
            Self::Volume(error @ VolumeError::IdMapped { .. }) => refusal(RefusalReason::StartError, error.to_string()),
            Self::Volume(VolumeError::NoObject { .. } | VolumeError::Invalid { .. }) => {
                refusal(RefusalReason::FailedMount, with_causes(self))
            }
            _ => None,
        }
    }
}

/// Whether it is the OCI runtime that refuses, so that an engine is asked and its own answer shown.
pub(super) fn is_the_runtimes(refusal: &Refusal) -> bool {
    refusal.reason == RefusalReason::StartError
}

/// Refuses a mount point that is missing below the machine's own directories: engines make mount points.
pub(super) fn check_mount_point(path: &str, fixed: &[PathBuf]) -> Result<(), RunError> {
    let clean = crate::spec::clean(Path::new(path));
    match fixed.iter().find(|below| clean.starts_with(below)) {
        Some(below) if !clean.exists() => Err(RunError::MountPoint { path: path.to_owned(), below: below.clone() }),
        _ => Ok(()),
    }
}

/// The error with what caused it.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtimes_answer_is_a_start_error_with_its_cause() {
        let error =
            RunError::Start(StartError::Exec { command: "x".to_owned(), source: io::ErrorKind::NotFound.into() });
        let refusal = error.refusal().unwrap();
        assert_eq!(refusal.reason, RefusalReason::StartError);
        assert_eq!(refusal.message, "cannot execute \"x\" in the container: entity not found");
    }

    #[test]
    fn what_only_this_machinery_lacks_is_no_refusal() {
        let error = RunError::Volume(VolumeError::NotDeclared { volume: "v".to_owned() });
        assert_eq!(error.refusal(), None);
    }
}
