//! The filter of a container: docker's own, or a profile in docker's format.

use oci_spec::runtime::LinuxSeccomp;
use ringfence_docker::Version;
use ringfence_docker::effective::Container;
use ringfence_docker::value::Seccomp;

use super::DockerError;
use crate::seccomp::{Conditions, KernelVersion, Profile, Target, docker_20_10, runtime_default};

/// The filter; none where there is to be none.
pub(super) fn filter(container: &Container, version: Version) -> Result<Option<LinuxSeccomp>, DockerError> {
    // docker looks at what was asked for, not at what the machine can give.
    let names: Vec<String> = container.granted.iter().map(|capability| format!("CAP_{}", capability.name())).collect();
    let target = Target::native().unwrap_or(Target::X86_64);
    let kernel = KernelVersion::parse(&rustix::system::uname().release().to_string_lossy());
    let profile = match &container.seccomp {
        Seccomp::Unconfined => return Ok(None),
        Seccomp::Default => match version {
            Version::V20_10 => docker_20_10(target, kernel, &names),
            // Since 23.0 docker and containerd keep one profile.
            Version::V29 => runtime_default(target, kernel, &names),
        },
        Seccomp::Profile { path, json } => {
            let conditions = Conditions { target, kernel, capabilities: &names };
            Profile::from_docker_json(json.as_bytes(), &conditions)
                .map_err(|error| DockerError::Seccomp { path: path.clone(), why: error.to_string() })?
        }
    };
    Ok(profile.oci().cloned())
}
