//! Mounts of type `cgroup`: the container's view of the cgroup hierarchies. It is read-only even where the spec asks
//! for a writable one, as for privileged containers: a container that could write to its own group could lift its
//! limits, and where it has none, what is shown is the launcher's.

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
    if asked.facts.cgroups.is_empty() {
        // A cgroup namespace shows its own root; without one, what the launcher sees is shown.
        // So does the one that a guard of devices comes with.
        if keeper.container & Kind::Cgroup.flag() != 0 || draft.devices.is_some() {
            let options = Options { attributes, ..Options::default() };
            return Ok(vec![mounts::new("cgroup2", Some(c"cgroup".to_owned()), target, options, no_devices, draft)?]);
        }
        let ahead = Ahead { path: c"/sys/fs/cgroup".to_owned(), recursive: true, slot: draft.tree(), shared: false };
        let source = ahead.source();
        let recursive = attributes;
        let mount = MountAction { source, target, plain_target: false, attributes, recursive, keep: None };
        return Ok(vec![Planned { mount, read_only_later: None, ahead: Some(ahead) }]);
    }
    // cgroup v1: a directory with the container's own group of each hierarchy.
    let directory =
        Options { attributes, data: vec![(c"mode".to_owned(), Some(c"755".to_owned()))], ..Options::default() };
    let base = std::path::PathBuf::from(target.path.to_string_lossy().into_owned());
    let mut all = vec![mounts::new("tmpfs", Some(c"tmpfs".to_owned()), target, directory, no_devices, draft)?];
    for hierarchy in &asked.facts.cgroups {
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
