//! `linux.uidMappings` and `linux.gidMappings`.

use oci_spec::runtime::{LinuxIdMapping, LinuxIdMappingBuilder};
use ringfence_context::effective::EffectiveContainer;
use ringfence_context::process::Namespace;

use super::{SpecError, SpecOptions};

/// A range of IDs in the user namespace and what they are outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdMapping {
    /// The first ID inside.
    pub inside: u32,
    /// The first ID outside.
    pub outside: u32,
    /// How many.
    pub size: u32,
}

/// The mappings of a user namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdMappings {
    /// Of users.
    pub uid: Vec<IdMapping>,
    /// Of groups.
    pub gid: Vec<IdMapping>,
    /// Whether setgroups(2) is allowed: not where an unprivileged caller maps its own group alone.
    pub setgroups: bool,
}

impl IdMappings {
    /// The user's ID outside, if it is mapped.
    pub fn outside_uid(&self, inside: u32) -> Option<u32> {
        outside(&self.uid, inside)
    }

    /// The group's ID outside, if it is mapped.
    pub fn outside_gid(&self, inside: u32) -> Option<u32> {
        outside(&self.gid, inside)
    }

    pub(crate) fn uid(&self) -> Vec<LinuxIdMapping> {
        self.uid.iter().map(oci).collect()
    }

    pub(crate) fn gid(&self) -> Vec<LinuxIdMapping> {
        self.gid.iter().map(oci).collect()
    }
}

fn outside(mappings: &[IdMapping], inside: u32) -> Option<u32> {
    mappings.iter().find_map(|mapping| {
        let offset = inside.checked_sub(mapping.inside)?;
        (offset < mapping.size).then(|| mapping.outside.checked_add(offset))?
    })
}

fn oci(mapping: &IdMapping) -> LinuxIdMapping {
    LinuxIdMappingBuilder::default()
        .container_id(mapping.inside)
        .host_id(mapping.outside)
        .size(mapping.size)
        .build()
        .expect("a mapping of three given numbers is not validated")
}

/// The mappings, when the container has a user namespace that it does not join.
pub(super) fn mappings<'a>(
    container: &EffectiveContainer,
    options: &SpecOptions<'a>,
) -> Result<Option<&'a IdMappings>, SpecError> {
    if container.namespaces.user == Namespace::Host && !options.unprivileged {
        return Ok(None);
    }
    if options.join.pod.is_some() {
        return Ok(None);
    }
    options.id_mappings.map(Some).ok_or(SpecError::NoMappings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_outside_the_ranges_have_no_counterpart() {
        let ranges =
            vec![IdMapping { inside: 0, outside: 65_536, size: 10 }, IdMapping { inside: 20, outside: 5, size: 1 }];
        let mappings = IdMappings { uid: ranges.clone(), gid: ranges, setgroups: true };
        assert_eq!(mappings.outside_uid(9), Some(65_545));
        assert_eq!(mappings.outside_uid(10), None);
        assert_eq!(mappings.outside_gid(20), Some(5));
        assert_eq!(mappings.outside_gid(u32::MAX), None);
    }
}
