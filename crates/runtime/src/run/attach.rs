//! A caller's terminal or streams and those of a process in a container, joined by copying: the process never holds a
//! descriptor of the caller's, which it could keep, reopen, or push input into.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FileType, Gid, Mode, OFlags, ResolveFlags, Uid, fchown, fstat, fstatfs, openat2};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::pty::OpenptFlags;
use rustix::termios::{tcgetwinsize, tcsetwinsize};

use super::restore::Raw;
use super::signals::Signals;
use crate::engine::Stdio;
use crate::sys;

/// The caller's ends of a process's pipes.
#[derive(Debug)]
pub struct Pipes {
    stdin: Option<OwnedFd>,
    outputs: [Option<OwnedFd>; 2],
}

/// Makes pipes for a process. Without `with_input` its standard input is at its end.
pub fn pipes(with_input: bool) -> io::Result<(Stdio, Pipes)> {
    let (stdin, to_stdin) = pipe_with(PipeFlags::CLOEXEC)?;
    let (out, stdout) = pipe_with(PipeFlags::CLOEXEC)?;
    let (err, stderr) = pipe_with(PipeFlags::CLOEXEC)?;
    for fd in [&to_stdin, &out, &err] {
        rustix::io::ioctl_fionbio(fd, true)?;
    }
    let pipes = Pipes { stdin: with_input.then_some(to_stdin), outputs: [Some(out), Some(err)] };
    Ok((Stdio::Fds { stdin, stdout, stderr }, pipes))
}

