//! The life of a container of docker's command line: its start, its restarts (moby `restartmanager`), and its end by
//! `docker stop`'s rules: the stop signal, then SIGKILL.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use ringfence_docker::value::{Restart, RestartManager};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::{DockerError, Prepared, Started};
use crate::engine::{Engine, Exit, Stdio};
use crate::run::attach::Awaited;
use crate::run::life::now;
use crate::run::log::Log;
use crate::run::signals::Signals;
use crate::state::{ContainerRecord, ContainerState, PodPhase, PodRecord, ProcessRecord, StateDir, log_path};

/// How a container lives.
#[derive(Debug)]
pub struct LifeOptions<'a> {
    /// Where everything was prepared.
    pub state: &'a StateDir,
    /// Whether it starts again when it has ended.
    pub restart: Restart,
    /// What asks it to end.
    pub stop_signal: i32,
    /// How long it then has; none is as long as it likes.
    pub stop_timeout: Option<Duration>,
    /// Whether its state and logs stay when it has ended, until a signal ends the run.
    pub stay: bool,
    /// What asks for the end of the run.
    pub signals: &'a Signals,
}

/// Where the streams of a container lead. Made anew each time that it starts.
pub trait Streams {
    /// The container's ends.
    fn open(&mut self) -> io::Result<Stdio>;
    /// The container has started; `ended` polls as readable once it has ended.
    fn started(&mut self, started: &mut Started, ended: &OwnedFd) -> io::Result<()>;
    /// What is to be polled for more to take.
    fn fds(&self) -> Vec<BorrowedFd<'_>>;
    /// Takes what has come.
    fn take(&mut self) -> io::Result<()>;
    /// The container has ended: takes what is left.
    fn ended(&mut self) -> io::Result<()>;
    /// The caller's window has another size.
    fn resized(&mut self);
}

/// What happens, for the caller to tell.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// It was started for the first time.
    Started,
    /// A process of it was killed because the memory is limited and was used up.
    OutOfMemory,
    /// It was asked to end, and has this time for it; none is as long as it likes.
    Stopping(Option<Duration>),
}

/// A log in the state directory, for a container that nobody waits for.
#[derive(Debug)]
pub struct Logged<'a> {
    state: &'a StateDir,
    name: &'a str,
    with_input: bool,
    with_terminal: bool,
    awaited: Option<Awaited>,
    log: Option<Log>,
    /// Standard input that never ends, as docker keeps it open with `-i`.
    input: Option<OwnedFd>,
}

impl<'a> Logged<'a> {
    /// Under the container's name. With input, its standard input does not end; with a terminal, it never does.
    pub fn new(state: &'a StateDir, name: &'a str, with_input: bool, with_terminal: bool) -> Self {
        Self { state, name, with_input, with_terminal, awaited: None, log: None, input: None }
    }
}

impl Streams for Logged<'_> {
    fn open(&mut self) -> io::Result<Stdio> {
        let path = log_path(self.state.path(), self.name);
        if let Some(dir) = path.parent().filter(|dir| !dir.exists()) {
            let name = dir.file_name().unwrap_or_default().to_string_lossy();
            self.state.dir(&name, 0o700).map_err(io::Error::other)?;
        }
        if self.with_terminal {
            let (stdio, awaited) = Awaited::new()?;
            self.awaited = Some(awaited);
            return Ok(stdio);
        }
        let (log, mut stdio) = Log::open(&path)?;
        self.log = Some(log);
        if let (true, Stdio::Fds { stdin, .. }) = (self.with_input, &mut stdio) {
            let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
            *stdin = read;
            self.input = Some(write);
        }
        Ok(stdio)
    }

    fn started(&mut self, _started: &mut Started, _ended: &OwnedFd) -> io::Result<()> {
        if let Some(awaited) = self.awaited.take() {
            let path = log_path(self.state.path(), self.name);
            self.log = Some(Log::of_terminal(&path, awaited.terminal()?.into_controller())?);
        }
        Ok(())
    }

    fn fds(&self) -> Vec<BorrowedFd<'_>> {
        self.log.iter().flat_map(Log::fds).collect()
    }

    fn take(&mut self) -> io::Result<()> {
        self.log.as_mut().map_or(Ok(()), |log| log.take().map(drop))
    }

    fn ended(&mut self) -> io::Result<()> {
        drop(self.input.take());
        self.log.as_mut().map_or(Ok(()), Log::drain)
    }

    fn resized(&mut self) {}
}

