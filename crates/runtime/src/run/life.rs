//! The life of a pod: init containers and sidecars in their order, the main containers together, restarts, and the end,
//! as the kubelet does it (`pkg/kubelet/kuberuntime`, `pkg/kubelet/container/helpers.go`).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ringfence_context::effective::{ContainerKind, EffectiveContainer};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::log::Log;
use super::signals::Signals;
use super::{PodRun, RunError, Started};
use crate::engine::{Engine, Exit, Stdio};
use crate::rootfs::RootfsRequest;
use crate::spec::ProcessArgs;
use crate::state::{ContainerRecord, ContainerState, PodPhase, PodRecord, ProcessRecord};

/// `spec.restartPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Whatever it ended with.
    Always,
    /// If it did not end with 0.
    OnFailure,
    /// Never.
    Never,
}

/// A container to run.
#[derive(Debug)]
pub struct Member<'a> {
    /// Its context.
    pub container: &'a EffectiveContainer,
    /// When it starts and what its end means; a single container that was picked out is a main one.
    pub kind: ContainerKind,
    /// Its root file system.
    pub rootfs: RootfsRequest<'a>,
    /// Its command.
    pub process: ProcessArgs,
    /// What asks it to end: SIGTERM, or `lifecycle.stopSignal`.
    pub stop_signal: i32,
}

/// How a pod is run.
#[derive(Debug)]
pub struct LifeOptions<'a> {
    /// Whether containers that have ended start again. Sidecars do in any case.
    pub restart: Restart,
    /// `terminationGracePeriodSeconds`.
    pub grace: Duration,
    /// Whether what the containers print is kept, instead of going where this process prints.
    pub logs: bool,
    /// Whether the pod's state and logs stay when its containers have ended, until a signal ends the run.
    pub stay: bool,
    /// What asks for the end of the run.
    pub signals: &'a Signals,
}

