//! Volumes of a pod with users of its own (`hostUsers: false`): the files keep the IDs that the containers know them by,
//! and are shown to the pod's range of IDs through an id-mapped mount (mount_setattr(2), MOUNT_ATTR_IDMAP), as a kubelet
//! has it done (`pkg/kubelet/kuberuntime/kuberuntime_container_linux.go`, `makeMounts`). The mount is made here and not
//! by the engine: runc can since 1.2 only.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, UnmountFlags, move_mount, unmount};

use super::VolumeError;
use crate::launcher;
use crate::spec::IdMappings;
use crate::state::StateDir;

/// Where volumes are shown to a pod's users.
#[derive(Debug)]
pub(super) struct IdMapped {
    namespace: OwnedFd,
    dir: PathBuf,
}

impl IdMapped {
    pub(super) fn new(state: &StateDir, mappings: &IdMappings) -> Result<Self, VolumeError> {
        let namespace = launcher::user_namespace(mappings, false).map_err(VolumeError::UserNamespace)?;
        Ok(Self { namespace, dir: state.dir("mapped", 0o755)? })
    }

    /// Whether the file system that the directory is on can be shown so.
    pub(super) fn takes(&self, dir: &Path) -> bool {
        launcher::id_mapped(dir, &self.namespace).is_ok()
    }

    /// Shows what is at `source`, under a name of its own; a second time in place of the first, whose containers have
    /// their own mounts of it.
    pub(super) fn show(&self, volume: &str, source: &Path, name: &str) -> Result<PathBuf, VolumeError> {
        // runc's words (`libcontainer/mount_linux.go`).
        let refused = |errno: Errno| VolumeError::IdMapped {
            volume: volume.to_owned(),
            path: source.to_path_buf(),
            hint: match errno {
                Errno::INVAL => " (maybe the filesystem used doesn't support idmap mounts on this kernel?)",
                _ => "",
            },
            source: errno.into(),
        };
        let tree = launcher::id_mapped(source, &self.namespace).map_err(refused)?;
        let target = self.dir.join(name);
        let failed = |action| super::io_error(volume, action, &target);
        match unmount(&target, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
            Ok(()) | Err(Errno::NOENT | Errno::INVAL) => {}
            Err(errno) => return Err(failed("unmount")(errno.into())),
        }
        let is_dir = fs::metadata(source).map_err(super::io_error(volume, "look at", source))?.is_dir();
        let made = if is_dir { fs::create_dir(&target) } else { File::create_new(&target).map(drop) };
        match made {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed("make")(error)),
            _ => {}
        }
        move_mount(tree, c"", CWD, &target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
            .map_err(|errno| failed("mount on")(errno.into()))?;
        Ok(target)
    }
}
