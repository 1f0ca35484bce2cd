//! Writing the program: a jump on the architecture, a binary search over the numbers, then the conditions.

use super::arch::Target;
use super::bpf::{self, Assembler, Instruction, Label, MAX_INSTRUCTIONS};
use super::lower::{BAD_ARCH, Check, CompileError, Condition, Lowered, Op, Outcome, lower};
use super::profile::Profile;
use super::simulate::{self, Call, Fault};
use super::verdict::Verdict;
use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompFilterFlag};

/// Flags for seccomp(2), as the kernel numbers them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Flags(u32);

impl Flags {
    /// Log every verdict but `Allow`.
    pub const LOG: Self = Self(1 << 1);
    /// Do not turn the mitigation of speculative store bypass on.
    pub const SPEC_ALLOW: Self = Self(1 << 2);
    /// Return a descriptor for the listener that `Notify` waits for.
    pub const NEW_LISTENER: Self = Self(1 << 3);
    /// A call that waits for the listener can be killed.
    pub const WAIT_KILLABLE_RECV: Self = Self(1 << 5);

    /// The kernel's number.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether all of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// runc sets `SPEC_ALLOW` unless the profile says which flags it wants, and passes over `TSYNC`: the filter is
    /// installed by a process of one thread.
    fn of(seccomp: &LinuxSeccomp, notifies: bool) -> Self {
        let start = if notifies { Self::NEW_LISTENER } else { Self::default() };
        let Some(listed) = seccomp.flags() else { return start.with(Self::SPEC_ALLOW) };
        listed.iter().fold(start, |flags, flag| match flag {
            LinuxSeccompFilterFlag::SeccompFilterFlagLog => flags.with(Self::LOG),
            LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => flags.with(Self::SPEC_ALLOW),
            LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv => flags.with(Self::WAIT_KILLABLE_RECV),
            LinuxSeccompFilterFlag::SeccompFilterFlagTsync => flags,
        })
    }
}

/// A filter, ready for the kernel.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Program {
    instructions: Vec<Instruction>,
    flags: Flags,
}

impl Program {
    /// The instructions; from 1 to [`MAX_INSTRUCTIONS`].
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// How to install it.
    pub const fn flags(&self) -> Flags {
        self.flags
    }

    /// What the kernel would answer to a call.
    pub fn evaluate(&self, call: &Call) -> Result<Verdict, Fault> {
        simulate::evaluate(&self.instructions, call)
    }
}

/// Compiles a profile for a machine; none if the profile asks for no filter.
pub fn compile(profile: &Profile, target: Target) -> Result<Option<Program>, CompileError> {
    let Some(seccomp) = profile.oci() else { return Ok(None) };
    let lowered = lower(seccomp, target)?;
    let instructions = write(&lowered);
    if instructions.len() > MAX_INSTRUCTIONS {
        return Err(CompileError::TooLong { instructions: instructions.len() });
    }
    Ok(Some(Program { instructions, flags: Flags::of(seccomp, lowered.notifies) }))
}

fn write(lowered: &Lowered) -> Vec<Instruction> {
    let mut code = Assembler::new();
    let mut next = code.ret(BAD_ARCH);
    let mut sections: Vec<(u32, Label)> = Vec::with_capacity(lowered.sections.len());
    for section in lowered.sections.iter().rev() {
        let tree = search(&mut code, &section.segments, lowered.default);
        sections.push((section.audit_arch, code.then(bpf::LD_ABS, bpf::NR, tree)));
    }
    for (audit_arch, start) in sections {
        next = code.branch(bpf::JEQ, audit_arch, start, next);
    }
    let entry = code.then(bpf::LD_ABS, bpf::ARCH, next);
    code.finish(entry)
}

/// A binary search for the last segment that starts at the number or before it. The number is loaded.
fn search(code: &mut Assembler, segments: &[(u32, Outcome)], default: Verdict) -> Label {
    match segments {
        [] => code.ret(default),
        [(_, Outcome::Verdict(verdict))] => code.ret(*verdict),
        [(_, Outcome::Checks(checks))] => test(code, checks, default),
        _ => {
            let (low, high) = segments.split_at(segments.len() / 2);
            let first = high.first().map_or(0, |(start, _)| *start);
            let above = search(code, high, default);
            let below = search(code, low, default);
            code.branch(bpf::JGE, first, above, below)
        }
    }
}

/// The checks one after the other, then the default action.
fn test(code: &mut Assembler, checks: &[Check], default: Verdict) -> Label {
    let mut otherwise = code.ret(default);
    for check in checks.iter().rev() {
        let mut then = code.ret(check.verdict);
        for condition in check.conditions.iter().rev() {
            then = compare(code, condition, then, otherwise);
        }
        otherwise = then;
    }
    otherwise
}

/// Compares one argument, by halves: BPF has 32-bit registers.
fn compare(code: &mut Assembler, condition: &Condition, yes: Label, no: Label) -> Label {
    let (high, low) = ((condition.value >> 32) as u32, condition.value as u32);
    let (high_mask, low_mask) = ((condition.mask >> 32) as u32, condition.mask as u32);
    let (jump, yes, no) = match condition.op {
        Op::Equal => (bpf::JEQ, yes, no),
        Op::NotEqual => (bpf::JEQ, no, yes),
        Op::Greater => (bpf::JGT, yes, no),
        Op::LessOrEqual => (bpf::JGT, no, yes),
        Op::GreaterOrEqual => (bpf::JGE, yes, no),
        Op::Less => (bpf::JGE, no, yes),
    };
    let half = |code: &mut Assembler, at: u32, mask: u32, jump: u16, value: u32, yes: Label, no: Label| {
        let mut next = code.branch(jump, value, yes, no);
        if mask != u32::MAX {
            next = code.then(bpf::AND, mask, next);
        }
        code.then(bpf::LD_ABS, at, next)
    };
    let mut next = yes;
    if low_mask != 0 {
        next = half(code, bpf::low_half(condition.argument), low_mask, jump, low, yes, no);
    }
    if condition.narrow || high_mask == 0 {
        return next;
    }
    let at = bpf::high_half(condition.argument);
    if jump == bpf::JEQ {
        return half(code, at, high_mask, bpf::JEQ, high, next, no);
    }
    let same = code.branch(bpf::JEQ, high, next, no);
    half(code, at, high_mask, bpf::JGT, high, yes, same)
}
