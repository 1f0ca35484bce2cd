//! The launcher's side of a start: descriptors, clone, mappings, and what became of it.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, getpid, pidfd_open};

use super::child::{self, Start, State, Terminal};
use super::groups::Groups;
use super::idmapped;
use super::mappings;
use super::plan::Plan;
use super::report::{Phase, Progress, Report};
use super::running::Container;
use crate::engine::{StartError, Stdio};
use crate::sys;

/// Starts what was planned.
pub(super) fn start(plan: &Plan, stdio: Stdio, keep: Vec<OwnedFd>) -> Result<Container, StartError> {
    let descriptors = Descriptors::new(stdio, keep).map_err(machinery("cannot prepare file descriptors"))?;
    let report = Report::new().map_err(machinery("cannot map memory"))?;
    let mut groups = Groups::new(plan.limits.as_ref(), plan.devices.as_deref())?;
    let mut state = State::new(plan);
    let Descriptors { executed, executed_child, go, go_child, launcher, place, mut needed, free, held, terminal } =
        descriptors;
    needed.extend(groups.place_descriptors(free as RawFd).map_err(machinery("cannot prepare file descriptors"))?);
    for asked in &plan.id_mapped {
        let tree = idmapped::mount(asked)?;
        let tree = fcntl_dupfd_cloexec(&tree, free as RawFd)
            .map_err(|errno| machinery("cannot prepare file descriptors")(errno.into()))?;
        needed.push(tree.as_raw_fd());
        state.give(asked.slot, tree);
    }
    needed.sort_unstable();
    let start = Start {
        plan,
        report: &report,
        go: go_child,
        launcher,
        place: &place,
        needed: &needed,
        groups: &groups,
        free,
        dialogue: None,
        terminal,
    };
    let (pid, keeper) = sys::clone::clone3(u64::from(plan.keeper.own), None, None, || {
        child::keep(&start, &mut state);
    })
    .map_err(|source| StartError::Step { step: plan.keeper.to_string(), source })?;
    // The child's ends, so that an end of file comes when the child's are gone.
    drop((start, executed_child, held));

    let mut container = Container::new(keeper, go, report, groups);
    if let Some(mapping) = &plan.keeper.mapping {
        mappings::write(pid, mapping)?;
        container.go().map_err(machinery("cannot let the container go on"))?;
    }
    await_end(&executed).map_err(machinery("cannot wait for the container"))?;
    let progress = container.report().progress();
    if progress.phase != Phase::Execute || progress.errno.is_some() {
        return Err(refusal(plan, progress));
    }
    let first = Pid::from_raw(container.report().pid() as i32)
        .ok_or(Errno::SRCH)
        .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()))
        .map_err(|errno| machinery("cannot hold the container")(errno.into()))?;
    container.hold(first);
    container.go().map_err(machinery("cannot let the container go on"))?;
    Ok(container)
}

/// The descriptors of both sides.
pub(super) struct Descriptors {
    pub(super) executed: OwnedFd,
    pub(super) executed_child: OwnedFd,
    pub(super) go: OwnedFd,
    pub(super) go_child: OwnedFd,
    pub(super) launcher: OwnedFd,
    pub(super) place: Vec<(RawFd, RawFd)>,
    pub(super) needed: Vec<RawFd>,
    pub(super) free: u32,
    /// What is placed, open until the child has its copies.
    pub(super) held: Vec<OwnedFd>,
    /// For a terminal of the container's own.
    pub(super) terminal: Option<Terminal>,
}