impl Pipes {
    /// Copies until the process has ended, which `ended` shows, and all that it printed has been written.
    pub fn copy(mut self, ended: &OwnedFd) -> io::Result<()> {
        let mut pending = Vec::new();
        let mut input_ended = false;
        loop {
            let own_in = rustix::stdio::stdin();
            let reads_input = self.stdin.is_some() && !input_ended && pending.is_empty();
            let writes_input = self.stdin.as_ref().filter(|_| !pending.is_empty());
            let mut fds = vec![PollFd::new(ended, PollFlags::IN)];
            let from = |fd: BorrowedFd<'static>| PollFd::from_borrowed_fd(fd, PollFlags::IN);
            fds.extend(reads_input.then(|| from(own_in)));
            fds.extend(writes_input.map(|fd| PollFd::new(fd, PollFlags::OUT)));
            fds.extend(self.outputs.iter().flatten().map(|fd| PollFd::new(fd, PollFlags::IN)));
            match poll(&mut fds, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            let has_ended = fds.first().is_some_and(|fd| !fd.revents().is_empty());
            let has_input = reads_input && fds.get(1).is_some_and(|fd| !fd.revents().is_empty());
            drop(fds);
            let mut more = true;
            while more {
                more = false;
                for (output, error) in self.outputs.iter_mut().zip([false, true]) {
                    more |= copy_out(output, error)? && has_ended;
                }
            }
            if has_ended {
                return Ok(());
            }
            if has_input {
                input_ended = !read_some(own_in, &mut pending)?;
            }
            if let Some(stdin) = &self.stdin
                && !write_some(stdin.as_fd(), &mut pending)?
            {
                self.stdin = None;
            }
            if input_ended && pending.is_empty() {
                self.stdin = None;
            }
        }
    }
}

/// Whether something was copied.
fn copy_out(from: &mut Option<OwnedFd>, to_error: bool) -> io::Result<bool> {
    let Some(fd) = from else { return Ok(false) };
    let mut buffer = [0; 16 << 10];
    match rustix::io::read(&*fd, &mut buffer) {
        // A terminal without a process at its other end fails.
        Ok(0) | Err(Errno::IO) => *from = None,
        Ok(read) => {
            let to = if to_error { rustix::stdio::stderr() } else { rustix::stdio::stdout() };
            write_all(to, buffer.get(..read).unwrap_or_default())?;
            return Ok(true);
        }
        Err(Errno::AGAIN | Errno::INTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    Ok(false)
}

fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let mut fds = [PollFd::from_borrowed_fd(to, PollFlags::OUT)];
                match poll(&mut fds, None) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Whether there may be more.
fn read_some(from: BorrowedFd<'_>, to: &mut Vec<u8>) -> io::Result<bool> {
    let mut buffer = [0; 16 << 10];
    match rustix::io::read(from, &mut buffer) {
        Ok(read) => {
            to.extend_from_slice(buffer.get(..read).unwrap_or_default());
            Ok(read > 0)
        }
        Err(Errno::AGAIN | Errno::INTR) => Ok(true),
        Err(Errno::IO) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether the other end still reads.
fn write_some(to: BorrowedFd<'_>, from: &mut Vec<u8>) -> io::Result<bool> {
    if from.is_empty() {
        return Ok(true);
    }
    match rustix::io::write(to, from) {
        Ok(written) => {
            from.drain(..written);
            Ok(true)
        }
        Err(Errno::AGAIN | Errno::INTR) => Ok(true),
        Err(Errno::PIPE) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// A terminal of the container's own.
#[derive(Debug)]
pub struct Terminal {
    controller: OwnedFd,
}

/// `DEVPTS_SUPER_MAGIC` of <linux/magic.h>.
const DEVPTS: i64 = 0x1cd1;

impl Terminal {
    /// Makes a terminal in the container's devpts, so that its `ttyname` is found there, and gives it to the user whose
    /// IDs on this machine are given. `root` is the container's root; what is there need not be what it seems.
    pub fn open(root: &OwnedFd, uid: u32, gid: u32) -> io::Result<(Self, Stdio)> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        // Looked at before it is opened: to open a device can be to act on it.
        let seen =
            openat2(root, c"dev/pts/ptmx", OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty(), how)?;
        let is_ptmx = |fd: &OwnedFd| -> io::Result<bool> {
            let stat = fstat(fd)?;
            Ok(FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
                && stat.st_rdev == rustix::fs::makedev(5, 2)
                && fstatfs(fd)?.f_type == DEVPTS)
        };
        let refused = || io::Error::other("the container's /dev/pts/ptmx is not one of the kernel's");
        if !is_ptmx(&seen)? {
            return Err(refused());
        }
        let controller = openat2(root, c"dev/pts/ptmx", flags, Mode::empty(), how)?;
        if !is_ptmx(&controller)? {
            return Err(refused());
        }
        rustix::pty::unlockpt(&controller)?;
        let own = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let terminal = rustix::pty::ioctl_tiocgptpeer(&controller, own)?;
        match fchown(&terminal, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))) {
            // An ID that a caller without privilege cannot give to: it works without.
            Ok(()) | Err(Errno::PERM | Errno::INVAL) => {}
            Err(errno) => return Err(errno.into()),
        }
        let stdio = Stdio::Fds { stdin: terminal.try_clone()?, stdout: terminal.try_clone()?, stderr: terminal };
        Ok((Self { controller }, stdio))
    }

    /// Copies until the process has ended. A terminal of the caller's own is raw meanwhile, and its size is passed on:
    /// here where there are signals to tell of it, otherwise by [`Size::pass_on`].
    pub fn copy(self, ended: &OwnedFd, with_input: bool, signals: Option<&Signals>) -> io::Result<()> {
        let raw = with_input.then(Raw::set).transpose()?;
        let own_in = rustix::stdio::stdin();
        let size = self.size()?;
        size.pass_on();
        let mut controller = Some(self.controller.try_clone()?);
        let (mut pending, mut reads) = (Vec::new(), with_input);
        loop {
            let reads_input = reads && pending.is_empty();
            let mut fds = vec![PollFd::new(ended, PollFlags::IN)];
            fds.extend(reads_input.then(|| PollFd::from_borrowed_fd(own_in, PollFlags::IN)));
            fds.extend(signals.map(|signals| PollFd::new(signals, PollFlags::IN)));
            let wanted = if pending.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
            fds.extend(controller.as_ref().map(|fd| PollFd::new(fd, wanted)));
            match poll(&mut fds, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            let has_ended = fds.first().is_some_and(|fd| !fd.revents().is_empty());
            let has_input = reads_input && fds.get(1).is_some_and(|fd| !fd.revents().is_empty());
            drop(fds);
            while copy_out(&mut controller, false)? {}
            if has_ended {
                drop(raw);
                return Ok(());
            }
            while let Some(signal) = signals.map_or(Ok(None), Signals::next)? {
                if signal == libc::SIGWINCH {
                    size.pass_on();
                } else {
                    drop(raw);
                    return Err(io::Error::from(io::ErrorKind::Interrupted));
                }
            }
            if has_input && !read_some(own_in, &mut pending)? {
                reads = false;
                // What a terminal takes for the end of input: EOT.
                pending.push(4);
            }
            if let Some(fd) = &controller {
                write_some(fd.as_fd(), &mut pending)?;
            }
        }
    }

    /// A hold on its size alone.
    pub fn size(&self) -> io::Result<Size> {
        Ok(Size(self.controller.try_clone()?))
    }

    /// Its controlling end.
    pub fn into_controller(self) -> OwnedFd {
        self.controller
    }
}

/// The size of a terminal.
#[derive(Debug)]
pub struct Size(OwnedFd);

impl Size {
    /// Passes the size of the caller's window on, where there is one.
    pub fn pass_on(&self) {
        if let Some(size) = own_size() {
            // A program that draws is told; one that does not need not be.
            let _ = tcsetwinsize(&self.0, size);
        }
    }
}

/// The size of the caller's window.
fn own_size() -> Option<rustix::termios::Winsize> {
    [rustix::stdio::stdin(), rustix::stdio::stdout()].into_iter().find_map(|fd| tcgetwinsize(fd).ok())
}

/// A terminal that a container makes when it starts, for its first process.
#[derive(Debug)]
pub struct Awaited(UnixStream);

impl Awaited {
    /// For a start with these streams.
    pub fn new() -> io::Result<(Stdio, Self)> {
        let (ours, theirs) = UnixStream::pair()?;
        let size = own_size().map(|size| (size.ws_row, size.ws_col));
        Ok((Stdio::Terminal { socket: theirs.into(), size }, Self(ours)))
    }

    /// The terminal, once the container was started.
    pub fn terminal(self) -> io::Result<Terminal> {
        let controller = sys::pass::receive(self.0.as_fd())?;
        rustix::io::ioctl_fionbio(&controller, true)?;
        Ok(Terminal { controller })
    }
}
