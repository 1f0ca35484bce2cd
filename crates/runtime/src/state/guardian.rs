//! The guardian: a child process that outlives a run which is killed, and then cleans up after it.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use super::{StateError, clean, io_error};

/// What a run writes when it has cleaned up by itself.
const DISMISSED: u8 = b'.';

/// What a killed run had started may live on for a moment, and make files or mounts while they are removed: the removal
/// is tried this often, with a longer pause each time (13 seconds in all).
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(10);

/// The run's side of its guardian: holds the pipe whose end is the run's end.
#[derive(Debug)]
pub(super) struct Guardian {
    child: Child,
}

impl Guardian {
    /// Starts the guardian of `dir`. Its process group is its own, so that an interrupt from the terminal, which ends
    /// the run, does not end it too.
    pub(super) fn start(binary: &Path, dir: &Path) -> Result<Self, StateError> {
        let child = Command::new(binary)
            .args([OsString::from(crate::inside::MARKER), "guardian".into(), dir.into()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .process_group(0)
            .spawn()
            .map_err(io_error("start the guardian", binary))?;
        Ok(Self { child })
    }

    /// Sends the guardian away: there is nothing left to clean up.
    pub(super) fn dismiss(mut self) {
        if let Some(mut pipe) = self.child.stdin.take() {
            // A guardian that is gone already needs no message.
            let _ = pipe.write_all(&[DISMISSED]);
        }
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        // The end of the pipe; then the guardian ends by itself, after cleaning up when it was not dismissed.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The guardian itself: waits for the end of standard input, and cleans the directory that it is given unless told
/// that this is done.
pub fn main(args: &[OsString]) -> ExitCode {
    let [dir] = args else { return ExitCode::from(2) };
    let mut message = Vec::new();
    let _ = std::io::stdin().take(1).read_to_end(&mut message);
    if message == [DISMISSED] {
        return ExitCode::SUCCESS;
    }
    for attempt in 0..ATTEMPTS {
        if clean::clean(Path::new(dir), Path::new("/proc/self/exe")).is_ok() {
            return ExitCode::SUCCESS;
        }
        std::thread::sleep(PAUSE * attempt);
    }
    ExitCode::FAILURE
}
