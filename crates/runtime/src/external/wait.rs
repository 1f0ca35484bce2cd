//! Waiting for a runtime to have started the container: its pid file appears, or it ends.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ExitStatus};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;

use crate::engine::Exit;

/// What came first.
pub(super) enum Seen {
    /// The pid file, with the process ID in it.
    File(u32),
    /// The end of the runtime.
    Ended(Exit),
}

/// A watch on a directory, set before the runtime starts, so that no change is missed.
pub(super) struct Watch {
    inotify: OwnedFd,
}

impl Watch {
    pub(super) fn on(dir: &Path) -> io::Result<Self> {
        let inotify = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        // runc writes a temporary file and renames it; crun writes in place.
        inotify::add_watch(&inotify, dir, inotify::WatchFlags::MOVED_TO | inotify::WatchFlags::CLOSE_WRITE)?;
        Ok(Self { inotify })
    }

    /// Waits for `file` to hold a number, or for the end of `child`.
    pub(super) fn for_file(&self, file: &Path, child: &mut Child) -> io::Result<Seen> {
        let pidfd = super::pidfd(child)?;
        let mut events = [0; 4096];
        loop {
            if let Some(pid) = fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok()) {
                return Ok(Seen::File(pid));
            }
            if let Some(status) = child.try_wait()? {
                return Ok(Seen::Ended(exit(status)));
            }
            let mut fds = [
                PollFd::from_borrowed_fd(self.inotify.as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN),
            ];
            match poll(&mut fds, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            // What changed does not matter, only that it did.
            while rustix::io::read(&self.inotify, &mut events).is_ok_and(|read| read > 0) {}
        }
    }
}

/// Waits a little for the end of `child`; `None` when it does not come.
pub(super) fn ends_soon(child: &mut Child) -> Option<ExitStatus> {
    const LIMIT: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };
    let pidfd = super::pidfd(child).ok()?;
    let mut fds = [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)];
    let _ = poll(&mut fds, Some(&LIMIT));
    child.try_wait().ok()?
}

/// How the runtime ended is how the container's process ended: it exits with the same status, or with 128 and the
/// number of the signal.
pub(super) fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code as u8),
        (None, signal) => Exit::Signal(signal.unwrap_or(0)),
    }
}
