//! Signals to this process as something that can be polled: a run must end its containers before it ends itself.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;

use crate::sys;

/// Signals that are read instead of taking effect.
#[derive(Debug)]
pub struct Signals(OwnedFd);

/// Keeps signals to the process from the calling thread, for a thread beside the one that watches for them.
pub fn take_none() {
    // The call with these arguments does not fail; a thread that could not do it is as it was before.
    let _ = sys::signal::block_all();
}

impl Signals {
    /// What asks a program to end: SIGTERM, SIGINT and SIGHUP. To be called before other threads are started.
    pub fn of_end() -> io::Result<Self> {
        Ok(Self(sys::signal::watch(&[libc::SIGTERM, libc::SIGINT, libc::SIGHUP])?))
    }

    /// The same, and another size of the window: what whoever waits for a container passes on.
    pub fn of_container() -> io::Result<Self> {
        Ok(Self(sys::signal::watch(&[libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGWINCH])?))
    }

    /// What a program with a terminal has to know: its end, and another size of the window.
    pub fn of_terminal() -> io::Result<Self> {
        Ok(Self(sys::signal::watch(&[libc::SIGTERM, libc::SIGHUP, libc::SIGWINCH])?))
    }

    /// The next signal that has come.
    pub fn next(&self) -> io::Result<Option<i32>> {
        // struct signalfd_siginfo; its first word is the signal.
        let mut info = [0; 128];
        match rustix::io::retry_on_intr(|| rustix::io::read(&self.0, &mut info)) {
            Ok(read) if read == info.len() => {
                let [a, b, c, d, ..] = info;
                Ok(Some(i32::from_ne_bytes([a, b, c, d])))
            }
            Ok(_) | Err(Errno::AGAIN) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
