//! Signal dispositions and masks, which exec(2) would pass on to the container.
#![allow(unsafe_code)] // rt_sigaction and rt_sigprocmask have no safe wrapper.

/// The kernel's sigset_t is 64 bits on all architectures that are supported.
const SIGSET_BYTES: usize = 8;
const SIGNALS: i32 = 64;

/// Sets every signal to its default disposition and unblocks all: an ignored SIGPIPE (which Rust programs have) or a
/// blocked signal would otherwise be inherited through exec.
pub(crate) fn reset() -> rustix::io::Result<()> {
    // The kernel's struct sigaction: handler, flags, restorer, mask. All zero is SIG_DFL with no flags.
    let default = [0_u64; 4];
    for signal in 1..=SIGNALS {
        if signal == libc::SIGKILL || signal == libc::SIGSTOP {
            continue; // Cannot be changed, EINVAL.
        }
        // SAFETY: `default` is as large as the kernel's struct sigaction; SIG_DFL runs no code of this process.
        let result = unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), std::ptr::null::<u64>(), SIGSET_BYTES)
        };
        super::check(result)?;
    }
    set_mask(0)
}

/// A signal to be sent to another process: a named one, or a real-time one.
pub(crate) fn to_send(number: i32) -> Option<rustix::process::Signal> {
    use rustix::process::Signal;
    const REAL_TIME: std::ops::RangeInclusive<i32> = 34..=SIGNALS;
    Signal::from_named_raw(number).or_else(|| {
        // SAFETY: the number is a signal's, and it is sent to processes that are not this one: neither its handlers nor its
        // mask are touched.
        REAL_TIME.contains(&number).then(|| unsafe { Signal::from_raw_unchecked(number) })
    })
}

/// Blocks every signal that can be blocked.
pub(crate) fn block_all() -> rustix::io::Result<()> {
    set_mask(u64::MAX)
}

fn set_mask(mask: u64) -> rustix::io::Result<()> {
    // SAFETY: the new set is 8 bytes, as said; no old set is asked for.
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const mask,
            std::ptr::null::<u64>(),
            SIGSET_BYTES,
        )
    };
    super::check(result).map(drop)
}

/// Blocks these signals in the calling thread and gives a descriptor that reads them instead (signalfd(2)). Neither blocks
/// the other: it is close-on-exec and does not wait.
pub(crate) fn watch(signals: &[i32]) -> rustix::io::Result<std::os::fd::OwnedFd> {
    use std::os::fd::FromRawFd as _;
    let mask = signals.iter().fold(0_u64, |mask, signal| mask | 1 << (signal - 1));
    // SAFETY: the set is 8 bytes, as said; no old set is asked for.
    let result = unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_BLOCK, &raw const mask, std::ptr::null::<u64>(), SIGSET_BYTES)
    };
    super::check(result)?;
    // SAFETY: the kernel reads the 8 bytes of the set; -1 asks for a new descriptor.
    let result = unsafe {
        libc::syscall(libc::SYS_signalfd4, -1, &raw const mask, SIGSET_BYTES, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
    };
    let fd = super::check(result)?;
    // SAFETY: signalfd4 has given a new descriptor, which nobody else knows.
    Ok(unsafe { std::os::fd::OwnedFd::from_raw_fd(fd as i32) })
}
