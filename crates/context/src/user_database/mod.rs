//! A container image's user database, `/etc/passwd` and `/etc/group`, read as containerd and runc read it: with
//! `github.com/moby/sys/user`, which forgives far more than passwd(5) and group(5) promise.
//!
//! What an odd file means decides who a process is, so nothing is tidied here: a missing number is 0, an overflowing one
//! sticks to the largest, the first entry that matches wins, a comment in `/etc/passwd` is a user.

mod group;
mod number;
mod passwd;

pub use group::{Group, groups};
pub use number::{NumberError, parse_int};
pub use passwd::{User, users};

/// The runtime gives up on a user database larger than this, in bytes (containerd `pkg/oci/spec_opts.go`,
/// `maxUserFileBytes`).
const MAX_FILE: usize = 10 << 20;

/// Why a user database cannot be read. The texts are the runtime's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseError {
    /// A line is longer than the reader's buffer: 64 KiB in `/etc/passwd`, 1 MiB in `/etc/group`.
    #[error("bufio.Scanner: token too long")]
    LineTooLong,
    /// The file is larger than 10 MiB.
    #[error("{file:?} exceeds 10485760 bytes")]
    FileTooLarge {
        /// `etc/passwd` or `etc/group`.
        file: &'static str,
    },
}

/// Refuses what Go's `bufio.Scanner` would refuse: lines that fill a buffer of `limit` bytes without a line feed.
fn check(text: &str, file: &'static str, limit: usize) -> Result<(), DatabaseError> {
    if text.len() > MAX_FILE {
        return Err(DatabaseError::FileTooLarge { file });
    }
    // A file shorter than the buffer has no line that fills it.
    if text.len() >= limit && text.split('\n').any(|line| line.len() >= limit) {
        return Err(DatabaseError::LineTooLong);
    }
    Ok(())
}

/// The number in a field: 0 where it is not one, the nearest end of the range where it is too large.
fn number(field: Option<&str>) -> i64 {
    match field.map(parse_int) {
        Some(Ok(number) | Err(NumberError::Range { nearest: number })) => number,
        Some(Err(NumberError::Syntax)) | None => 0,
    }
}
