//! The seccomp profile that a container asks for, as the spec carries it.

use std::fs;
use std::path::{Component, Path};

use oci_spec::runtime::LinuxSeccomp;
use ringfence_context::effective::{EffectiveContainer, Seccomp};

use super::RunError;
use crate::seccomp::{KernelVersion, Profile, Target, runtime_default};
use crate::spec::SpecError;

pub(super) fn profile(container: &EffectiveContainer, root: Option<&Path>) -> Result<Option<LinuxSeccomp>, RunError> {
    let undecided = |field| SpecError::Undecided { field, why: "the profile depends on it".to_owned() };
    match container.seccomp.get().ok_or_else(|| undecided("seccomp"))? {
        Seccomp::Unconfined => Ok(None),
        Seccomp::RuntimeDefault => {
            let granted = container.capabilities.granted.get().ok_or_else(|| undecided("capabilities.granted"))?;
            let names: Vec<String> = granted.iter().map(|capability| format!("CAP_{}", capability.name())).collect();
            let release = rustix::system::uname().release().to_string_lossy().into_owned();
            let target = if cfg!(target_arch = "aarch64") { Target::Aarch64 } else { Target::X86_64 };
            Ok(runtime_default(target, KernelVersion::parse(&release), &names).oci().cloned())
        }
        Seccomp::Localhost { path } => {
            let fail = |why: String| RunError::Seccomp { path: path.clone(), why };
            let root = root.ok_or_else(|| fail("no directory of seccomp profiles is given".to_owned()))?;
            let relative = Path::new(path);
            if !relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
                return Err(fail("must be a descending relative path".to_owned()));
            }
            let json = fs::read(root.join(relative)).map_err(|error| fail(error.to_string()))?;
            Ok(Profile::from_json(&json).map_err(|error| fail(error.to_string()))?.oci().cloned())
        }
    }
}
