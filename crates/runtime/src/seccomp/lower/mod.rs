//! A profile's rules, sorted by architecture and number: what is left to do is to write jumps.
//!
//! The meaning is that of libseccomp as runc 1.3 drives it (libcontainer/seccomp, `matchCall` and
//! `patchbpf.generatePatch`):
//! - the machine's own interface is always covered, whatever the profile lists; another architecture, or an x32 call
//!   where x32 is not listed, kills the thread;
//! - a rule whose action is the default one is dropped, and so is a name that an interface lacks;
//! - a rule without conditions beats those with conditions, and the first of several wins;
//! - unless the default action lets calls through, a call above the largest number that the profile names gets
//!   `ENOSYS`: the profile is too old to have meant it.

mod condition;
mod regions;

use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg};

use super::arch::{Abi, Target};
use super::profile::{arguments, repeated_argument, rules};
use super::syscalls::multiplexed::{Multiplexed, gateway};
use super::syscalls::{Numbers, name};
use super::verdict::Verdict;
pub(super) use condition::{Condition, Op};
pub(super) use regions::BAD_ARCH;

/// Why a profile cannot become a program. A runtime would refuse to start the container.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// A condition is on an argument that no call has.
    #[error("a rule for {syscall} has a condition on argument {index}, the last one is 5")]
    ArgumentIndex {
        /// The first name of the rule.
        syscall: String,
        /// The argument, counted from 0.
        index: usize,
    },
    /// The profile covers an architecture of the other byte order.
    #[error("{arch} has another byte order than this machine, one filter cannot cover both")]
    ByteOrder {
        /// The name as the profile spells it.
        arch: String,
    },
    /// Two rules have the same conditions and different actions.
    #[error("two rules for {syscall} have the same conditions and different actions")]
    Conflict {
        /// The call that both are for.
        syscall: String,
    },
    /// Calls that no rule names would wait for a listener, among them those with which the listener is handed over.
    #[error("SCMP_ACT_NOTIFY cannot be the default action")]
    NotifyByDefault,
    /// The listener is handed over with `write`, which can therefore not wait for it.
    #[error("SCMP_ACT_NOTIFY cannot be the action for write")]
    NotifyOnWrite,
    /// The kernel takes 4096 instructions at most.
    #[error("the filter needs {instructions} instructions, the kernel takes 4096")]
    TooLong {
        /// How many it would be.
        instructions: usize,
    },
}

/// One way for a call to match: all conditions, then the verdict.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Check {
    pub(super) conditions: Vec<Condition>,
    pub(super) verdict: Verdict,
}

/// What happens to the numbers of a segment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// The same for all.
    Verdict(Verdict),
    /// The first of these that matches, else the default action. A segment with checks has one number.
    Checks(Vec<Check>),
}

/// All that can be asked under one value of `seccomp_data.arch`: the numbers from 0 to the largest, cut into segments
/// by their first number.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) audit_arch: u32,
    pub(super) segments: Vec<(u32, Outcome)>,
}

/// A profile, ready to be written as jumps.
#[derive(Debug)]
pub(super) struct Lowered {
    pub(super) default: Verdict,
    pub(super) sections: Vec<Section>,
    /// Whether some call waits for a listener.
    pub(super) notifies: bool,
}

/// Resolves names, merges rules and finds where the profile's knowledge ends.
pub(super) fn lower(seccomp: &LinuxSeccomp, target: Target) -> Result<Lowered, CompileError> {
    let default = Verdict::of(seccomp.default_action(), seccomp.default_errno_ret());
    let notifies = notifies(seccomp, default)?;
    let listed = seccomp.architectures().as_deref().unwrap_or_default();
    if let Some(arch) = listed.iter().find(|arch| big_endian(**arch)) {
        return Err(CompileError::ByteOrder { arch: arch.to_string() });
    }
    let covered = |abi: &Abi| *abi == target.own_abi() || listed.iter().any(|arch| Abi::of(*arch) == Some(*abi));
    let abis: Vec<Abi> = target.abis().iter().copied().filter(covered).collect();
    let resolved = Resolved::of(seccomp, default, &abis)?;

    let mut sections = Vec::with_capacity(2);
    for abi in abis.iter().copied().filter(|abi| *abi != Abi::X32) {
        let mut numbers = resolved.numbers(abi)?;
        let mut regions = regions::Regions { default, last: resolved.last(abi), x32: None };
        if abi == Abi::X86_64 {
            let listed = abis.contains(&Abi::X32);
            if listed {
                numbers.extend(resolved.numbers(Abi::X32)?);
            }
            regions.x32 = Some(regions::X32 { listed, last: resolved.last(Abi::X32) });
        }
        sections.push(Section { audit_arch: abi.audit_arch(), segments: regions.cut(numbers) });
    }
    Ok(Lowered { default, sections, notifies })
}

/// Architectures that keep the high byte first; a filter finds the halves of an argument in one order alone.
const fn big_endian(arch: Arch) -> bool {
    matches!(
        arch,
        Arch::ScmpArchMips
            | Arch::ScmpArchMips64
            | Arch::ScmpArchMips64n32
            | Arch::ScmpArchPpc
            | Arch::ScmpArchPpc64
            | Arch::ScmpArchS390
            | Arch::ScmpArchS390x
            | Arch::ScmpArchParisc
            | Arch::ScmpArchParisc64
            | Arch::ScmpArchM68k
            | Arch::ScmpArchSheb
    )
}