impl Descriptors {
    pub(super) fn new(stdio: Stdio, keep: Vec<OwnedFd>) -> io::Result<Self> {
        const STREAMS: RawFd = 3;
        let free = STREAMS + i32::try_from(keep.len()).map_err(io::Error::other)?;
        // Everything that the child needs lies above the numbers that the container keeps, so that placing those
        // closes none of it.
        let above = |fd: OwnedFd| if fd.as_raw_fd() >= free { Ok(fd) } else { fcntl_dupfd_cloexec(&fd, free) };
        let mut held = Vec::new();
        let mut place = Vec::new();
        let mut needed = Vec::new();
        let mut put = |fd: OwnedFd, to: RawFd, held: &mut Vec<OwnedFd>| -> io::Result<()> {
            let fd = above(fd)?;
            place.push((fd.as_raw_fd(), to));
            held.push(fd);
            Ok(())
        };
        let mut terminal = None;
        match stdio {
            Stdio::Terminal { socket, size } => {
                // Until the terminal is there, so that nothing else is opened under these numbers.
                for to in 0..STREAMS {
                    put(std::fs::File::options().read(true).write(true).open("/dev/null")?.into(), to, &mut held)?;
                }
                terminal = Some(Terminal { socket: above(socket)?, size });
            }
            Stdio::Inherit => needed.extend(0..STREAMS),
            Stdio::Fds { stdin, stdout, stderr } => {
                for (fd, to) in [stdin, stdout, stderr].into_iter().zip(0..) {
                    put(fd, to, &mut held)?;
                }
            }
        }
        for (fd, to) in keep.into_iter().zip(STREAMS..) {
            put(fd, to, &mut held)?;
        }
        let (executed, executed_child) = pipe_with(PipeFlags::CLOEXEC)?;
        let (go_child, go) = pipe_with(PipeFlags::CLOEXEC)?;
        let executed_child = above(executed_child)?;
        let go_child = above(go_child)?;
        let launcher = above(pidfd_open(getpid(), PidfdFlags::empty())?)?;
        needed.extend([&executed_child, &go_child, &launcher].map(AsRawFd::as_raw_fd));
        needed.extend(held.iter().map(AsRawFd::as_raw_fd));
        needed.extend(terminal.iter().map(|terminal| terminal.socket.as_raw_fd()));
        needed.sort_unstable();
        let free = free.unsigned_abs();
        Ok(Self { executed, executed_child, go, go_child, launcher, place, needed, free, held, terminal })
    }
}

/// Waits until nobody holds the other end.
pub(super) fn await_end(executed: &OwnedFd) -> io::Result<()> {
    loop {
        let mut fds = [PollFd::new(executed, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// What the child's last words mean.
pub(super) fn refusal(plan: &Plan, progress: Progress) -> StartError {
    let Progress { phase, index, errno, text } = progress;
    let step = match phase {
        Phase::Check => {
            return match plan.checks.get(index) {
                Some(check) => {
                    StartError::Mismatch { field: check.field.clone(), wanted: check.wanted.to_string(), found: text }
                }
                None => StartError::Mismatch {
                    field: "spec".to_owned(),
                    wanted: "what was asked for".to_owned(),
                    found: text,
                },
            };
        }
        Phase::Execute => {
            let source = errno.unwrap_or(Errno::NOENT).into();
            return StartError::Exec { command: plan.command.name.clone(), source };
        }
        Phase::Start => "start the keeper".to_owned(),
        Phase::Clone => plan.keeper.to_string(),
        Phase::Keeper => plan.keeper.steps.get(index).map(ToString::to_string).unwrap_or_default(),
        Phase::Container => plan.steps.get(index).map(ToString::to_string).unwrap_or_default(),
    };
    match errno {
        // The kernel is older than the call; without root means without a user namespace's rights elsewhere.
        Some(Errno::NOSYS) => StartError::Unsupported { what: step, where_: "by this kernel".to_owned() },
        Some(errno) if !text.is_empty() => {
            StartError::Step { step, source: io::Error::new(io::Error::from(errno).kind(), text) }
        }
        Some(errno) => StartError::Step { step, source: errno.into() },
        None => StartError::Step { step, source: io::Error::other("the process was killed meanwhile") },
    }
}

pub(super) fn machinery(what: &'static str) -> impl Fn(io::Error) -> StartError {
    move |source| StartError::Machinery { what: what.to_owned(), source }
}
