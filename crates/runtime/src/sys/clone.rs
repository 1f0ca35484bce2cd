//! `clone3(2)`: a copy of the calling process in new namespaces.
#![allow(unsafe_code)] // clone3 has no wrapper: a child that shares the caller's stack by copy is beyond rustix's promises.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use std::sync::atomic::AtomicU32;

use rustix::process::Pid;

/// `struct clone_args` of <linux/sched.h>.
#[repr(C, align(8))]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
const CLONE_PIDFD: u64 = 0x1000;
const CLONE_PARENT_SETTID: u64 = 0x10_0000;

/// Runs `child` in a copy of this process with the namespaces of `namespaces` (CLONE_NEW* flags), in a
/// cgroup if one is given, and returns the copy's process ID and pidfd to the caller. Signal handlers are back to their defaults in the copy.
///
/// Where `tid` is given, it has the copy's process ID, as this process sees it, before the copy runs.
///
/// `child` runs as after fork(2) in a process that may have had other threads: it must only make system calls on data
/// that was there before. No allocation, no locks, no unwinding. If it returns, the copy ends.
pub(crate) fn clone3(
    namespaces: u64,
    cgroup: Option<BorrowedFd<'_>>,
    tid: Option<&AtomicU32>,
    child: impl FnOnce(),
) -> io::Result<(Pid, OwnedFd)> {
    let mut pidfd: libc::c_int = -1;
    let args = CloneArgs {
        flags: namespaces
            | CLONE_PIDFD
            | CLONE_CLEAR_SIGHAND
            | if cgroup.is_some() { CLONE_INTO_CGROUP } else { 0 }
            | if tid.is_some() { CLONE_PARENT_SETTID } else { 0 },
        pidfd: (&raw mut pidfd).addr() as u64,
        parent_tid: tid.map_or(0, |tid| tid.as_ptr().addr() as u64),
        exit_signal: libc::SIGCHLD as u64,
        cgroup: cgroup.map_or(0, |cgroup| cgroup.as_raw_fd() as u64),
        ..CloneArgs::default()
    };
    // SAFETY: the arguments point at a clone_args of the size that is passed, at a c_int for the pidfd, and at an atomic
    // of the size of a pid_t, all alive over the call. Without CLONE_VM the child has its own copy of all memory, so that
    // the one stack is used by one process each. What the child may do there is the contract above; the callers are in `launcher` alone.
    let result = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) };
    match result {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            child();
            super::exec::exit(0)
        }
        pid => {
            // SAFETY: CLONE_PIDFD has stored a descriptor that is new and nobody else's.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            let pid = Pid::from_raw(pid as i32).ok_or_else(|| io::Error::other("clone3 returned no process ID"))?;
            Ok((pid, pidfd))
        }
    }
}

/// Makes a cgroup namespace whose root is the caller's cgroup.
pub(crate) fn new_cgroup_namespace() -> rustix::io::Result<()> {
    // SAFETY: a number is passed, and no memory, descriptor or file system state is unshared.
    let result = unsafe { libc::syscall(libc::SYS_unshare, libc::CLONE_NEWCGROUP) };
    super::check(result).map(drop)
}
