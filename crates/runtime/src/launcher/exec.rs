//! Starting a further process in a running container: see `plan/exec.rs` for how it is kept from leaking anything.

use std::fs;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::PathBuf;

use oci_spec::runtime::Spec;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, statat};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::BuiltIn;
use super::child::{self, Dialogue, Start, State, verify};
use super::facts::{Facts, Kind};
use super::groups::Groups;
use super::plan::{Inhabited, Plan, Wanted};
use super::report::{Phase, Report};
use super::running::Container;
use super::start::{Descriptors, await_end, machinery, refusal};
use crate::engine::{Running, StartError, Stdio};
use crate::state::ProcessRecord;
use crate::sys;

/// A running container, held so that it cannot be mistaken for another one.
#[derive(Debug)]
pub struct Home {
    pid: u32,
    process: OwnedFd,
    /// Its directory in the host's /proc.
    directory: OwnedFd,
    namespaces: Vec<(Kind, OwnedFd)>,
    denies_groups: bool,
    /// Whether a cgroup was made for it.
    cgroup: bool,
}

/// What is to be started.
#[derive(Debug)]
pub struct Exec<'a> {
    /// The spec that the container was started from, with the further process as its `process`.
    pub spec: &'a Spec,
    /// The streams. Nothing of the caller's own: pipes, or a terminal of the container's.
    pub stdio: Stdio,
    /// Whether standard input is a terminal, which the process then controls.
    pub terminal: bool,
}

fn step(step: &'static str) -> impl Fn(io::Error) -> StartError {
    move |source| StartError::Step { step: step.to_owned(), source }
}

