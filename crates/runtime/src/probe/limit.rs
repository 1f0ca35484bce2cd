//! Raising this process's own limit of open files, with SYS_RESOURCE and without it.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::{Command, ExitCode, Stdio};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{self, CapabilitySet};

use crate::observe::{Attempt, RaisedLimit};

/// Tries, in this order: as the process is, through the program at `program`, and without the capability. The capability
/// is gone afterwards, so that this comes last of all that a probe does.
pub(super) fn raise(program: Option<&str>) -> Result<RaisedLimit, String> {
    let started_with = getrlimit(Resource::Nofile);
    let hard = started_with.maximum.unwrap_or(u64::MAX);
    let ceiling = std::fs::read_to_string("/proc/sys/fs/nr_open").ok().and_then(|text| text.trim().parse().ok());
    let (from, to) = steps(hard, ceiling).ok_or("the limit is 0")?;
    if from < hard {
        // Nobody may go above the ceiling: the limit is lowered first, which any process may.
        let soft = started_with.current.unwrap_or(u64::MAX).min(from);
        setrlimit(Resource::Nofile, Rlimit { current: Some(soft), maximum: Some(from) })
            .map_err(|error| format!("lower the limit to {from}: {error}"))?;
    }
    let process = attempt(from, to);
    let program = program.filter(|_| process.effective != Some(true)).map(|program| through(program, from, to));
    let dropped = drop_capability();
    let mut without = attempt(from, to);
    if let Err(error) = dropped {
        without.error = Some(format!("drop the capability: {error}"));
    }
    Ok(RaisedLimit { from, to, process, program, without })
}

/// From which limit to which: up to the ceiling from what there is, else the last step to it.
fn steps(hard: u64, ceiling: Option<u64>) -> Option<(u64, u64)> {
    let to = match ceiling {
        Some(ceiling) if ceiling > hard => return Some((hard, ceiling)),
        Some(ceiling) => ceiling,
        None => hard,
    };
    Some((to.checked_sub(1)?, to))
}

/// Raises the hard limit and puts it back.
fn attempt(from: u64, to: u64) -> Attempt {
    let effective = thread::capabilities(None).ok().map(|sets| sets.effective.contains(CapabilitySet::SYS_RESOURCE));
    let soft = getrlimit(Resource::Nofile).current;
    let result = setrlimit(Resource::Nofile, Rlimit { current: soft, maximum: Some(to) });
    let raised = getrlimit(Resource::Nofile).maximum == Some(to);
    let mut error = result.err().map(|error| error.to_string());
    if raised {
        let back = setrlimit(Resource::Nofile, Rlimit { current: soft, maximum: Some(from) });
        error = error.or(back.err().map(|error| format!("put the limit back: {error}")));
    }
    Attempt { effective, raised, error }
}

/// The same in a program that has the file capability.
fn through(program: &str, from: u64, to: u64) -> Attempt {
    let failed = |error: String| Attempt { error: Some(error), ..Attempt::default() };
    let output = Command::new(program)
        .args([crate::inside::MARKER, "raise", &from.to_string(), &to.to_string()])
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    match output {
        Ok(output) => serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
            failed(format!("the program with the file capability said nothing: {}", output.status))
        }),
        // The kernel does not start a program whose file capabilities exceed the bounding set.
        Err(error) => failed(format!("start the program with the file capability: {error}")),
    }
}

/// What that program does: one attempt, printed as one line of JSON.
pub(crate) fn main(args: &[OsString]) -> ExitCode {
    let number = |index: usize| args.get(index)?.to_str()?.parse().ok();
    let (Some(from), Some(to)) = (number(0), number(1)) else { return ExitCode::from(2) };
    let Ok(line) = serde_json::to_vec(&attempt(from, to)) else { return ExitCode::FAILURE };
    match std::io::stdout().lock().write_all(&line) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn drop_capability() -> rustix::io::Result<()> {
    let mut sets = thread::capabilities(None)?;
    sets.effective.remove(CapabilitySet::SYS_RESOURCE);
    sets.permitted.remove(CapabilitySet::SYS_RESOURCE);
    sets.inheritable.remove(CapabilitySet::SYS_RESOURCE);
    thread::set_capabilities(None, sets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_raised_to_what_the_machine_allows_at_most() {
        assert_eq!(steps(65535, Some(1_048_576)), Some((65535, 1_048_576)));
        assert_eq!(steps(1_048_576, Some(1_048_576)), Some((1_048_575, 1_048_576)));
        assert_eq!(steps(u64::MAX, Some(1024)), Some((1023, 1024)));
        assert_eq!(steps(4096, None), Some((4095, 4096)));
        assert_eq!(steps(0, None), None);
    }
}
