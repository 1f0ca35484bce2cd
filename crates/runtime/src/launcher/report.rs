//! What the keeper and the container tell the launcher: where they are, what failed, how the container ended. It is
//! written to shared memory, so that it arrives whatever the seccomp filter forbids.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::io::Errno;

use crate::sys::shared::{SharedPage, WORDS};

/// Words of the page. The text has the rest.
const PHASE: usize = 0;
const INDEX: usize = 1;
const ERRNO: usize = 2;
const TEXT_LENGTH: usize = 3;
const PID: usize = 4;
const ENDED: usize = 5;
const VALUE: usize = 6;
const OUT_OF_MEMORY: usize = 7;
const TEXT: usize = 16;
/// How many bytes of text are kept.
const TEXT_BYTES: usize = (WORDS - TEXT) * 4;

/// Which list an index points into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Phase {
    /// Not there yet.
    Start = 0,
    /// A step of the keeper is under way.
    Keeper = 1,
    /// The container is being cloned.
    Clone = 2,
    /// A step of the container is under way.
    Container = 3,
    /// All steps are done, and the process is being executed; if it came back, with an error.
    Execute = 4,
    /// A check found a difference.
    Check = 5,
}

/// Where the start-up got to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) phase: Phase,
    /// Of the step or check.
    pub(super) index: usize,
    /// Set when the step failed.
    pub(super) errno: Option<Errno>,
    /// What a check found, or more about a failure.
    pub(super) text: String,
}

/// How the container's first process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Code(u32),
    Signal(u32),
}

#[derive(Debug)]
pub(super) struct Report(SharedPage);

impl Report {
    pub(super) fn new() -> io::Result<Self> {
        SharedPage::new().map(Self)
    }

    fn word(&self, index: usize) -> &AtomicU32 {
        // The constants are far below the number of words; the modulus says so to the compiler.
        &self.0.words()[index % WORDS]
    }

    fn set(&self, index: usize, value: u32) {
        self.word(index).store(value, Ordering::Release);
    }

    fn get(&self, index: usize) -> u32 {
        self.word(index).load(Ordering::Acquire)
    }

    /// Says what is about to be done.
    pub(super) fn at(&self, phase: Phase, index: usize) {
        self.set(INDEX, index as u32);
        self.set(PHASE, phase as u32);
    }

    /// Says that what was about to be done failed.
    pub(super) fn fail(&self, errno: Errno) {
        self.set(ERRNO, errno.raw_os_error() as u32);
    }

    /// Says that a check found something else.
    pub(super) fn differs(&self, check: usize, found: &[u8]) {
        self.text(found);
        self.at(Phase::Check, check);
        self.fail(Errno::INVAL);
    }

    /// Adds a text, cut to what there is room for.
    pub(super) fn text(&self, text: &[u8]) {
        let text = text.get(..TEXT_BYTES).unwrap_or(text);
        for (index, chunk) in text.chunks(4).enumerate() {
            let mut word = [0; 4];
            for (byte, from) in word.iter_mut().zip(chunk) {
                *byte = *from;
            }
            self.set(TEXT + index, u32::from_ne_bytes(word));
        }
        self.set(TEXT_LENGTH, text.len() as u32);
    }

    pub(super) fn progress(&self) -> Progress {
        let phase = match self.get(PHASE) {
            1 => Phase::Keeper,
            2 => Phase::Clone,
            3 => Phase::Container,
            4 => Phase::Execute,
            5 => Phase::Check,
            _ => Phase::Start,
        };
        let length = (self.get(TEXT_LENGTH) as usize).min(TEXT_BYTES);
        let bytes: Vec<u8> =
            (0..length.div_ceil(4)).flat_map(|word| self.get(TEXT + word).to_ne_bytes()).take(length).collect();
        let errno = self.get(ERRNO);
        Progress {
            phase,
            index: self.get(INDEX) as usize,
            errno: (errno != 0).then(|| Errno::from_raw_os_error(errno as i32)),
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    /// Says which process the container's first one is in the launcher's PID namespace.
    pub(super) fn set_pid(&self, pid: u32) {
        self.set(PID, pid);
    }

    /// Where the kernel itself writes the process ID, as the keeper sees it, before the process runs.
    pub(super) fn pid_word(&self) -> &AtomicU32 {
        self.word(PID)
    }

    pub(super) fn pid(&self) -> u32 {
        self.get(PID)
    }

    /// Says that a process of the container was killed because its memory is limited.
    pub(super) fn set_ran_out_of_memory(&self) {
        self.set(OUT_OF_MEMORY, 1);
    }

    pub(super) fn ran_out_of_memory(&self) -> bool {
        self.get(OUT_OF_MEMORY) == 1
    }

    /// Says how the container ended.
    pub(super) fn set_ended(&self, ended: Ended) {
        let (kind, value) = match ended {
            Ended::Code(value) => (1, value),
            Ended::Signal(value) => (2, value),
        };
        self.set(VALUE, value);
        self.set(ENDED, kind);
    }

    pub(super) fn ended(&self) -> Option<Ended> {
        match self.get(ENDED) {
            1 => Some(Ended::Code(self.get(VALUE))),
            2 => Some(Ended::Signal(self.get(VALUE))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_check_found_arrives_cut_to_the_page() {
        let report = Report::new().expect("a page");
        report.differs(7, b"nobody");
        let progress = report.progress();
        assert_eq!((progress.phase, progress.index, progress.text.as_str()), (Phase::Check, 7, "nobody"));
        report.text(&[b'x'; 10_000]);
        assert_eq!(report.progress().text.len(), TEXT_BYTES);
    }

    #[test]
    fn an_end_is_none_until_it_is_said() {
        let report = Report::new().expect("a page");
        assert_eq!(report.ended(), None);
        report.set_ended(Ended::Code(0));
        assert_eq!(report.ended(), Some(Ended::Code(0)));
    }
}
