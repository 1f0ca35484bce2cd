//! Handing a filter to the kernel: seccomp(2).
#![allow(unsafe_code)] // The kernel takes the program by address, for which rustix has no wrapper.

use std::os::fd::{FromRawFd, OwnedFd};

use rustix::io::Errno;

use crate::seccomp::{Flags, Instruction};

/// Installs a filter on the calling thread, for good, and for all that it starts. Gives the listener's descriptor
/// (close-on-exec) if the flags ask for one.
///
/// The thread needs no_new_privs or CAP_SYS_ADMIN in its user namespace. Neither allocates nor locks, so it may be
/// called between clone and exec.
///
/// # Errors
/// What seccomp(2) gives: `EACCES` without either privilege, `EINVAL` for a program or flags that this kernel does not
/// take, `ENOMEM` if all filters together would get too long.
pub fn install(program: &[Instruction], flags: Flags) -> Result<Option<OwnedFd>, Errno> {
    let len = u16::try_from(program.len()).map_err(|_| Errno::INVAL)?;
    let program = libc::sock_fprog { len, filter: program.as_ptr().cast::<libc::sock_filter>().cast_mut() };
    // SAFETY: `program` and the instructions that it points to live until the call returns, `len` is their number,
    // `Instruction` is `repr(C)` with the fields of `sock_filter`, and the kernel copies without writing.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::c_long::from(libc::SECCOMP_SET_MODE_FILTER),
            libc::c_long::from(flags.bits()),
            &raw const program,
        )
    };
    if answer < 0 {
        // SAFETY: errno is the calling thread's own.
        return Err(Errno::from_raw_os_error(unsafe { *libc::__errno_location() }));
    }
    if !flags.contains(Flags::NEW_LISTENER) {
        return Ok(None);
    }
    // SAFETY: with this flag the kernel answers with a new descriptor, which nobody else knows.
    Ok(Some(unsafe { OwnedFd::from_raw_fd(answer as i32) }))
}

// What the cast above relies on.
const _: () = assert!(
    size_of::<Instruction>() == size_of::<libc::sock_filter>()
        && align_of::<Instruction>() == align_of::<libc::sock_filter>()
);
