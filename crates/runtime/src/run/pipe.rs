//! The pipes of the probe, read within a time limit.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::engine::Stdio;

/// The probe makes a few dozen system calls; a machine under load may still take its time.
const LIMIT: Duration = Duration::from_secs(30);

/// More than this is no report.
const MAX_BYTES: usize = 1 << 20;

pub(crate) struct Pipes {
    stdin: OwnedFd,
    out: (OwnedFd, OwnedFd),
    err: (OwnedFd, OwnedFd),
}

/// The reading ends.
pub(crate) struct Reader {
    out: OwnedFd,
    err: OwnedFd,
}

impl Pipes {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            stdin: File::open("/dev/null")?.into(),
            out: pipe_with(PipeFlags::CLOEXEC)?,
            err: pipe_with(PipeFlags::CLOEXEC)?,
        })
    }

    pub(crate) fn split(self) -> (Stdio, Reader) {
        let (out, stdout) = self.out;
        let (err, stderr) = self.err;
        (Stdio::Fds { stdin: self.stdin, stdout, stderr }, Reader { out, err })
    }
}

impl Reader {
    /// Reads both pipes to their end: standard output, standard error, and whether the end came in time.
    pub(crate) fn read(self) -> io::Result<(Vec<u8>, Vec<u8>, bool)> {
        let end = Instant::now() + LIMIT;
        let mut streams = [(Some(self.out), Vec::new()), (Some(self.err), Vec::new())];
        while streams.iter().any(|(fd, _)| fd.is_some()) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let [(_, out), (_, err)] = streams;
                return Ok((out, err, false));
            }
            let timeout = Timespec { tv_sec: left.as_secs().min(60) as i64, tv_nsec: i64::from(left.subsec_nanos()) };
            {
                let mut fds: Vec<PollFd<'_>> = streams
                    .iter()
                    .filter_map(|(fd, _)| Some(PollFd::from_borrowed_fd(fd.as_ref()?.as_fd(), PollFlags::IN)))
                    .collect();
                match poll(&mut fds, Some(&timeout)) {
                    Ok(0) | Err(Errno::INTR) => continue,
                    Ok(_) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
            for (fd, bytes) in &mut streams {
                if let Some(open) = fd
                    && is_ready(open)
                    && !read_some(open, bytes)?
                {
                    *fd = None;
                }
            }
        }
        let [(_, out), (_, err)] = streams;
        Ok((out, err, true))
    }
}

fn is_ready(fd: &OwnedFd) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)];
    poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
}

/// Whether there may be more.
fn read_some(fd: &OwnedFd, bytes: &mut Vec<u8>) -> io::Result<bool> {
    let mut buffer = [0; 8192];
    let read = rustix::io::retry_on_intr(|| rustix::io::read(fd, &mut buffer))?;
    bytes.extend_from_slice(&buffer[..read]);
    Ok(read > 0 && bytes.len() <= MAX_BYTES)
}
