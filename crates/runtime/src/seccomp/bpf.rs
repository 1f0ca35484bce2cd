//! Classic BPF instructions as the kernel takes them, and an assembler that writes a program backwards.
//!
//! Conditional jumps are 8 bits wide and only go forward. Written from the end, every target is already placed, so a
//! jump that would not reach gets a long jump put right before its target's side, and nothing is ever patched.

use super::verdict::Verdict;

/// The kernel's limit on a program's length (`BPF_MAXINSNS`).
pub const MAX_INSTRUCTIONS: usize = 4096;

/// `BPF_LD | BPF_W | BPF_ABS`: load 32 bits of `seccomp_data`.
pub(super) const LD_ABS: u16 = 0x20;
/// `BPF_ALU | BPF_AND | BPF_K`.
pub(super) const AND: u16 = 0x54;
/// `BPF_JMP | BPF_JA`.
pub(super) const JA: u16 = 0x05;
/// `BPF_JMP | BPF_JEQ | BPF_K`.
pub(super) const JEQ: u16 = 0x15;
/// `BPF_JMP | BPF_JGT | BPF_K`.
pub(super) const JGT: u16 = 0x25;
/// `BPF_JMP | BPF_JGE | BPF_K`.
pub(super) const JGE: u16 = 0x35;
/// `BPF_JMP | BPF_JSET | BPF_K`.
pub(super) const JSET: u16 = 0x45;
/// `BPF_RET | BPF_K`.
pub(super) const RET: u16 = 0x06;

/// Where `seccomp_data.nr` is.
pub(super) const NR: u32 = 0;
/// Where `seccomp_data.arch` is.
pub(super) const ARCH: u32 = 4;
/// Where the low half of an argument is; little endian machines only.
pub(super) const fn low_half(argument: u8) -> u32 {
    16 + 8 * argument as u32
}
/// Where the high half of an argument is.
pub(super) const fn high_half(argument: u8) -> u32 {
    low_half(argument) + 4
}

/// One instruction, laid out as `struct sock_filter`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(C)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// How many instructions to skip where a comparison holds.
    pub jt: u8,
    /// How many instructions to skip where it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// A placed instruction, counted from the program's end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Label(usize);

/// Writes a program from its last instruction to its first.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    reversed: Vec<Instruction>,
    returns: Vec<(Verdict, Label)>,
}

impl Assembler {
    /// Room for a usual program, so that writing one allocates once.
    pub(super) fn new() -> Self {
        Self { reversed: Vec::with_capacity(512), returns: Vec::with_capacity(8) }
    }

    fn push(&mut self, code: u16, jt: u8, jf: u8, k: u32) -> Label {
        self.reversed.push(Instruction { code, jt, jf, k });
        Label(self.reversed.len() - 1)
    }

    /// How many instructions the next one has to skip to get to `target`.
    fn distance(&self, target: Label) -> usize {
        self.reversed.len() - 1 - target.0
    }

    /// Leaves the program with a verdict; shares an earlier one that is near.
    pub(super) fn ret(&mut self, verdict: Verdict) -> Label {
        if let Some(known) = self.returns.iter_mut().find(|(known, _)| *known == verdict) {
            let label = known.1;
            // Near enough that the jump about to be written reaches it, even over a long jump for its other side.
            if self.reversed.len() - label.0 < 200 {
                return label;
            }
            let label = self.push(RET, 0, 0, verdict.to_raw());
            self.returns.iter_mut().filter(|(known, _)| *known == verdict).for_each(|known| known.1 = label);
            return label;
        }
        let label = self.push(RET, 0, 0, verdict.to_raw());
        self.returns.push((verdict, label));
        label
    }

    /// Does one thing, then goes on at `next`.
    pub(super) fn then(&mut self, code: u16, k: u32, next: Label) -> Label {
        if self.distance(next) > 0 {
            let skip = self.distance(next);
            self.push(JA, 0, 0, skip as u32);
        }
        self.push(code, 0, 0, k)
    }

    /// Compares, then goes on at `yes` or `no`.
    pub(super) fn branch(&mut self, code: u16, k: u32, yes: Label, no: Label) -> Label {
        if yes == no {
            return yes;
        }
        // Two rounds: a long jump put in for one side moves the other one instruction further away.
        let (mut yes, mut no) = (yes, no);
        while self.distance(yes) > usize::from(u8::MAX) || self.distance(no) > usize::from(u8::MAX) {
            let far = if self.distance(yes) > usize::from(u8::MAX) { &mut yes } else { &mut no };
            let skip = self.reversed.len() - 1 - far.0;
            *far = self.push(JA, 0, 0, skip as u32);
        }
        let (jt, jf) = (self.distance(yes) as u8, self.distance(no) as u8);
        self.push(code, jt, jf, k)
    }

    /// The program, which starts at `entry`.
    pub(super) fn finish(mut self, entry: Label) -> Vec<Instruction> {
        self.reversed.truncate(entry.0 + 1);
        self.reversed.reverse();
        self.reversed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_that_does_not_reach_goes_over_a_long_one() {
        let mut code = Assembler::new();
        let allow = code.ret(Verdict::Allow);
        let mut at = code.ret(Verdict::Errno(1));
        for _ in 0..300 {
            at = code.then(LD_ABS, NR, at);
        }
        let entry = code.branch(JEQ, 7, allow, at);
        let program = code.finish(entry);
        assert_eq!(program[0], Instruction { code: JEQ, jt: 0, jf: 1, k: 7 });
        assert_eq!(program[1].code, JA);
        let target = 1 + 1 + program[1].k as usize;
        assert_eq!(program[target], Instruction { code: RET, jt: 0, jf: 0, k: Verdict::Allow.to_raw() });
    }

    #[test]
    fn a_verdict_is_written_once_where_it_is_near() {
        let mut code = Assembler::new();
        let first = code.ret(Verdict::Allow);
        assert_eq!(code.ret(Verdict::Allow), first);
    }
}
