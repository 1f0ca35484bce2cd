//! A started container.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};

use super::groups::Groups;
use super::report::{Ended, Report};
use crate::engine::{Exit, Running, StartError};

/// A container under its keeper. Dropping it ends both.
#[derive(Debug)]
pub(super) struct Container {
    keeper: OwnedFd,
    /// The container's first process.
    process: Option<OwnedFd>,
    /// To the keeper; its end means that the launcher has given up.
    go: Option<OwnedFd>,
    report: Report,
    /// Removed when nothing is left in it.
    _groups: Groups,
    ended: bool,
}

impl Container {
    pub(super) fn new(keeper: OwnedFd, go: OwnedFd, report: Report, groups: Groups) -> Self {
        Self { keeper, process: None, go: Some(go), report, _groups: groups, ended: false }
    }

    pub(super) fn report(&self) -> &Report {
        &self.report
    }

    /// Lets the keeper go on.
    pub(super) fn go(&self) -> io::Result<()> {
        match &self.go {
            Some(go) => match rustix::io::write(go, &[1]) {
                // The keeper has died: what it reported, or did not, tells.
                Ok(_) | Err(Errno::PIPE) => Ok(()),
                Err(errno) => Err(errno.into()),
            },
            None => Ok(()),
        }
    }

    pub(super) fn hold(&mut self, process: OwnedFd) {
        self.process = Some(process);
    }

    /// Waits for the keeper, which waits for all others.
    fn reap(&mut self) -> io::Result<()> {
        while !self.ended {
            match waitid(WaitId::PidFd(self.keeper.as_fd()), WaitIdOptions::EXITED) {
                // ECHILD: somebody else in this process has reaped it.
                Ok(_) | Err(Errno::CHILD) => self.ended = true,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }
}

impl Running for Container {
    fn pid(&self) -> u32 {
        self.report.pid()
    }

    fn wait(&mut self) -> Result<Exit, StartError> {
        self.reap()
            .map_err(|source| StartError::Machinery { what: "cannot wait for the container".to_owned(), source })?;
        Ok(match self.report.ended() {
            Some(Ended::Code(code)) => Exit::Code(code as u8),
            Some(Ended::Signal(signal)) => Exit::Signal(signal as i32),
            // The keeper was killed, and the container with it.
            None => Exit::Signal(Signal::KILL.as_raw()),
        })
    }

    fn ran_out_of_memory(&self) -> bool {
        self.report.ran_out_of_memory()
    }

    fn watch(&self) -> io::Result<OwnedFd> {
        self.keeper.try_clone()
    }

    fn signal(&self, signal: i32) -> Result<(), StartError> {
        let failed =
            |source| StartError::Machinery { what: format!("cannot send signal {signal} to the container"), source };
        let signal = crate::sys::signal::to_send(signal).ok_or_else(|| failed(Errno::INVAL.into()))?;
        let Some(process) = &self.process else { return Ok(()) };
        match pidfd_send_signal(process, signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(errno) => Err(failed(errno.into())),
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        // Neither can fail but for a process that has ended already. The keeper, told by the end of `go` or by the end
        // of the container, cleans up and ends; it could have been stopped by somebody.
        if let Some(process) = &self.process {
            let _ = pidfd_send_signal(process, Signal::KILL);
        }
        let _ = pidfd_send_signal(&self.keeper, Signal::CONT);
        self.go = None;
        // On an error there is nobody left to tell, and nothing left to try.
        let _ = self.reap();
    }
}
