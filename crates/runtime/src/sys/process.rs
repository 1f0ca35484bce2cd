//! Small facts and settings of the calling process that rustix offers only with an allocation, or not at all.
#![allow(unsafe_code)] // Raw system calls with buffers.

use rustix::io::{self, Errno};

/// `getcwd(2)` into a buffer: the path without its final NUL. `(unreachable)…` where it lies outside the root.
pub(crate) fn getcwd(buffer: &mut [u8]) -> io::Result<&[u8]> {
    // SAFETY: the kernel writes at most as many bytes as are passed, into a buffer that is borrowed mutably.
    let written = unsafe { libc::syscall(libc::SYS_getcwd, buffer.as_mut_ptr(), buffer.len()) };
    let written = super::check(written)?;
    buffer.get(..written.saturating_sub(1)).ok_or(Errno::RANGE)
}

/// Joins a new, anonymous session keyring, so that the caller's keys are not in possession of the container.
pub(crate) fn new_session_keyring() -> io::Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;
    // SAFETY: a null name asks for an anonymous keyring; no memory is passed.
    let result =
        unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, std::ptr::null::<libc::c_char>()) };
    super::check(result).map(drop)
}
