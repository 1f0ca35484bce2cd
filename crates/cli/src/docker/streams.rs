//! The streams of a container that is waited for.

use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::thread::JoinHandle;

use ringfence_runtime::docker::Started;
use ringfence_runtime::docker::life::Streams;
use ringfence_runtime::engine::Stdio;
use ringfence_runtime::run::attach::{self, Awaited, Pipes, Size};
use rustix::termios::isatty;

/// The caller's streams, without `-i` no standard input; with `-t` a terminal of the container's own. A stream that is a terminal is joined by copying, so that the
/// container cannot keep it or push input into it.
pub(super) struct Attached {
    interactive: bool,
    tty: bool,
    awaited: Option<Awaited>,
    size: Option<Size>,
    pipes: Option<Pipes>,
    copying: Option<JoinHandle<io::Result<()>>>,
}

impl Attached {
    pub(super) fn new(interactive: bool, tty: bool) -> Self {
        Self { interactive, tty, awaited: None, size: None, pipes: None, copying: None }
    }
}

impl Streams for Attached {
    fn open(&mut self) -> io::Result<Stdio> {
        if self.tty {
            let (stdio, awaited) = Awaited::new()?;
            self.awaited = Some(awaited);
            return Ok(stdio);
        }
        let own = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
        let [in_tty, out_tty, err_tty] = own.map(isatty);
        let [own_in, own_out, own_err] = own.map(|fd| fd.try_clone_to_owned());
        let null = || File::open("/dev/null").map(OwnedFd::from);
        if !(out_tty || err_tty || in_tty && self.interactive) {
            let stdin = if self.interactive { own_in? } else { null()? };
            return Ok(Stdio::Fds { stdin, stdout: own_out?, stderr: own_err? });
        }
        let (stdio, pipes) = attach::pipes(self.interactive && in_tty)?;
        self.pipes = Some(pipes);
        let Stdio::Fds { stdin, stdout, stderr } = stdio else { return Ok(stdio) };
        Ok(Stdio::Fds {
            stdin: match (self.interactive, in_tty) {
                (true, true) => stdin,
                (true, false) => own_in?,
                (false, _) => null()?,
            },
            stdout: if out_tty { stdout } else { own_out? },
            stderr: if err_tty { stderr } else { own_err? },
        })
    }

    fn started(&mut self, _started: &mut Started, ended: &OwnedFd) -> io::Result<()> {
        let ended = ended.try_clone()?;
        let thread = std::thread::Builder::new().name("streams".to_owned());
        if let Some(awaited) = self.awaited.take() {
            let terminal = awaited.terminal()?;
            self.size = Some(terminal.size()?);
            let interactive = self.interactive;
            self.copying = Some(thread.spawn(move || terminal.copy(&ended, interactive, None))?);
        } else if let Some(pipes) = self.pipes.take() {
            self.copying = Some(thread.spawn(move || pipes.copy(&ended))?);
        }
        Ok(())
    }

    fn fds(&self) -> Vec<BorrowedFd<'_>> {
        Vec::new()
    }

    fn take(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn ended(&mut self) -> io::Result<()> {
        match self.copying.take().map(JoinHandle::join) {
            Some(Ok(copied)) => copied,
            Some(Err(_)) => Err(io::Error::other("the copying of the streams broke off")),
            None => Ok(()),
        }
    }

    fn resized(&mut self) {
        if let Some(size) = &self.size {
            size.pass_on();
        }
    }
}