/// The container while it runs.
struct Live {
    started: Started,
    watch: OwnedFd,
    since: Instant,
}

struct Life<'a> {
    prepared: &'a Prepared,
    engine: &'a dyn Engine,
    streams: &'a mut dyn Streams,
    record: PodRecord,
    options: &'a LifeOptions<'a>,
    /// Whether the end was asked for.
    stopping: bool,
    /// When it is made to end.
    deadline: Option<Instant>,
    /// Whether an interrupt was passed on already.
    interrupted: bool,
}

/// Runs the container to its end, and gives how it ended the last time. `record` has its name.
///
/// # Errors
/// Where it cannot be started the first time, and where the machinery fails; nothing runs then.
pub fn live(
    prepared: &Prepared,
    engine: &dyn Engine,
    streams: &mut dyn Streams,
    mut record: PodRecord,
    image: &str,
    options: &LifeOptions<'_>,
    tell: &mut dyn FnMut(Event) -> io::Result<()>,
) -> Result<Exit, DockerError> {
    record.containers = vec![ContainerRecord {
        name: record.name.clone(),
        kind: "main".to_owned(),
        image: image.to_owned(),
        restarts: 0,
        state: waiting("Created", ""),
    }];
    prepared.keep_spec(options.state, &record.name)?;
    Life { prepared, engine, streams, record, options, stopping: false, deadline: None, interrupted: false }.run(tell)
}

fn waiting(reason: &str, message: &str) -> ContainerState {
    ContainerState::Waiting { reason: reason.to_owned(), message: message.to_owned() }
}

fn machinery(what: &'static str) -> impl Fn(io::Error) -> DockerError {
    move |source| DockerError::Machinery { what: what.to_owned(), source }
}

