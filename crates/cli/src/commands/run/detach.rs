//! `run -d`: this same command again, as the supervisor of the pod, in a session of its own. It says on standard output,
//! a pipe, when the pod is ready; if it fails before, it has said why on the standard error that it shares.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use crate::exit::Exit;

/// Set for the supervisor.
const SUPERVISOR: &str = "RINGFENCE_SUPERVISOR";

/// Whether this process is the supervisor.
pub(crate) fn is_supervisor() -> bool {
    std::env::var_os(SUPERVISOR).is_some()
}

/// Starts the supervisor, and waits until the pod is ready.
pub(crate) fn start() -> Result<Exit, String> {
    let failed = |error: io::Error| format!("cannot start the supervisor: {error}");
    let mut child = Command::new("/proc/self/exe")
        .args(std::env::args_os().skip(1))
        .env(SUPERVISOR, "1")
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut said = Vec::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_end(&mut said).map_err(failed)?;
    }
    if said.ends_with(b"\n") {
        let mut out = crate::commands::stdout(true);
        let name = String::from_utf8_lossy(&said);
        let printed = writeln!(out, "{}", crate::view::clean(name.trim_end())).and_then(|()| out.flush());
        return Ok(match printed {
            Ok(()) => Exit::Clean,
            Err(error) => crate::commands::output_failed(&error),
        });
    }
    let status = child.wait().map_err(failed)?;
    Ok(Exit::Passed(match (status.code(), status.signal()) {
        // A pod that has run to its end before it was ready to be left: an init container that failed.
        (Some(code), _) => code as u8,
        (None, signal) => 128_u8.saturating_add(signal.unwrap_or(0) as u8),
    }))
}

/// The supervisor leaves the caller: its session, its terminal and its streams. Nobody to tell means that the caller has
/// given up, and then the pod ends.
pub(crate) fn ready(name: &str) -> io::Result<()> {
    rustix::process::setsid()?;
    let mut out = io::stdout().lock();
    writeln!(out, "{name}")?;
    out.flush()?;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}
