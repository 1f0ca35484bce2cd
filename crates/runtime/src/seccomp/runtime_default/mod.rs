//! `RuntimeDefault`: the profile that containerd makes for a container, by its capabilities, machine and kernel.

mod docker_20_10;
mod rules;

use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSyscall};

use super::arch::Target;
use super::profile::{Profile, condition};

/// The running kernel's version; only the first two numbers count.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct KernelVersion {
    /// The `6` of `6.18`.
    pub major: u32,
    /// The `18` of `6.18`.
    pub minor: u32,
}

impl KernelVersion {
    /// Reads a release as `uname -r` prints it: `6.18.44-amd64`. None where it does not start with two numbers.
    pub fn parse(release: &str) -> Option<Self> {
        let mut numbers = release.splitn(3, '.');
        let major = numbers.next()?.parse().ok()?;
        let rest = numbers.next()?;
        let minor = rest.get(..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()))?.parse().ok()?;
        Some(Self { major, minor })
    }
}

/// containerd 2.4's `RuntimeDefault` (contrib/seccomp, `DefaultProfile`) for a container whose bounding set has the
/// capabilities of these names (`CAP_SYS_ADMIN`). Names that no rule depends on change nothing.
///
/// `kernel` is none where the version cannot be read; the rules that depend on it are then left out, as containerd
/// leaves them out.
pub fn runtime_default<S: AsRef<str>>(target: Target, kernel: Option<KernelVersion>, bounding: &[S]) -> Profile {
    profile(rules::RULES, target, kernel, bounding)
}

/// docker 20.10's own profile (moby `profiles/seccomp`, `DefaultProfile`), made in the same way. Later dockers share
/// containerd's.
pub fn docker_20_10<S: AsRef<str>>(target: Target, kernel: Option<KernelVersion>, bounding: &[S]) -> Profile {
    profile(docker_20_10::RULES, target, kernel, bounding)
}

fn profile<S: AsRef<str>>(
    rules: &[rules::Rule],
    target: Target,
    kernel: Option<KernelVersion>,
    bounding: &[S],
) -> Profile {
    let mut seccomp = LinuxSeccomp::default();
    seccomp.set_default_action(LinuxSeccompAction::ScmpActErrno);
    seccomp.set_architectures(Some(match target {
        Target::X86_64 => vec![Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32],
        Target::Aarch64 => vec![Arch::ScmpArchArm, Arch::ScmpArchAarch64],
    }));
    let has = |capability: &str| bounding.iter().any(|held| held.as_ref() == capability);
    let applies = |when: &rules::When| match when {
        rules::When::Always => true,
        rules::When::Kernel(since) => kernel.is_some_and(|kernel| kernel >= *since),
        rules::When::On(machine) => *machine == target,
        rules::When::With(capability) => has(capability),
        rules::When::Without(capability) => !has(capability),
    };
    let syscalls = rules.iter().filter(|rule| applies(&rule.when)).map(rules::Rule::to_oci).collect();
    seccomp.set_syscalls(Some(syscalls));
    Profile::from_oci(seccomp)
}

impl rules::Rule {
    fn to_oci(&self) -> LinuxSyscall {
        let mut syscall = LinuxSyscall::default();
        syscall.set_names(self.names.split_ascii_whitespace().map(str::to_owned).collect());
        syscall.set_action(match self.refused_with {
            None => LinuxSeccompAction::ScmpActAllow,
            Some(_) => LinuxSeccompAction::ScmpActErrno,
        });
        syscall.set_errno_ret(self.refused_with);
        syscall.set_args(self.first_argument.map(|(op, value)| vec![condition(0, op, value, None)]));
        syscall
    }
}

#[cfg(test)]
mod tests;
