//! The keeper: a process of the launcher's that starts the container, watches over it, and reports how it ended. It is
//! the first process of a PID namespace around the container's where it can be, so that nothing outlives it; and it
//! ends when the launcher does, however that ends. A parent-death signal alone would not do: a process that changes
//! its user, or executes a setuid program, loses it (PR_SET_PDEATHSIG(2const)).

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, getpid, kill_process, pidfd_open, pidfd_send_signal,
    set_parent_process_death_signal, waitid,
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::{Done, Failure, Start, State, contain, run};
use crate::launcher::facts::Kind;
use crate::launcher::plan::Action;
use crate::launcher::report::{Ended, Phase};
use crate::launcher::text::number;
use crate::sys::fd::{Close, close_range};
use crate::sys::{clone, exec, signal};

/// The keeper's life.
pub(in crate::launcher) fn keep(start: &Start<'_>, state: &mut State) -> ! {
    start.report.at(Phase::Keeper, 0);
    let prepared = signal::block_all().and_then(|()| close_all_but(start.needed));
    if let Err(errno) = prepared {
        start.report.fail(errno);
        exec::exit(1);
    }
    run(start, state, Phase::Keeper, &start.plan.keeper.steps);
    start.report.at(Phase::Clone, 0);
    let cgroup = start.groups.unified();
    // A cgroup namespace made here would begin at the keeper's cgroup; the container makes it in its own.
    let itself = start.plan.steps.iter().any(|step| matches!(step.action, Action::NewCgroupNamespace));
    let later = if itself { Kind::Cgroup.flag() } else { 0 };
    // In a container that runs already, the process has no /proc in which it could look itself up.
    let tid = start.dialogue.as_ref().map(|_| start.report.pid_word());
    let cloned = clone::clone3(u64::from(start.plan.keeper.container & !later), cgroup, tid, || {
        contain(start, state);
    });
    match cloned {
        Ok((_, container)) => watch(start, &container),
        Err(error) => {
            start.report.fail(Errno::from_io_error(&error).unwrap_or(Errno::IO));
            exec::exit(1)
        }
    }
}

/// Watches until the container or the launcher has ended.
fn watch(start: &Start<'_>, container: &OwnedFd) -> ! {
    // The rest is the container's again: there are at most seven groups of four descriptors.
    let mut kept: [RawFd; 32] = [container.as_raw_fd(); 32];
    let always = [&start.go, &start.launcher];
    for (to, fd) in kept.iter_mut().skip(1).zip(always.into_iter().chain(start.groups.at_the_end())) {
        *to = fd.as_raw_fd();
    }
    kept.sort_unstable();
    // The container's streams and the pipe that tells of its exec are not the keeper's to hold open.
    let closed = close_all_but(&kept);
    // Not to keep the launcher's directory busy; where that fails, it stays.
    let _ = rustix::process::chdir(c"/");
    // The container is not reaped, and its number not used again, before the launcher holds it. No byte but an end
    // means that the launcher has given up or died.
    let held = closed.and_then(|()| read_byte(start.go.as_fd()));
    if !matches!(held, Ok(true)) {
        kill(container);
    }
    let ended = until_end(start, container);
    if !start.plan.keeper.contains_all() {
        end_orphans();
    }
    if start.groups.ran_out_of_memory() {
        start.report.set_ran_out_of_memory();
    }
    start.groups.remove();
    if let Some(ended) = ended {
        start.report.set_ended(ended);
    }
    exec::exit(0)
}

fn until_end(start: &Start<'_>, container: &OwnedFd) -> Option<Ended> {
    loop {
        let mut both = [PollFd::new(&start.launcher, PollFlags::IN), PollFd::new(container, PollFlags::IN)];
        match poll(&mut both, None) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(_) => {
                kill(container);
                return None;
            }
        }
        let [launcher, ended] = both.map(|fd| !fd.revents().is_empty());
        if ended {
            let status = waitid(WaitId::PidFd(container.as_fd()), WaitIdOptions::EXITED).ok().flatten()?;
            let code = status.exit_status().map(|code| Ended::Code(code as u32));
            return code.or_else(|| status.terminating_signal().map(|signal| Ended::Signal(signal as u32)));
        }
        if launcher {
            kill(container);
            let _ = waitid(WaitId::PidFd(container.as_fd()), WaitIdOptions::EXITED);
            return None;
        }
    }
}

