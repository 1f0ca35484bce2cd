//! A device cgroup (cgroup v2, "Device Controller"): for a container that could mount a file system with device nodes
//! in it, and may not open them.

use std::io;
use std::os::fd::BorrowedFd;

use crate::sys::bpf::{Instruction, attach_device_program, load_device_program};

/// Devices that may be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allowed {
    pub(super) block: bool,
    /// None for all of them.
    pub(super) major: Option<u32>,
    /// None for all of them.
    pub(super) minor: Option<u32>,
    pub(super) read: bool,
    pub(super) write: bool,
}

/// Lets the processes of a cgroup open these devices alone.
pub(super) fn attach(group: BorrowedFd<'_>, allowed: &[Allowed]) -> io::Result<()> {
    use std::os::fd::AsFd as _;
    let program = load_device_program(&program(allowed))?;
    Ok(attach_device_program(group, program.as_fd())?)
}

/// The eBPF program: `struct bpf_cgroup_dev_ctx` has the access and type, the major and the minor number.
fn program(allowed: &[Allowed]) -> Vec<Instruction> {
    const BLOCK: i32 = 1;
    const CHAR: i32 = 2;
    const MKNOD: i32 = 1;
    const READ: i32 = 2;
    const WRITE: i32 = 4;
    let one = |code, registers, offset, immediate| Instruction { code, registers, offset, immediate };
    let load = |to: u8, offset| one(0x61, to | 0x10, offset, 0);
    let unless_equal = |register, value, skip| one(0x55, register, skip, value);
    let answer = |value| [one(0xb7, 0, 0, value), one(0x95, 0, 0, 0)];
    let (typ, access, major, minor, scratch) = (2, 3, 4, 5, 6);

    let mut program = vec![
        load(typ, 0),
        one(0xbf, access | (typ << 4), 0, 0),
        one(0x54, typ, 0, 0xffff),
        one(0x74, access, 0, 16),
        load(major, 4),
        load(minor, 8),
        // Making a node is no access to the device.
        unless_equal(access, MKNOD, 2),
    ];
    program.extend(answer(1));
    for device in allowed {
        let mut tests = vec![(typ, if device.block { BLOCK } else { CHAR })];
        tests.extend(device.major.map(|number| (major, number as i32)));
        tests.extend(device.minor.map(|number| (minor, number as i32)));
        let refused = if device.read { 0 } else { READ } | if device.write { 0 } else { WRITE };
        // What is refused of it, if anything, is looked for in a copy of the access: two more instructions and a test.
        let partly: i16 = if refused == 0 { 0 } else { 3 };
        let mut left = tests.len() as i16;
        for (register, value) in tests {
            left -= 1;
            program.push(unless_equal(register, value, left + partly + 2));
        }
        if refused != 0 {
            program.push(one(0xbf, scratch | (access << 4), 0, 0));
            program.push(one(0x54, scratch, 0, refused));
            program.push(unless_equal(scratch, 0, 2));
        }
        program.extend(answer(1));
    }
    program.extend(answer(0));
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: u32 = 2;

    /// What the program answers: an interpreter for its few instructions.
    fn run(program: &[Instruction], access: u32, block: bool, major: u32, minor: u32) -> u64 {
        let context = [(access << 16) | if block { 1 } else { 2 }, major, minor];
        let mut registers = [0_u64; 11];
        let mut at = 0;
        loop {
            let Instruction { code, registers: both, offset, immediate } = program[at];
            let (to, from) = ((both & 15) as usize, (both >> 4) as usize);
            at += 1;
            match code {
                0x61 => registers[to] = u64::from(context[offset as usize / 4]),
                0xbf => registers[to] = registers[from],
                0x54 => registers[to] &= immediate as u64,
                0x74 => registers[to] >>= immediate,
                0xb7 => registers[to] = immediate as u64,
                0x55 if registers[to] != immediate as u64 => at += offset as usize,
                0x55 => {}
                0x95 => return registers[0],
                other => panic!("{other:#x}"),
            }
        }
    }

    #[test]
    fn the_program_allows_what_is_listed_and_making_nodes() {
        let both = Allowed { block: false, major: None, minor: None, read: true, write: true };
        let null = Allowed { major: Some(1), minor: Some(3), ..both };
        let terminals = Allowed { major: Some(136), ..both };
        let disk = Allowed { block: true, major: Some(8), minor: Some(1), ..both };
        let program = program(&[null, terminals, disk]);
        assert_eq!(run(&program, READ, false, 1, 3), 1);
        assert_eq!(run(&program, READ, false, 1, 11), 0);
        assert_eq!(run(&program, READ, false, 136, 77), 1);
        assert_eq!(run(&program, READ, true, 8, 1), 1);
        assert_eq!(run(&program, READ, false, 8, 1), 0);
        assert_eq!(run(&program, READ, true, 1, 3), 0);
        assert_eq!(run(&program, 1, true, 254, 0), 1, "mknod");
        assert_eq!(run(&program, 3, true, 254, 0), 0, "mknod and read");
    }

    #[test]
    fn a_device_may_be_allowed_for_reading_or_for_writing_alone() {
        const WRITE: u32 = 4;
        let both = Allowed { block: false, major: Some(10), minor: Some(229), read: true, write: true };
        let fuse = Allowed { write: false, ..both };
        let control = Allowed { minor: Some(237), read: false, ..both };
        let all_disks = Allowed { block: true, major: None, minor: None, ..both };
        let program = program(&[fuse, control, all_disks]);
        let asked = [READ, WRITE, READ | WRITE];
        assert_eq!(asked.map(|access| run(&program, access, false, 10, 229)), [1, 0, 0]);
        assert_eq!(asked.map(|access| run(&program, access, false, 10, 237)), [0, 1, 0]);
        assert_eq!(asked.map(|access| run(&program, access, true, 254, 7)), [1, 1, 1]);
        assert_eq!(asked.map(|access| run(&program, access, false, 254, 7)), [0, 0, 0]);
    }
}
