//! A seccomp profile, in the form in which it also goes into an OCI runtime spec.

mod decode;
mod docker;

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompArg, LinuxSeccompArgBuilder, LinuxSeccompOperator, LinuxSyscall};

use super::arch::{Abi, Target};
use super::syscalls::Numbers;
use super::syscalls::multiplexed::gateway;
use super::warning::Warning;
pub use decode::ProfileError;
pub use docker::Conditions;

/// A seccomp profile as a containerd node understands it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Profile {
    seccomp: Option<LinuxSeccomp>,
    ignored: Vec<Warning>,
}

impl Profile {
    /// Reads the file of a `Localhost` profile: the `linux.seccomp` object of the OCI runtime specification.
    ///
    /// containerd decodes the file into just that (contrib/seccomp, `WithProfile`), so what docker's format adds
    /// (`includes`, `excludes`, `archMap`, `name`) is passed over; [`Profile::warnings`] lists it. As in Go, field
    /// names match without regard to case, unknown ones are ignored and `null` is as good as nothing.
    pub fn from_json(json: &[u8]) -> Result<Self, ProfileError> {
        let (seccomp, ignored) = decode::decode(json)?;
        Ok(Self { seccomp, ignored })
    }

    /// Reads a profile in docker's format, whose rules may depend on capabilities, machine and kernel
    /// (moby `profiles/seccomp`, `setupSeccomp`).
    pub fn from_docker_json<S: AsRef<str>>(json: &[u8], conditions: &Conditions<'_, S>) -> Result<Self, ProfileError> {
        let (seccomp, ignored) = decode::decode(&docker::resolved(json, conditions)?)?;
        Ok(Self { seccomp, ignored })
    }

    /// Takes a profile that is already in the specification's form.
    pub const fn from_oci(seccomp: LinuxSeccomp) -> Self {
        Self { seccomp: Some(seccomp), ignored: Vec::new() }
    }

    /// The profile for a runtime spec's `linux.seccomp`; none if the profile turns filtering off.
    pub const fn oci(&self) -> Option<&LinuxSeccomp> {
        self.seccomp.as_ref()
    }

    /// What the profile says without an effect on such a machine.
    pub fn warnings(&self, target: Target) -> Vec<Warning> {
        let mut warnings = self.ignored.clone();
        let Some(seccomp) = &self.seccomp else {
            warnings.push(Warning::Disabled);
            return warnings;
        };
        for arch in seccomp.architectures().iter().flatten() {
            if !Abi::of(*arch).is_some_and(|abi| target.abis().contains(&abi)) {
                warnings.push(Warning::ForeignArchitecture { name: arch.to_string() });
            }
        }
        for (rule, call) in rules(seccomp).iter().enumerate() {
            if let Some(index) = repeated_argument(arguments(call)) {
                warnings.push(Warning::RepeatedArgument { rule, index });
            }
            for name in call.names() {
                let exists = |numbers: Numbers| target.abis().iter().any(|abi| numbers.on(*abi).is_some());
                if !Numbers::of(name).is_some_and(exists) && gateway(name).is_none() {
                    warnings.push(Warning::UnknownSyscall { name: name.clone() });
                }
            }
        }
        warnings
    }
}

/// The rules, of which there may be none.
pub(super) fn rules(seccomp: &LinuxSeccomp) -> &[LinuxSyscall] {
    seccomp.syscalls().as_deref().unwrap_or_default()
}

/// The conditions of a rule, of which there may be none.
pub(super) fn arguments(rule: &LinuxSyscall) -> &[LinuxSeccompArg] {
    rule.args().as_deref().unwrap_or_default()
}

/// A condition on one argument.
pub(super) fn condition(index: usize, op: LinuxSeccompOperator, value: u64, value_two: Option<u64>) -> LinuxSeccompArg {
    let builder = LinuxSeccompArgBuilder::default().index(index).op(op).value(value);
    let builder = if let Some(value_two) = value_two { builder.value_two(value_two) } else { builder };
    // The specification's type can only be made by its builder, which has a default for each field: it cannot fail.
    builder.build().expect("every field has a value")
}

/// The first argument that has more than one condition.
pub(super) fn repeated_argument(arguments: &[LinuxSeccompArg]) -> Option<usize> {
    let seen_before = |at: usize, index| arguments.iter().take(at).any(|earlier| earlier.index() == index);
    arguments.iter().enumerate().find(|(at, arg)| seen_before(*at, arg.index())).map(|(_, arg)| arg.index())
}

#[cfg(test)]
mod tests;
