//! Placing and closing file descriptors by number.
#![allow(unsafe_code)] // Numbers are not owned descriptors: the callers answer for whose they are.

use std::os::fd::RawFd;

use rustix::io;

/// Makes `to` a copy of `from` that survives exec. What `to` was before is closed.
pub(crate) fn place(from: RawFd, to: RawFd) -> io::Result<()> {
    // SAFETY: dup3 takes numbers and touches no memory. The launcher's child calls it on numbers below all that the
    // plan holds, so that no owned descriptor changes its meaning.
    let result = unsafe { libc::syscall(libc::SYS_dup3, from, to, 0) };
    super::check(result).map(drop)
}

/// What to do with a range of descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Close {
    /// At once.
    Now,
    /// At exec.
    AtExec,
}

/// Closes all open descriptors from `first` to `last`, both included.
pub(crate) fn close_range(first: u32, last: u32, when: Close) -> io::Result<()> {
    let flags = match when {
        Close::Now => 0,
        Close::AtExec => libc::CLOSE_RANGE_CLOEXEC,
    };
    // SAFETY: numbers only. Callers pass ranges in which the plan holds nothing (now), or mark for exec, which ends
    // all that could be held.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
    super::check(result).map(drop)
}
