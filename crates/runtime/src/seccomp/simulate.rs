//! The kernel's interpreter of classic BPF, as far as seccomp allows it, as a pure function.

use super::bpf::{AND, Instruction, JA, JEQ, JGE, JGT, JSET, LD_ABS, MAX_INSTRUCTIONS, RET};
use super::verdict::Verdict;

/// A system call as a filter sees it: `struct seccomp_data`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Call {
    /// The call's number, with the x32 marker where it is one.
    pub number: u32,
    /// `AUDIT_ARCH_*` of the interface.
    pub arch: u32,
    /// Where the program is.
    pub instruction_pointer: u64,
    /// The six arguments as in the registers.
    pub args: [u64; 6],
}

impl Call {
    /// A call with zeros for arguments.
    pub const fn new(arch: u32, number: u32) -> Self {
        Self { number, arch, instruction_pointer: 0, args: [0; 6] }
    }

    /// The same call with these arguments.
    #[must_use]
    pub const fn with_args(self, args: [u64; 6]) -> Self {
        Self { args, ..self }
    }

    /// 32 bits at an aligned offset of the structure, little endian.
    fn word(&self, offset: u32) -> Option<u32> {
        if !offset.is_multiple_of(4) {
            return None;
        }
        let half = |value: u64| if offset.is_multiple_of(8) { value as u32 } else { (value >> 32) as u32 };
        match offset {
            0 => Some(self.number),
            4 => Some(self.arch),
            8 | 12 => Some(half(self.instruction_pointer)),
            _ => self.args.get((offset as usize - 16) / 8).map(|arg| half(*arg)),
        }
    }
}

/// Why a program is none that the kernel would have accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Fault {
    /// An operation that filters of system calls have no use for.
    #[error("instruction {at} has the unknown code {code:#06x}")]
    Code {
        /// The instruction, counted from 0.
        at: usize,
        /// Its code.
        code: u16,
    },
    /// A load from beside the call's data.
    #[error("instruction {at} loads from offset {offset}")]
    Offset {
        /// The instruction, counted from 0.
        at: usize,
        /// Where it reads.
        offset: u32,
    },
    /// A way through the program that does not return.
    #[error("the program runs off its end")]
    End,
}

/// Runs a program on a call.
pub fn evaluate(program: &[Instruction], call: &Call) -> Result<Verdict, Fault> {
    let mut accumulator = 0u32;
    let mut at = 0usize;
    // Jumps only go forward, so a program ends within its own length.
    for _ in 0..program.len().min(MAX_INSTRUCTIONS) {
        let Some(&Instruction { code, jt, jf, k }) = program.get(at) else { break };
        let jump = |holds: bool| usize::from(if holds { jt } else { jf });
        let skip = match code {
            LD_ABS => {
                accumulator = call.word(k).ok_or(Fault::Offset { at, offset: k })?;
                0
            }
            AND => {
                accumulator &= k;
                0
            }
            JA => k as usize,
            JEQ => jump(accumulator == k),
            JGT => jump(accumulator > k),
            JGE => jump(accumulator >= k),
            JSET => jump(accumulator & k != 0),
            RET => return Ok(Verdict::from_raw(k)),
            _ => return Err(Fault::Code { at, code }),
        };
        at = at.saturating_add(1).saturating_add(skip);
    }
    Err(Fault::End)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn op(code: u16, k: u32) -> Instruction {
        Instruction { code, jt: 0, jf: 0, k }
    }

    #[test]
    fn reads_the_halves_of_an_argument() {
        let call = Call::new(1, 2).with_args([0, 0, 0, 0, 0, 0xaaaa_bbbb_cccc_dddd]);
        assert_eq!(call.word(0), Some(2));
        assert_eq!(call.word(4), Some(1));
        assert_eq!(call.word(56), Some(0xcccc_dddd));
        assert_eq!(call.word(60), Some(0xaaaa_bbbb));
        assert_eq!(call.word(64), None);
    }

    #[test]
    fn faults_on_what_the_kernel_refuses() {
        let call = Call::new(0, 0);
        assert_eq!(evaluate(&[], &call), Err(Fault::End));
        assert_eq!(evaluate(&[op(JA, 9)], &call), Err(Fault::End));
        assert_eq!(evaluate(&[op(LD_ABS, 64)], &call), Err(Fault::Offset { at: 0, offset: 64 }));
        assert_eq!(evaluate(&[op(0x61, 0)], &call), Err(Fault::Code { at: 0, code: 0x61 }));
    }
}