fn kill(container: &OwnedFd) {
    // One that has ended already cannot be killed, which is as good.
    let _ = pidfd_send_signal(container, Signal::KILL);
}

/// Kills and reaps what the container left behind, generation by generation.
fn end_orphans() {
    let mut buffer = [0; 4096];
    loop {
        let children = openat(CWD, c"/proc/thread-self/children", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        let Ok(length) = children.and_then(|children| rustix::io::read(&children, &mut buffer[..])) else { return };
        for pid in buffer.get(..length).unwrap_or_default().split(|byte| *byte == b' ') {
            let pid = number(pid, 10).and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
            if let Some(pid) = pid {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        match waitid(WaitId::All, WaitIdOptions::EXITED) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return, // ECHILD: none left.
        }
    }
}

/// Closes all descriptors but these, which are in ascending order.
pub(super) fn close_all_but(kept: &[RawFd]) -> Result<(), Errno> {
    let mut next = 0;
    for fd in kept {
        let fd = u32::try_from(*fd).map_err(|_negative| Errno::BADF)?;
        if fd > next {
            close_range(next, fd - 1, Close::Now)?;
        }
        next = next.max(fd + 1);
    }
    close_range(next, u32::MAX, Close::Now)
}

/// Whether a byte came before the end.
fn read_byte(from: BorrowedFd<'_>) -> Result<bool, Errno> {
    loop {
        let mut byte = [0];
        match rustix::io::read(from, &mut byte) {
            Err(Errno::INTR) => {}
            result => return result.map(|read| read == 1),
        }
    }
}

/// Waits for the launcher to have written the mappings.
pub(super) fn await_go(start: &Start<'_>) -> Done {
    if read_byte(start.go.as_fd())? { Ok(()) } else { Err(Errno::CANCELED.into()) }
}

/// Says that this process waits, and does so until the launcher lets it go on. Its end is a refusal.
pub(super) fn await_turn(start: &Start<'_>) -> Done {
    let dialogue = start.dialogue.as_ref().ok_or(Errno::BADF)?;
    loop {
        match rustix::io::write(&dialogue.says, &[1]) {
            Err(Errno::INTR) => {}
            written => {
                written?;
                break;
            }
        }
    }
    if read_byte(dialogue.hears.as_fd())? { Ok(()) } else { Err(Errno::CANCELED.into()) }
}

pub(super) fn open_namespace(state: &mut State, slot: usize, path: &CStr) -> Done {
    let namespace = openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    *state.namespaces.get_mut(slot).ok_or(Errno::BADF)? = Some(namespace);
    Ok(())
}

pub(super) fn join_namespace(state: &State, slot: usize, kind: Kind) -> Done {
    let namespace = super::held(state.namespaces.get(slot).and_then(Option::as_ref))?;
    let typ = match kind {
        Kind::Cgroup => LinkNameSpaceType::ControlGroup,
        Kind::Ipc => LinkNameSpaceType::InterProcessCommunication,
        Kind::Mount => LinkNameSpaceType::Mount,
        Kind::Network => LinkNameSpaceType::Network,
        Kind::Pid => LinkNameSpaceType::ProcessID,
        Kind::User => LinkNameSpaceType::User,
        Kind::Uts => LinkNameSpaceType::HostNameAndNISDomainName,
    };
    Ok(move_into_link_name_space(namespace, Some(typ))?)
}

/// Opens the keeper itself, for the container to see whether it is still there, and takes in what is orphaned.
pub(super) fn adopt_orphans(state: &mut State) -> Done {
    state.keeper = Some(pidfd_open(getpid(), PidfdFlags::empty())?);
    Ok(rustix::process::set_child_subreaper(Some(getpid()))?)
}

/// Asks for SIGKILL when the keeper ends, and makes sure that it has not ended before that was asked.
pub(super) fn die_with_keeper(state: &State) -> Done {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let Some(keeper) = &state.keeper else { return Err(Failure::Kernel(Errno::BADF)) };
    let mut fds = [PollFd::new(keeper, PollFlags::IN)];
    let ended = poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
    if ended == 0 { Ok(()) } else { Err(Errno::SRCH.into()) }
}
