//! An image whose layers lie unpacked in directories of their own, as the root file system: overlays over the layers, or
//! all of them unpacked into a directory of the container's own.

use super::directory::Overlays;
use super::image::{Image, Stack, TopLevelKind};
use super::{Protection, Rootfs, RootfsError, RootfsOptions, RootfsSource, copy, overlay};
use crate::state::StateDir;

pub(super) fn prepare(
    state: &StateDir,
    name: &str,
    image: &Image,
    stack: &Stack,
    options: RootfsOptions,
) -> Result<Rootfs, RootfsError> {
    let root = state.dir(&format!("rootfs/{name}"), 0o755)?;
    let overlays = !options.own_files
        && overlay::is_available(state.path(), options.user_namespace)
        && overlay::takes(state.path(), stack.dirs().len());
    let path = image.path.clone();
    if !overlays {
        stack.flatten(&root)?;
        let source = RootfsSource::Image { path, protection: Protection::Copy };
        return Ok(Rootfs { root, mounts: Vec::new(), readonly_paths: Vec::new(), fixed: Vec::new(), source });
    }
    if let Some(first) = stack.dirs().first() {
        copy::attributes(first, &root)?;
    }
    let mut overlays = Overlays::new(state, name, &root, options);
    for entry in stack.top_level()? {
        match entry.kind {
            TopLevelKind::Directory(sources) => overlays.directory(&entry.name, &sources)?,
            TopLevelKind::Link(source) => overlays.link(&entry.name, &source)?,
            TopLevelKind::File(source) => overlays.file(&entry.name, &source)?,
        }
    }
    Ok(overlays.rootfs(RootfsSource::Image { path, protection: Protection::Overlay }))
}
