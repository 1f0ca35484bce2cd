//! `process.capabilities`: bounding, permitted and effective are what is granted; inheritable and ambient stay empty.
//!
//! containerd clears the ambient set whatever the user, so a user who is not root loses permitted and effective when
//! the command is executed (capabilities(7)). Its inheritable set has been empty since CVE-2022-24769.

use oci_spec::runtime::{Capabilities as OciSet, LinuxCapabilities};
use ringfence_context::effective::Capabilities;

use super::{SpecError, known};

pub(super) fn capabilities(capabilities: &Capabilities) -> Result<LinuxCapabilities, SpecError> {
    let granted = known("capabilities.granted", &capabilities.granted)?;
    let set: OciSet = granted
        .iter()
        .map(|capability| capability.name().parse().map_err(|_| SpecError::Capability(capability.name().to_owned())))
        .collect::<Result<_, _>>()?;
    let mut sets = LinuxCapabilities::default();
    sets.set_bounding(Some(set.clone()));
    sets.set_permitted(Some(set.clone()));
    sets.set_effective(Some(set));
    sets.set_inheritable(None);
    sets.set_ambient(None);
    Ok(sets)
}