impl Home {
    /// Holds the container whose first process was recorded when it was started. One that has ended, or has left a
    /// namespace that it was put into, is refused.
    pub fn hold(record: &ProcessRecord) -> Result<Self, StartError> {
        let failed = step("find the container's process");
        let pid = record.pid;
        let process = Pid::from_raw(pid as i32)
            .ok_or(Errno::SRCH)
            .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()))
            .map_err(|errno| failed(errno.into()))?;
        let directory =
            openat(CWD, format!("/proc/{pid}"), OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .map_err(|errno| failed(errno.into()))?;
        let mut namespaces = Vec::new();
        for kind in Kind::ALL {
            let stat = |from: &OwnedFd| statat(from, kind.link(), AtFlags::empty()).map(|stat| stat.st_ino);
            let Ok(own) = fs::File::open("/proc/thread-self").map(OwnedFd::from).and_then(|own| Ok(stat(&own)?)) else {
                continue; // A kernel without this kind.
            };
            let joined = openat(&directory, kind.link(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
                .map_err(|errno| step("open the container's namespaces")(errno.into()))?;
            let found = rustix::fs::fstat(&joined)
                .map_err(|errno| step("open the container's namespaces")(errno.into()))?
                .st_ino;
            let name = kind.link().to_str().unwrap_or_default().trim_start_matches("ns/");
            if record.namespaces.get(name) != Some(&found) {
                return Err(StartError::Mismatch {
                    field: format!("the {} namespace of the container's first process", kind.name()),
                    wanted: record.namespaces.get(name).map_or_else(|| "recorded".to_owned(), ToString::to_string),
                    found: found.to_string(),
                });
            }
            if found != own {
                namespaces.push((kind, joined));
            }
        }
        // The right to join the others comes with the user namespace; what is joined last hides the least.
        namespaces.sort_by_key(|(kind, _)| match kind {
            Kind::User => 0,
            Kind::Mount => 2,
            Kind::Pid => 3,
            _ => 1,
        });
        let denies_groups = fs::read(format!("/proc/{pid}/setgroups")).is_ok_and(|answer| answer.starts_with(b"deny"));
        let home = Self { pid, process, directory, namespaces, denies_groups, cgroup: record.cgroup };
        // While it lives, its number is nobody else's: all that was opened by number is its own.
        if home.has_ended()? || record.start_time != crate::state::start_time(pid) {
            return Err(failed(Errno::SRCH.into()));
        }
        Ok(home)
    }

    /// Whether the container's first process has ended.
    pub fn has_ended(&self) -> Result<bool, StartError> {
        let mut fds = [PollFd::new(&self.process, PollFlags::IN)];
        let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut fds, Some(&now)).map(|ended| ended > 0).map_err(|errno| step("watch the container")(errno.into()))
    }

    /// Which user and group on this machine the given ones of the container are; the same where there is no mapping.
    pub fn outside(&self, uid: u32, gid: u32) -> (u32, u32) {
        let map = |file: &str, id: u32| {
            let text = fs::read_to_string(format!("/proc/{}/{file}", self.pid)).ok()?;
            text.lines().find_map(|line| {
                let mut numbers = line.split_ascii_whitespace().map(|number| number.parse::<u32>().ok());
                let (inside, outside, size) = (numbers.next()??, numbers.next()??, numbers.next()??);
                id.checked_sub(inside).filter(|offset| *offset < size).and_then(|offset| outside.checked_add(offset))
            })
        };
        (map("uid_map", uid).unwrap_or(uid), map("gid_map", gid).unwrap_or(gid))
    }

    /// The container's root directory as the kernel sees it. Whatever is opened below must not follow links out of it.
    pub fn root(&self) -> io::Result<OwnedFd> {
        Ok(openat(&self.directory, c"root", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
    }

    /// Puts a process into the container's cgroups, and makes sure that it is there.
    fn take_in(&self, process: Pid) -> Result<(), StartError> {
        let failed = step("join the container's cgroup (linux.cgroupsPath)");
        let read = |pid: u32| fs::read_to_string(format!("/proc/{pid}/cgroup"));
        let wanted = read(self.pid).map_err(&failed)?;
        let pid = process.as_raw_nonzero().get() as u32;
        let found = read(pid).map_err(&failed)?;
        if found == wanted {
            return Ok(());
        }
        for directory in cgroup_directories(&wanted, &found).map_err(&failed)? {
            let joined = fs::File::options()
                .write(true)
                .open(directory.join("cgroup.procs"))
                .and_then(|mut file| file.write_all(pid.to_string().as_bytes()));
            match joined {
                // Another session of the same user, of whose cgroup nothing was asked for.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied && !self.cgroup => {}
                joined => joined.map_err(&failed)?,
            }
        }
        let found = read(pid).map_err(&failed)?;
        if found == wanted || !self.cgroup && !crate::observe::is_privileged() {
            return Ok(());
        }
        Err(StartError::Mismatch { field: "linux.cgroupsPath".to_owned(), wanted, found })
    }
}

/// The directories of the cgroups in `wanted` that `found` does not have; both as in /proc/PID/cgroup.
fn cgroup_directories(wanted: &str, found: &str) -> io::Result<Vec<PathBuf>> {
    let mounts = fs::read_to_string("/proc/thread-self/mountinfo")?;
    let mut directories = Vec::new();
    for line in wanted.lines().filter(|line| !found.lines().any(|other| other == *line)) {
        let directory = mounts
            .lines()
            .find_map(|mount| super::facts::cgroup_directory(mount, line))
            .ok_or_else(|| io::Error::other(format!("no hierarchy is mounted for {line:?}")))?;
        directories.push(directory);
    }
    Ok(directories)
}

impl BuiltIn {
    /// Starts a further process in a running container, with all of the container's own: namespaces, cgroup, user,
    /// groups, capabilities, no_new_privs, seccomp filter, labels and limits. It is compared with what was asked for
    /// before the command is executed. The process ends with the caller.
    pub fn exec(&self, home: &Home, exec: Exec<'_>) -> Result<Box<dyn Running>, StartError> {
        let facts = Facts::read(exec.spec)?;
        let kinds: Vec<Kind> = home.namespaces.iter().map(|(kind, _)| *kind).collect();
        let into = Inhabited { joined: &kinds, denies_groups: home.denies_groups, terminal: exec.terminal };
        let plan = Plan::exec(exec.spec, &into, &facts, self.policy)?;
        start(&plan, home, exec.stdio).map(|container| Box::new(container) as Box<dyn Running>)
    }
}

fn start(plan: &Plan, home: &Home, stdio: Stdio) -> Result<Container, StartError> {
    let prepare = machinery("cannot prepare file descriptors");
    let descriptors = Descriptors::new(stdio, Vec::new()).map_err(&prepare)?;
    let report = Report::new().map_err(machinery("cannot map memory"))?;
    let mut state = State::new(plan);
    let Descriptors { executed, executed_child, go, go_child, launcher, place, mut needed, free, held, terminal } =
        descriptors;
    if terminal.is_some() {
        // The caller makes it, as the container's devpts is there already.
        return Err(prepare(io::ErrorKind::Unsupported.into()));
    }
    let (hears, turn) = pipe_with(PipeFlags::CLOEXEC).map_err(|errno| prepare(errno.into()))?;
    let hears = fcntl_dupfd_cloexec(&hears, free as RawFd).map_err(|errno| prepare(errno.into()))?;
    needed.push(hears.as_raw_fd());
    for (slot, (_, namespace)) in home.namespaces.iter().enumerate() {
        let namespace = fcntl_dupfd_cloexec(namespace, free as RawFd).map_err(|errno| prepare(errno.into()))?;
        needed.push(namespace.as_raw_fd());
        state.hold_namespace(slot, namespace);
    }
    needed.sort_unstable();
    let mut kept = vec![0, 1, 2, executed_child.as_raw_fd(), hears.as_raw_fd()];
    kept.sort_unstable();
    // It is put into the container's by the launcher.
    let groups = Groups::default();
    let start = Start {
        plan,
        report: &report,
        go: go_child,
        launcher,
        place: &place,
        needed: &needed,
        groups: &groups,
        free,
        terminal: None,
        dialogue: Some(Dialogue { says: executed_child, hears, kept }),
    };
    let (_, keeper) = sys::clone::clone3(0, None, None, || {
        child::keep(&start, &mut state);
    })
    .map_err(|source| StartError::Step { step: "start the keeper".to_owned(), source })?;
    drop((start, held));

    // From here on every return ends the process, by dropping the container.
    let mut container = Container::new(keeper, go, report, Groups::default());
    let speaks = |container: &Container| match rustix::io::retry_on_intr(|| rustix::io::read(&executed, &mut [0])) {
        Ok(1) => Ok(()),
        Ok(_) => Err(refusal(plan, container.report().progress())),
        Err(errno) => Err(machinery("cannot wait for the process")(errno.into())),
    };
    let say = || match rustix::io::write(&turn, &[1]) {
        Ok(_) | Err(Errno::PIPE) => Ok(()),
        Err(errno) => Err(machinery("cannot let the process go on")(errno.into())),
    };
    speaks(&container)?;
    let pid = Pid::from_raw(container.report().pid() as i32).ok_or_else(|| prepare(Errno::SRCH.into()))?;
    // The keeper does not reap it before it is told that the launcher holds it.
    let process = pidfd_open(pid, PidfdFlags::empty()).map_err(|errno| prepare(errno.into()))?;
    let directory = format!("/proc/{}", pid.as_raw_nonzero());
    let directory = openat(CWD, directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| prepare(errno.into()))?;
    container.hold(process.try_clone().map_err(&prepare)?);
    home.take_in(pid)?;
    say()?;
    speaks(&container)?;
    compare(plan, home, &directory, &state, if plan.shows_filter() { Seen::All } else { Seen::AllButFilter })?;
    say()?;
    await_end(&executed).map_err(machinery("cannot wait for the process"))?;
    let progress = container.report().progress();
    if progress.phase != Phase::Execute || progress.errno.is_some() {
        return Err(refusal(plan, progress));
    }
    if !plan.shows_filter() {
        // Only now can it be seen. One that has ended already had no time to do harm without it: the kernel's answer to
        // seccomp(2) was compared by the process itself.
        match compare(plan, home, &directory, &state, Seen::Filter) {
            Err(error @ StartError::Mismatch { .. }) => {
                let _ = pidfd_send_signal(&process, Signal::KILL);
                return Err(error);
            }
            _ended_or_same => {}
        }
    }
    container.go().map_err(machinery("cannot let the keeper go on"))?;
    Ok(container)
}

/// What can be compared at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// Everything.
    All,
    /// Everything, but the filter is not installed yet.
    AllButFilter,
    /// The filter, after the command was executed, which changed the capabilities.
    Filter,
}

/// Compares what the kernel says of the process with what was asked for.
fn compare(plan: &Plan, home: &Home, directory: &OwnedFd, state: &State, seen: Seen) -> Result<(), StartError> {
    let failed = step("look at the process from outside");
    let file = openat(directory, c"status", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| failed(errno.into()))?;
    let mut status = Vec::new();
    io::Read::read_to_end(&mut fs::File::from(file), &mut status).map_err(&failed)?;
    let is_filter = |check: &&super::plan::Check| matches!(check.wanted, Wanted::Seccomp { .. });
    for check in plan.checks.iter().filter(|check| seen != Seen::Filter || is_filter(check)) {
        if check.wanted.is_about_namespaces() && !crate::observe::is_privileged() {
            continue; // Hidden from this process; the keeper, from which it has them, has compared them.
        }
        let wanted = from_here(home, &check.wanted);
        let wanted = wanted.as_ref().unwrap_or(&check.wanted);
        let found =
            verify::from_outside(directory.as_fd(), &status, state.namespaces(), wanted, seen != Seen::AllButFilter)
                .map_err(|errno| failed(errno.into()))?;
        if let Some(found) = found {
            return Err(StartError::Mismatch { field: check.field.clone(), wanted: wanted.to_string(), found });
        }
    }
    Ok(())
}

/// IDs in a user namespace as the launcher's own namespace has them, which is how `/proc` shows them here.
fn from_here(home: &Home, wanted: &Wanted) -> Option<Wanted> {
    match wanted {
        Wanted::Uid(id) => Some(Wanted::Uid(home.outside(*id, 0).0)),
        Wanted::Gid(id) => Some(Wanted::Gid(home.outside(0, *id).1)),
        Wanted::Groups { ids, tolerated } => {
            let mut ids: Vec<u32> = ids.iter().map(|id| home.outside(0, *id).1).collect();
            ids.sort_unstable();
            Some(Wanted::Groups { ids, tolerated: *tolerated })
        }
        _ => None,
    }
}