impl Life<'_> {
    fn run(mut self, tell: &mut dyn FnMut(Event) -> io::Result<()>) -> Result<Exit, DockerError> {
        let mut manager = RestartManager::default();
        let mut live = self.start()?;
        tell(Event::Started).map_err(machinery("say that it runs"))?;
        loop {
            let (exit, ran) = self.watch(live, tell)?;
            let again = manager.again(self.options.restart, exit.code(), ran).filter(|_| !self.stopping);
            let Some(pause) = again else { return self.over(exit) };
            let message = format!("it ended with {}", exit.code());
            self.note(waiting("Restarting", &message))?;
            if !self.pause(pause)? {
                return self.over(exit);
            }
            if let Some(container) = self.record.containers.first_mut() {
                container.restarts += 1;
            }
            live = match Prepared::renew(self.options.state).and_then(|()| self.start()) {
                Ok(live) => live,
                // docker tries it no more, and the container stays as one that has ended.
                Err(error) => {
                    let code = error.exit();
                    self.note(terminated(Exit::Code(code), "StartError"))?;
                    return self.over(Exit::Code(code));
                }
            };
        }
    }

    fn save(&self) -> Result<(), DockerError> {
        Ok(self.options.state.write_record(&self.record)?)
    }

    fn note(&mut self, state: ContainerState) -> Result<(), DockerError> {
        if let Some(container) = self.record.containers.first_mut() {
            container.state = state;
        }
        self.save()
    }

    fn start(&mut self) -> Result<Live, DockerError> {
        let stdio = self.streams.open().map_err(machinery("open the container's streams"))?;
        let mut started = self.prepared.start(self.options.state, self.engine, stdio)?;
        let watch = started.running().watch().map_err(machinery("watch the container"))?;
        self.streams.started(&mut started, &watch).map_err(machinery("pass the container's streams on"))?;
        // One that has ended already has nothing more to be told by.
        let mut process = ProcessRecord::of(started.running().pid()).unwrap_or_default();
        process.cgroup = self.prepared.limited;
        self.record.phase = PodPhase::Running;
        self.note(ContainerState::Running { since: now(), process })?;
        Ok(Live { started, watch, since: Instant::now() })
    }

    /// Waits until it has ended.
    fn watch(
        &mut self,
        mut live: Live,
        tell: &mut dyn FnMut(Event) -> io::Result<()>,
    ) -> Result<(Exit, Duration), DockerError> {
        loop {
            let deadline = self.deadline;
            let mut polled = vec![self.options.signals.as_fd(), live.watch.as_fd()];
            polled.extend(self.streams.fds());
            let has_ended = wait(&polled, deadline).map_err(machinery("wait for the container"))?;
            while let Some(signal) = self.options.signals.next().map_err(machinery("read signals"))? {
                self.signal(signal, &mut live.started, tell)?;
            }
            if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                live.started.running().signal(libc::SIGKILL)?;
            }
            self.streams.take().map_err(machinery("pass on what the container prints"))?;
            if has_ended {
                break;
            }
        }
        let exit = live.started.running().wait()?;
        let out_of_memory = live.started.running().ran_out_of_memory();
        self.streams.ended().map_err(machinery("pass on what the container prints"))?;
        if out_of_memory {
            tell(Event::OutOfMemory).map_err(machinery("say what happens"))?;
        }
        let reason = match exit {
            _ if out_of_memory => "OOMKilled",
            Exit::Code(0) => "Completed",
            _ => "Error",
        };
        self.note(terminated(exit, reason))?;
        Ok((exit, live.since.elapsed()))
    }

    /// An interrupt is passed on, once; everything else asks for the end, and the second time for the end at once.
    fn signal(
        &mut self,
        signal: i32,
        started: &mut Started,
        tell: &mut dyn FnMut(Event) -> io::Result<()>,
    ) -> Result<(), DockerError> {
        if signal == libc::SIGWINCH {
            self.streams.resized();
            return Ok(());
        }
        if signal == libc::SIGINT && !self.interrupted && !self.stopping {
            self.interrupted = true;
            return Ok(started.running().signal(signal)?);
        }
        if self.stopping {
            self.deadline = Some(Instant::now());
            return Ok(());
        }
        started.running().signal(self.options.stop_signal)?;
        let timeout = self.options.stop_timeout;
        self.stopping = true;
        self.deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        self.record.phase = PodPhase::Terminating;
        self.save()?;
        tell(Event::Stopping(timeout)).map_err(machinery("say what happens"))
    }

    /// Waits before the next start; `false` when the end was asked for meanwhile.
    fn pause(&mut self, pause: Duration) -> Result<bool, DockerError> {
        let end = Instant::now() + pause;
        while Instant::now() < end {
            wait(&[self.options.signals.as_fd()], Some(end)).map_err(machinery("wait for the next start"))?;
            while let Some(signal) = self.options.signals.next().map_err(machinery("read signals"))? {
                if signal != libc::SIGWINCH {
                    self.stopping = true;
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// The container does not start again.
    fn over(mut self, exit: Exit) -> Result<Exit, DockerError> {
        self.record.phase = if exit == Exit::Code(0) { PodPhase::Succeeded } else { PodPhase::Failed };
        if let Some(ContainerState::Waiting { .. }) = self.record.containers.first().map(|one| &one.state) {
            self.note(terminated(exit, "Error"))?;
        }
        self.save()?;
        let is_removed = |signal: Option<i32>| signal.is_some_and(|signal| signal != libc::SIGWINCH);
        if self.options.stay && !self.stopping {
            while !is_removed(self.options.signals.next().map_err(machinery("read signals"))?) {
                wait(&[self.options.signals.as_fd()], None).map_err(machinery("wait to be removed"))?;
            }
        }
        Ok(exit)
    }
}

fn terminated(exit: Exit, reason: &str) -> ContainerState {
    let signal = if let Exit::Signal(signal) = exit { signal } else { 0 };
    ContainerState::Terminated { at: now(), exit_code: exit.code(), signal, reason: reason.to_owned() }
}

/// Waits for one of these or the time; whether the second, the container's end, has come.
fn wait(polled: &[BorrowedFd<'_>], until: Option<Instant>) -> io::Result<bool> {
    // What was killed already is waited for a little at a time.
    let left = until.map(|until| until.saturating_duration_since(Instant::now()).max(Duration::from_millis(5)));
    let timeout =
        left.map(|left| Timespec { tv_sec: left.as_secs().min(3600) as i64, tv_nsec: i64::from(left.subsec_nanos()) });
    let mut fds: Vec<PollFd<'_>> = polled.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
    match poll(&mut fds, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(fds.get(1).is_some_and(|fd| !fd.revents().is_empty())),
        Err(errno) => Err(errno.into()),
    }
}
