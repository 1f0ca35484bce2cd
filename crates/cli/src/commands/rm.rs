//! `ringfence rm`.

use std::time::{Duration, Instant};

use ringfence_runtime::protect;
use ringfence_runtime::state::{self, FoundPod};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::exit::Exit;
use crate::running;

/// End pods that run here, and remove what they leave
///
/// As `kubectl delete pod` does it: the containers get their stop signal, and SIGKILL when the pod's
/// terminationGracePeriodSeconds are over.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The pods, by their names or IDs as `ps` shows them.
    #[arg(required_unless_present = "all", value_name = "POD")]
    pods: Vec<String>,

    /// All pods of this user.
    #[arg(long, conflicts_with = "pods")]
    all: bool,

    /// At once, with SIGKILL.
    #[arg(short, long)]
    force: bool,
}

pub(crate) fn main(args: &Args) -> Exit {
    let found: Vec<Result<FoundPod, String>> = if args.all {
        match running::all() {
            Ok(pods) => pods.into_iter().map(Ok).collect(),
            Err(message) => vec![Err(message)],
        }
    } else {
        args.pods.iter().map(|name| running::find(name)).collect()
    };
    let mut exit = Exit::Clean;
    let mut asked = Vec::new();
    for pod in found {
        match pod.and_then(|pod| ask(&pod, args.force).map(|()| pod)) {
            Ok(pod) => asked.push(pod),
            Err(message) => {
                super::complain(&message);
                exit = Exit::Failure;
            }
        }
    }
    // They end side by side.
    for pod in &asked {
        if let Err(message) = await_end(pod) {
            super::complain(&message);
            exit = Exit::Failure;
        } else {
            anstream::println!("{}", crate::view::clean(&pod.record.name));
        }
    }
    exit
}

/// Asks the supervisor to end, and is sure to ask no other process.
fn ask(pod: &FoundPod, force: bool) -> Result<(), String> {
    let name = &pod.record.name;
    let supervisor = &pod.record.supervisor;
    let failed = |errno: rustix::io::Errno| format!("cannot end pod {name:?}: {errno}");
    let pid = Pid::from_raw(supervisor.pid as i32).ok_or_else(|| format!("cannot end pod {name:?}: no supervisor"))?;
    let process = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(process) => process,
        Err(rustix::io::Errno::SRCH) => return Ok(()),
        Err(errno) => return Err(failed(errno)),
    };
    // Held now, so that the number cannot become another process's between this look and the signal.
    if !supervisor.lives() {
        return Ok(());
    }
    let signal = if force { Signal::KILL } else { Signal::TERM };
    match pidfd_send_signal(&process, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(errno) => Err(failed(errno)),
    }
}

/// Waits until nothing is left. After a supervisor's end its guardian cleans up; where that was killed, too, this does.
fn await_end(pod: &FoundPod) -> Result<(), String> {
    const CLEANING: Duration = Duration::from_secs(10);
    let pid = Pid::from_raw(pod.record.supervisor.pid as i32);
    if let Some(process) = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
        && pod.record.supervisor.lives()
    {
        let mut fds = [PollFd::new(&process, PollFlags::IN)];
        while matches!(poll(&mut fds, None), Err(rustix::io::Errno::INTR)) {}
    }
    let end = Instant::now() + CLEANING;
    while pod.path.exists() {
        if Instant::now() >= end {
            let own = protect::program().map_err(|error| super::chain(&error))?;
            state::sweep_base(&own).map_err(|error| super::chain(&error))?;
            if !pod.path.exists() {
                return Ok(());
            }
            return Err(format!(
                "pod {:?} has ended, and {} could not be removed",
                pod.record.name,
                pod.path.display()
            ));
        }
        let pause = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
        let _ = poll(&mut [], Some(&pause));
    }
    Ok(())
}
