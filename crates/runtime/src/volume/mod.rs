//! Volumes: preparing those that a run can provide, and giving them to the pod's fsGroup.

mod atomic;
mod downward;
mod empty_dir;
mod given;
mod host_path;
mod id_mapped;
mod own;
mod payload;
mod prepare;
mod relabel;
mod stand_in;
mod sub_path;
mod tree;

use std::io;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};

use crate::state::StateError;

pub(crate) use downward::value as field_value;
pub use own::{Change, ChangePolicy, HardLinks, OwnError, OwnOptions, Owned, Ownership, own, own_with};
pub use prepare::Volumes;
pub(crate) use prepare::{PrepareOptions, prepare, shared_memory};
pub use relabel::{RelabelError, RelabelOptions, Relabelled, relabel};
pub use sub_path::SubPathError;

/// Objects that volumes refer to, as far as they are at hand.
pub trait Objects {
    /// The ConfigMap of this name in the pod's namespace.
    fn config_map(&self, name: &str) -> Option<&ConfigMap>;
    /// The Secret of this name in the pod's namespace.
    fn secret(&self, name: &str) -> Option<&Secret>;
}

/// No objects at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObjects;

impl Objects for NoObjects {
    fn config_map(&self, _name: &str) -> Option<&ConfigMap> {
        None
    }

    fn secret(&self, _name: &str) -> Option<&Secret> {
        None
    }
}

/// Why a volume was not prepared.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// The pod has no volume of the name that a container mounts.
    #[error("volume {volume:?} is mounted and not declared")]
    NotDeclared {
        /// The name.
        volume: String,
    },
    /// A ConfigMap or Secret that is not at hand and not optional.
    #[error("volume {volume:?}: {kind} {name:?} not found")]
    NoObject {
        /// The volume.
        volume: String,
        /// `configmap` or `secret`.
        kind: &'static str,
        /// The object's name.
        name: String,
    },
    /// What the volume says is against the kubelet's rules, in the kubelet's words where it has some.
    #[error("volume {volume:?}: {why}")]
    Invalid {
        /// The volume.
        volume: String,
        /// The rule.
        why: String,
    },
    /// What `subPath` asks for cannot be had, in the kubelet's words, which keep the reason from the pod's owner.
    #[error("failed to {what} for volumeMount {volume:?} of container {container:?}")]
    SubPath {
        /// `prepare subPath` or `create subPath directory`.
        what: &'static str,
        /// The volume.
        volume: String,
        /// The container.
        container: String,
        /// Why.
        #[source]
        source: SubPathError,
    },
    /// A system call failed.
    #[error("volume {volume:?}: {action} {}", path.display())]
    Io {
        /// The volume.
        volume: String,
        /// What was attempted.
        action: &'static str,
        /// With which path.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The state directory failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// Nor by the helper that has the subordinate IDs.
    #[error("volume {volume:?}: fsGroup is not applied")]
    Give {
        /// The volume.
        volume: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no user namespace to show it in.
    #[error("the volumes cannot be shown to the pod's users")]
    UserNamespace(#[source] crate::engine::StartError),
    /// It lies on a file system whose IDs cannot be mapped, in runc's words.
    #[error("failed to set MOUNT_ATTR_IDMAP on {}: {source}{hint}", path.display())]
    IdMapped {
        /// The volume.
        volume: String,
        /// What it shows.
        path: PathBuf,
        /// What may be the reason.
        hint: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// fsGroup could not be applied.
    #[error("volume {volume:?}: fsGroup is not applied")]
    Own {
        /// The volume.
        volume: String,
        /// Why.
        #[source]
        source: OwnError,
    },
}

fn io_error<'p>(volume: &'p str, action: &'static str, path: &'p Path) -> impl FnOnce(io::Error) -> VolumeError + 'p {
    move |source| VolumeError::Io { volume: volume.to_owned(), action, path: path.to_path_buf(), source }
}

fn invalid(volume: &str, why: impl Into<String>) -> VolumeError {
    VolumeError::Invalid { volume: volume.to_owned(), why: why.into() }
}