/// What happens, for the caller to tell.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// All containers were started.
    Ready,
    /// An init container did not end with 0, and it is not tried again.
    InitFailed(&'a str, Exit),
    /// A process of it was killed because the memory is limited and was used up.
    OutOfMemory(&'a str),
    /// It starts again after this time.
    BackOff(&'a str, Duration),
    /// It could not be started again; that is tried after some time.
    NotStarted(&'a str, &'a RunError),
    /// A signal asked for the end: the containers have this time for it.
    Ending(Duration),
}

/// The kubelet's `MaxContainerBackOff` and its first step; after ten minutes of running it begins anew.
const FIRST_BACK_OFF: Duration = Duration::from_secs(10);
const LONGEST_BACK_OFF: Duration = Duration::from_mins(5);
const GOOD_RUN: Duration = Duration::from_mins(10);

/// A container at some time of its life.
struct Slot<'a> {
    member: &'a Member<'a>,
    live: Option<Live>,
    ended: Option<Exit>,
    /// When it is started again.
    due: Option<Instant>,
    back_off: Duration,
    /// Whether it was asked to end, and when it is made to.
    deadline: Option<Instant>,
}

struct Live {
    started: Started,
    watch: OwnedFd,
    log: Option<Log>,
    since: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The init container of this number is next.
    Init(usize),
    /// The main containers are at work.
    Main,
    /// The main containers end by request.
    EndMain,
    /// The sidecars end, the last first.
    EndSidecars,
    /// Everything has ended.
    Over,
}

/// Runs the pod to its end, and gives the exit status of the first main container.
pub fn live(
    run: &PodRun<'_>,
    engine: &dyn Engine,
    members: &[Member<'_>],
    record: PodRecord,
    options: &LifeOptions<'_>,
    tell: &mut dyn FnMut(Event<'_>) -> io::Result<()>,
) -> Result<Exit, RunError> {
    let slots = members
        .iter()
        .map(|member| Slot { member, live: None, ended: None, due: None, back_off: FIRST_BACK_OFF, deadline: None })
        .collect();
    run.keep_specs();
    let mut life = Life { run, engine, slots, record, options, stage: Stage::Init(0), end_by: None, failed: None };
    life.record.containers = members
        .iter()
        .map(|member| ContainerRecord {
            name: member.container.name.clone(),
            kind: kind_name(member.kind).to_owned(),
            image: member.container.image.clone().unwrap_or_default(),
            restarts: 0,
            state: waiting("PodInitializing", ""),
        })
        .collect();
    life.save()?;
    let outcome = life.run(tell);
    if outcome.is_err() {
        life.slots.clear();
    }
    outcome
}

fn kind_name(kind: ContainerKind) -> &'static str {
    match kind {
        ContainerKind::Init => "init",
        ContainerKind::Sidecar => "sidecar",
        ContainerKind::Main => "main",
        ContainerKind::Ephemeral => "ephemeral",
    }
}

fn waiting(reason: &str, message: &str) -> ContainerState {
    ContainerState::Waiting { reason: reason.to_owned(), message: message.to_owned() }
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

struct Life<'a> {
    run: &'a PodRun<'a>,
    engine: &'a dyn Engine,
    slots: Vec<Slot<'a>>,
    record: PodRecord,
    options: &'a LifeOptions<'a>,
    stage: Stage,
    /// When everything is ended by force, once the end was asked for.
    end_by: Option<Instant>,
    /// An init container's end, which is then the pod's.
    failed: Option<Exit>,
}

impl Life<'_> {
    fn run(&mut self, tell: &mut dyn FnMut(Event<'_>) -> io::Result<()>) -> Result<Exit, RunError> {
        let machinery = RunError::machinery;
        loop {
            self.start_due(tell)?;
            self.advance(tell)?;
            if self.stage == Stage::Over && (!self.options.stay || self.end_by.is_some()) {
                return Ok(self.failed.or_else(|| self.status()).unwrap_or(Exit::Code(0)));
            }
            self.wait().map_err(machinery("wait for the containers"))?;
            while let Some(_signal) = self.options.signals.next().map_err(machinery("read signals"))? {
                if self.end_by.is_some() {
                    // Asked twice: at once.
                    self.end_by = Some(Instant::now());
                } else {
                    self.end_by = Some(Instant::now() + self.options.grace);
                    self.record.phase = PodPhase::Terminating;
                    self.save()?;
                    if self.stage != Stage::Over {
                        tell(Event::Ending(self.options.grace)).map_err(machinery("say what happens"))?;
                        self.stage = Stage::EndMain;
                    }
                }
            }
            self.collect(tell)?;
        }
    }

    /// The first main container's end.
    fn status(&self) -> Option<Exit> {
        self.slots.iter().find(|slot| slot.member.kind == ContainerKind::Main).and_then(|slot| slot.ended)
    }

    fn save(&self) -> Result<(), RunError> {
        Ok(self.run.options.state.write_record(&self.record)?)
    }

    fn note(&mut self, index: usize, state: ContainerState) -> Result<(), RunError> {
        if let Some(container) = self.record.containers.get_mut(index) {
            container.state = state;
        }
        self.save()
    }

    fn start(&mut self, index: usize) -> Result<(), RunError> {
        let Some(slot) = self.slots.get_mut(index) else { return Ok(()) };
        let member = slot.member;
        let (log, stdio) = if self.options.logs {
            let path = crate::state::log_path(self.run.options.state.path(), &member.container.name);
            if let Some(dir) = path.parent().filter(|dir| !dir.exists()) {
                self.run.options.state.dir(&dir.file_name().unwrap_or_default().to_string_lossy(), 0o700)?;
            }
            let (log, stdio) = Log::open(&path).map_err(RunError::machinery("open the container's log"))?;
            (Some(log), stdio)
        } else {
            (None, Stdio::Inherit)
        };
        let mut started = self.run.start(self.engine, member.container, &member.rootfs, &member.process, stdio)?;
        let watch = started.running().watch().map_err(RunError::machinery("watch the container"))?;
        // One that has ended already has nothing more to be told by.
        let mut process = ProcessRecord::of(started.running().pid()).unwrap_or_default();
        process.cgroup = started.cgroup;
        slot.live = Some(Live { started, watch, log, since: Instant::now() });
        slot.ended = None;
        slot.due = None;
        self.note(index, ContainerState::Running { since: now(), process })
    }

    /// Starts again what is due.
    fn start_due(&mut self, tell: &mut dyn FnMut(Event<'_>) -> io::Result<()>) -> Result<(), RunError> {
        if self.end_by.is_some() {
            return Ok(());
        }
        for index in 0..self.slots.len() {
            let Some(slot) = self.slots.get_mut(index) else { continue };
            if slot.due.is_none_or(|due| due > Instant::now()) {
                continue;
            }
            if let Some(container) = self.record.containers.get_mut(index) {
                container.restarts += 1;
            }
            if let Err(error) = self.start(index) {
                let Some(slot) = self.slots.get_mut(index) else { continue };
                slot.due = Some(Instant::now() + slot.back_off);
                slot.back_off = (slot.back_off * 2).min(LONGEST_BACK_OFF);
                let name = &slot.member.container.name;
                tell(Event::NotStarted(name, &error)).map_err(RunError::machinery("say what happens"))?;
                let reason = error.refusal().map_or("StartError", |refusal| refusal.reason.as_str());
                self.note(index, waiting(reason, &error.to_string()))?;
            }
        }
        Ok(())
    }

    /// Goes on to the next stage as far as that can be.
    fn advance(&mut self, tell: &mut dyn FnMut(Event<'_>) -> io::Result<()>) -> Result<(), RunError> {
        loop {
            match self.stage {
                Stage::Init(index) => {
                    let Some(slot) = self.slots.get(index) else {
                        self.stage = Stage::Main;
                        self.start_main(tell)?;
                        continue;
                    };
                    let is_started = slot.live.is_some() || slot.ended.is_some() || slot.due.is_some();
                    match slot.member.kind {
                        ContainerKind::Init if slot.ended == Some(Exit::Code(0)) => self.stage = Stage::Init(index + 1),
                        ContainerKind::Init if !is_started => self.start(index)?,
                        ContainerKind::Init if slot.live.is_some() || slot.due.is_some() => return Ok(()),
                        ContainerKind::Init => {
                            self.failed = slot.ended;
                            self.stage = Stage::EndSidecars;
                        }
                        ContainerKind::Sidecar => {
                            if !is_started {
                                self.start(index)?;
                            }
                            self.stage = Stage::Init(index + 1);
                        }
                        _ => self.stage = Stage::Init(index + 1),
                    }
                }
                Stage::Main => {
                    if self.is_at_work(ContainerKind::Main) {
                        return Ok(());
                    }
                    self.stage = Stage::EndSidecars;
                }
                Stage::EndMain => {
                    self.ask_to_end(|kind| matches!(kind, ContainerKind::Main | ContainerKind::Init))?;
                    let at_work = [ContainerKind::Main, ContainerKind::Init].map(|kind| self.is_at_work(kind));
                    if at_work.contains(&true) {
                        return Ok(());
                    }
                    self.stage = Stage::EndSidecars;
                }
                Stage::EndSidecars => {
                    self.ask_to_end(|kind| kind == ContainerKind::Ephemeral)?;
                    let last = self.slots.iter().rposition(|slot| {
                        slot.member.kind == ContainerKind::Sidecar && (slot.live.is_some() || slot.due.is_some())
                    });
                    if let Some(index) = last {
                        self.ask_one_to_end(index)?;
                        if self.slots.get(index).is_some_and(|slot| slot.live.is_some()) {
                            return Ok(());
                        }
                        continue;
                    }
                    if self.is_at_work(ContainerKind::Ephemeral) {
                        return Ok(());
                    }
                    self.stage = Stage::Over;
                    self.record.phase = self.last_phase();
                    self.save()?;
                }
                Stage::Over => return Ok(()),
            }
        }
    }

    fn last_phase(&self) -> PodPhase {
        let mut main = self.slots.iter().filter(|slot| slot.member.kind == ContainerKind::Main);
        if self.failed.is_none() && main.all(|slot| slot.ended == Some(Exit::Code(0))) {
            PodPhase::Succeeded
        } else {
            PodPhase::Failed
        }
    }

    fn start_main(&mut self, tell: &mut dyn FnMut(Event<'_>) -> io::Result<()>) -> Result<(), RunError> {
        for index in 0..self.slots.len() {
            let kind = self.slots.get(index).map(|slot| slot.member.kind);
            if matches!(kind, Some(ContainerKind::Main | ContainerKind::Ephemeral)) {
                self.start(index)?;
            }
        }
        self.record.phase = PodPhase::Running;
        self.save()?;
        tell(Event::Ready).map_err(RunError::machinery("say that the pod runs"))
    }

    fn is_at_work(&self, kind: ContainerKind) -> bool {
        self.slots.iter().any(|slot| slot.member.kind == kind && (slot.live.is_some() || slot.due.is_some()))
    }

    fn ask_to_end(&mut self, which: impl Fn(ContainerKind) -> bool) -> Result<(), RunError> {
        for index in 0..self.slots.len() {
            if self.slots.get(index).is_some_and(|slot| which(slot.member.kind)) {
                self.ask_one_to_end(index)?;
            }
        }
        Ok(())
    }

    /// Sends the stop signal once, and SIGKILL when the time is over.
    fn ask_one_to_end(&mut self, index: usize) -> Result<(), RunError> {
        let Some(slot) = self.slots.get_mut(index) else { return Ok(()) };
        slot.due = None;
        let Some(live) = &mut slot.live else { return Ok(()) };
        let now = Instant::now();
        let deadline = if let Some(deadline) = slot.deadline {
            self.end_by.map_or(deadline, |end| end.min(deadline))
        } else {
            live.started.running().signal(slot.member.stop_signal)?;
            self.end_by.unwrap_or(now + self.options.grace)
        };
        slot.deadline = Some(deadline);
        if deadline <= now {
            live.started.running().signal(libc::SIGKILL)?;
        }
        Ok(())
    }

    /// Waits until a container ends or prints, a signal comes, or something is due.
    fn wait(&self) -> io::Result<()> {
        let now = Instant::now();
        let next = self
            .slots
            .iter()
            .flat_map(|slot| [slot.due, slot.deadline.filter(|_| slot.live.is_some()).map(|at| self.sooner(at))])
            .flatten()
            .min()
            // What was killed already is waited for a little at a time.
            .map(|at| at.saturating_duration_since(now).max(Duration::from_millis(5)));
        let timeout = next
            .map(|left| Timespec { tv_sec: left.as_secs().min(3600) as i64, tv_nsec: i64::from(left.subsec_nanos()) });
        let live = || self.slots.iter().filter_map(|slot| slot.live.as_ref());
        let watched = live().map(|live| live.watch.as_fd());
        let printed = live().filter_map(|live| live.log.as_ref()).flat_map(Log::fds);
        let mut fds: Vec<PollFd<'_>> = [self.options.signals.as_fd()]
            .into_iter()
            .chain(watched)
            .chain(printed)
            .map(|fd: BorrowedFd<'_>| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn sooner(&self, at: Instant) -> Instant {
        self.end_by.map_or(at, |end| end.min(at))
    }

    /// Takes what was printed, and whatever has ended.
    fn collect(&mut self, tell: &mut dyn FnMut(Event<'_>) -> io::Result<()>) -> Result<(), RunError> {
        for index in 0..self.slots.len() {
            let Some(slot) = self.slots.get_mut(index) else { continue };
            let Some(live) = &mut slot.live else { continue };
            if let Some(log) = &mut live.log {
                log.take().map_err(RunError::machinery("write the container's log"))?;
            }
            if !is_readable(&live.watch).map_err(RunError::machinery("watch the container"))? {
                continue;
            }
            let exit = live.started.running().wait()?;
            let out_of_memory = live.started.running().ran_out_of_memory();
            if let Some(log) = &mut live.log {
                log.drain().map_err(RunError::machinery("write the container's log"))?;
            }
            let ran = live.since.elapsed();
            slot.live = None;
            slot.ended = Some(exit);
            slot.deadline = None;
            let (kind, name) = (slot.member.kind, &slot.member.container.name);
            if out_of_memory {
                tell(Event::OutOfMemory(name)).map_err(RunError::machinery("say what happens"))?;
            }
            let again =
                self.end_by.is_none() && self.stage != Stage::EndSidecars && is_again(kind, self.options.restart, exit);
            if again {
                if ran >= GOOD_RUN {
                    slot.back_off = FIRST_BACK_OFF;
                }
                let wait = slot.back_off;
                slot.back_off = (slot.back_off * 2).min(LONGEST_BACK_OFF);
                slot.due = Some(Instant::now() + wait);
                tell(Event::BackOff(name, wait)).map_err(RunError::machinery("say what happens"))?;
                let why = if out_of_memory { " (OOMKilled)" } else { "" };
                let message = format!("back-off {} s after it ended with {}{why}", wait.as_secs(), exit.code());
                self.note(index, waiting("CrashLoopBackOff", &message))?;
                continue;
            }
            if kind == ContainerKind::Init && exit != Exit::Code(0) && self.end_by.is_none() {
                tell(Event::InitFailed(name, exit)).map_err(RunError::machinery("say what happens"))?;
            }
            let signal = if let Exit::Signal(signal) = exit { signal } else { 0 };
            // As containerd has it: whatever the container made of the loss of a process.
            let reason = match exit {
                _ if out_of_memory => "OOMKilled",
                Exit::Code(0) => "Completed",
                _ => "Error",
            };
            self.note(
                index,
                ContainerState::Terminated { at: now(), exit_code: exit.code(), signal, reason: reason.to_owned() },
            )?;
        }
        Ok(())
    }
}

/// `ShouldContainerBeRestarted` of the kubelet; an init container that succeeded is done.
fn is_again(kind: ContainerKind, restart: Restart, exit: Exit) -> bool {
    match (kind, restart) {
        (ContainerKind::Sidecar, _) | (ContainerKind::Main, Restart::Always) => true,
        (ContainerKind::Ephemeral, _) | (_, Restart::Never) => false,
        _ => exit != Exit::Code(0),
    }
}

fn is_readable(fd: &OwnedFd) -> io::Result<bool> {
    let mut fds = [PollFd::new(fd, PollFlags::IN)];
    match poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_started_again_follows_the_policy() {
        use ContainerKind::{Ephemeral, Init, Main, Sidecar};
        let (good, bad) = (Exit::Code(0), Exit::Code(1));
        assert!(is_again(Main, Restart::Always, good));
        assert!(is_again(Main, Restart::OnFailure, Exit::Signal(9)) && !is_again(Main, Restart::OnFailure, good));
        assert!(!is_again(Main, Restart::Never, bad));
        assert!(is_again(Init, Restart::Always, bad) && !is_again(Init, Restart::Always, good));
        assert!(is_again(Sidecar, Restart::Never, good));
        assert!(!is_again(Ephemeral, Restart::Always, bad));
    }
}
