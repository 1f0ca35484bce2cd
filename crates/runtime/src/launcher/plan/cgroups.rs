//! Mounts of type `cgroup`: the container's view of the cgroup hierarchies. It is read-only even where the spec asks
//! for a writable one, as for privileged containers: a container that could write to its own group could lift its
//! limits. Of a hierarchy in which it has no group of its own it sees nothing: what is there is the launcher's, and with it
//! the names and numbers of whatever else runs on the machine.

use super::action::MountAction;
use super::mounts::{self, Ahead, Planned};
use super::namespaces::Keeper;
use super::options::Options;
use super::path::{Target, c_bytes};
use super::{Asked, Draft, LAUNCHER, unsupported};
use crate::engine::StartError;
use crate::launcher::facts::Kind;
use crate::sys::mount::MountAttr;

pub(super) fn plan(
    asked: &Asked<'_>,
    keeper: &Keeper,
    target: Target,
    options: &Options,
    no_devices: bool,
    draft: &mut Draft,
) -> Result<Vec<Planned>, StartError> {
    if let Some((name, _)) = options.data.first() {
        return Err(unsupported(format!("mount option {name:?} of a cgroup mount (mounts)"), LAUNCHER));
    }
    let mut attributes = MountAttr { set: options.attributes.set | libc::MOUNT_ATTR_RDONLY, ..MountAttr::default() };
    if no_devices {
        attributes.set |= libc::MOUNT_ATTR_NODEV;
    }
    let empty = |target, draft: &mut Draft| {
        let mode = vec![(c"mode".to_owned(), Some(c"755".to_owned()))];
        let mut options = Options { attributes, data: mode, ..Options::default() };
        mounts::label(asked, "tmpfs", &mut options)?;
        mounts::new("tmpfs", Some(c"tmpfs".to_owned()), target, options, no_devices, draft)
    };
    if asked.facts.cgroups.is_empty() {
        // A cgroup namespace shows its own root, and begins where the container does: in its own group, which may be that of
        // a guard of devices.
        let has_namespace = keeper.container & Kind::Cgroup.flag() != 0;
        if draft.devices.is_some() || has_namespace && asked.linux.cgroups_path().is_some() {
            let options = Options { attributes, ..Options::default() };
            return Ok(vec![mounts::new("cgroup2", Some(c"cgroup".to_owned()), target, options, no_devices, draft)?]);
        }
        if has_namespace {
            return Ok(vec![empty(target, draft)?]);
        }
        // The machine's namespace is asked for, as for a privileged container, and with it what is seen there.
        let ahead = Ahead { path: c"/sys/fs/cgroup".to_owned(), recursive: true, slot: draft.tree(), shared: false };
        let source = ahead.source();
        let recursive = attributes;
        let mount = MountAction { source, target, plain_target: false, attributes, recursive, keep: None };
        return Ok(vec![Planned { mount, read_only_later: None, ahead: Some(ahead) }]);
    }
    // cgroup v1: a directory with the container's own group of each hierarchy.
    let base = std::path::PathBuf::from(target.path.to_string_lossy().into_owned());
    let mut all = vec![empty(target, draft)?];
    for hierarchy in asked.facts.cgroups.iter().filter(|hierarchy| hierarchy.is_own) {
        let target = Target::new(&base.join(&hierarchy.name))?;
        let path = c_bytes(hierarchy.path.as_bytes())?;
        let ahead = Ahead { path, recursive: false, slot: draft.tree(), shared: false };
        let source = ahead.source();
        let mount = MountAction {
            source,
            target,
            plain_target: false,
            attributes,
            recursive: MountAttr::default(),
            keep: None,
        };
        all.push(Planned { mount, read_only_later: None, ahead: Some(ahead) });
    }
    Ok(all)
}
