//! `fchmodat2(2)` on a descriptor that only stands for a file, which rustix does not have.
#![allow(unsafe_code)] // A raw system call with a pointer to an empty string.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::fs::Mode;
use rustix::io::{self, Errno};

/// The same number on every architecture (Linux 6.6, `include/uapi/asm-generic/unistd.h`); libc lacks it on aarch64.
const SYS_FCHMODAT2: libc::c_long = 452;

/// Sets the mode of what an `O_PATH` descriptor stands for. Linux before 6.6 lacks the call; there the descriptor's
/// entry in `/proc` leads to the same file.
pub(crate) fn chmod_handle(fd: BorrowedFd<'_>, mode: Mode) -> io::Result<()> {
    // SAFETY: the path is a constant C string that the call only reads; the rest are numbers.
    let result =
        unsafe { libc::syscall(SYS_FCHMODAT2, fd.as_raw_fd(), c"".as_ptr(), mode.as_raw_mode(), libc::AT_EMPTY_PATH) };
    match super::check(result) {
        Ok(_) => Ok(()),
        // Filters from before the call forbid it instead.
        Err(Errno::NOSYS | Errno::PERM) => rustix::fs::chmod(proc_path(fd), mode),
        Err(errno) => Err(errno),
    }
}

/// The path that leads to what the descriptor stands for, for calls that take paths only.
pub(crate) fn proc_path(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}
