//! `annotations`: what a CRI runtime tells other tools about the container.

use std::collections::HashMap;

use ringfence_context::effective::EffectiveContainer;

/// The names under which CRI runtimes note the container's name and image.
pub(super) fn annotations(container: &EffectiveContainer) -> HashMap<String, String> {
    let mut map = HashMap::from([
        ("io.kubernetes.cri.container-type".to_owned(), "container".to_owned()),
        ("io.kubernetes.cri.container-name".to_owned(), container.name.clone()),
    ]);
    if let Some(image) = &container.image {
        map.insert("io.kubernetes.cri.image-name".to_owned(), image.clone());
    }
    map
}
