//! The system calls that no safe wrapper offers. All unsafe code of this crate is in this directory; each file says
//! what it needs it for, each block why it holds. Everything else goes through rustix.

pub(crate) mod bpf;
pub(crate) mod chmod;
pub(crate) mod clone;
pub(crate) mod exec;
pub(crate) mod fd;
pub mod memory;
pub(crate) mod mount;
pub(crate) mod pass;
pub(crate) mod process;
pub mod seccomp;
pub(crate) mod shared;
pub(crate) mod signal;
pub(crate) mod xattr;

use rustix::io::Errno;

/// The result of a raw system call through `libc::syscall`, which leaves the reason in errno.
fn check(result: libc::c_long) -> rustix::io::Result<usize> {
    usize::try_from(result)
        .map_err(|_negative| Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL))
}