fn notifies(seccomp: &LinuxSeccomp, default: Verdict) -> Result<bool, CompileError> {
    if default == Verdict::Notify {
        return Err(CompileError::NotifyByDefault);
    }
    let mut notifying = rules(seccomp).iter().filter(|rule| rule.action() == LinuxSeccompAction::ScmpActNotify);
    if notifying.clone().any(|rule| rule.names().iter().any(|name| name == "write")) {
        return Err(CompileError::NotifyOnWrite);
    }
    Ok(notifying.any(|rule| !rule.names().is_empty()))
}

/// The rules under the numbers of each interface, in the profile's order.
struct Resolved {
    abis: Vec<(Abi, Vec<Entry>, Option<u32>)>,
    checks: Vec<Check>,
}

/// A number, and its check's place in `Resolved::checks`.
type Entry = (u32, usize);

impl Resolved {
    fn of(seccomp: &LinuxSeccomp, default: Verdict, abis: &[Abi]) -> Result<Self, CompileError> {
        let stub = !default.lets_through();
        let has_gateways = abis.contains(&Abi::X86);
        let mut resolved =
            Self { abis: abis.iter().map(|abi| (*abi, Vec::with_capacity(512), None)).collect(), checks: Vec::new() };
        for rule in rules(seccomp) {
            let verdict = Verdict::of(rule.action(), rule.errno_ret());
            let alternatives = alternatives(rule.names(), arguments(rule))?;
            // libseccomp compares 32-bit interfaces' arguments by their low halves; each width has its own checks.
            let [wide, narrow] = [false, true].map(|narrow| resolved.add_checks(&alternatives, verdict, narrow, None));
            for name in rule.names() {
                let Some(numbers) = Numbers::of(name) else { continue };
                // A call with a gateway has a pseudo number in libseccomp, which says nothing of its age.
                let behind = gateway(name).filter(|_| has_gateways);
                for (abi, entries, last) in &mut resolved.abis {
                    let Some(number) = numbers.on(*abi) else { continue };
                    if stub && number > 0 && (*abi != Abi::X86 || behind.is_none()) {
                        *last = (*last).max(Some(number));
                    }
                    if verdict != default {
                        let checks = if abi.narrow() { narrow.clone() } else { wide.clone() };
                        entries.extend(checks.map(|check| (number, check)));
                    }
                }
                if let Some(call) = behind.filter(|_| verdict != default) {
                    let checks = resolved.add_checks(&alternatives, verdict, true, Some(call));
                    let x86 = resolved.abis.iter_mut().filter(|(abi, ..)| *abi == Abi::X86);
                    x86.for_each(|(_, entries, _)| entries.extend(checks.clone().map(|check| (call.gateway, check))));
                }
            }
        }
        for (_, entries, _) in &mut resolved.abis {
            // Checks were numbered in the profile's order, so this keeps it.
            entries.sort_unstable();
        }
        Ok(resolved)
    }

    /// Adds a rule's checks once for all of its names.
    fn add_checks(
        &mut self,
        alternatives: &[&[LinuxSeccompArg]],
        verdict: Verdict,
        narrow: bool,
        gateway: Option<Multiplexed>,
    ) -> std::ops::Range<usize> {
        let start = self.checks.len();
        for arguments in alternatives {
            let mut conditions: Vec<Condition> = Vec::new();
            if let Some(call) = gateway {
                conditions.push(Condition::selects(call.selector));
            }
            let own = arguments.iter().filter(|arg| gateway.is_none() || arg.index() != 0);
            conditions.extend(own.filter_map(|arg| Condition::of(arg, narrow)));
            conditions.sort_by_key(|condition| condition.argument);
            self.checks.push(Check { conditions, verdict });
        }
        start..self.checks.len()
    }

    /// The largest number that the profile names on this interface, if calls above it are to get `ENOSYS`.
    fn last(&self, abi: Abi) -> Option<u32> {
        self.abis.iter().find(|(known, ..)| *known == abi).and_then(|(_, _, last)| *last)
    }

    /// One outcome for each number, in ascending order.
    fn numbers(&self, abi: Abi) -> Result<Vec<(u32, Outcome)>, CompileError> {
        let entries = self.abis.iter().find(|(known, ..)| *known == abi).map_or(&[][..], |(_, entries, _)| entries);
        let mut outcomes = Vec::with_capacity(entries.len());
        for same in entries.chunk_by(|(a, _), (b, _)| a == b) {
            let checks = || same.iter().filter_map(|(_, check)| self.checks.get(*check));
            let Some(&(number, _)) = same.first() else { continue };
            let outcome = match checks().find(|check| check.conditions.is_empty()) {
                Some(always) => Outcome::Verdict(always.verdict),
                None => Outcome::Checks(condition::arranged(checks()).ok_or_else(|| CompileError::Conflict {
                    syscall: name(abi, number).unwrap_or("a system call").to_owned(),
                })?),
            };
            outcomes.push((number, outcome));
        }
        Ok(outcomes)
    }
}

/// A rule's conditions, all of which must hold; where an argument has several, runc makes each a rule of its own.
fn alternatives<'a>(
    names: &[String],
    arguments: &'a [LinuxSeccompArg],
) -> Result<Vec<&'a [LinuxSeccompArg]>, CompileError> {
    if let Some(beyond) = arguments.iter().find(|arg| arg.index() > 5) {
        let syscall = names.first().cloned().unwrap_or_default();
        return Err(CompileError::ArgumentIndex { syscall, index: beyond.index() });
    }
    let split = repeated_argument(arguments).is_some();
    Ok(if split { arguments.chunks(1).collect() } else { vec![arguments] })
}

#[cfg(test)]
mod tests;
