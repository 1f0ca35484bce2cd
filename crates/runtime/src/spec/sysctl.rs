//! `linux.sysctl`: the pod's, and the two that containerd 2 sets in a network namespace of the pod's own so that no
//! privilege is needed for low ports and for ping (`enable_unprivileged_ports`, `enable_unprivileged_icmp`).

use std::collections::HashMap;

use ringfence_context::effective::{EffectiveContainer, EffectivePod};
use ringfence_context::process::Namespace;

use super::{SpecError, SpecOptions, known};

pub(super) fn sysctl(
    pod: &EffectivePod,
    container: &EffectiveContainer,
    options: &SpecOptions<'_>,
) -> Result<Option<HashMap<String, String>>, SpecError> {
    if options.join.pod.is_some() {
        // The sandbox has set them.
        return Ok(None);
    }
    let mut map = HashMap::new();
    if container.namespaces.net == Namespace::Own {
        map.insert("net.ipv4.ip_unprivileged_port_start".to_owned(), "0".to_owned());
        if container.namespaces.user == Namespace::Host && !options.unprivileged {
            map.insert("net.ipv4.ping_group_range".to_owned(), "0 2147483647".to_owned());
        }
    }
    for sysctl in &pod.sysctls {
        let (name, value) = known("sysctls", sysctl)?;
        map.insert(name.clone(), value.clone());
    }
    Ok((!map.is_empty()).then_some(map))
}
