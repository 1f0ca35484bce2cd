//! The standard streams of a runtime.
//!
//! Some runtimes give the streams to the container's user: crun changes the owner of whatever they are. A stream that is
//! the machine's /dev/null is therefore replaced by a pipe that does the same.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FileType, fstat, major, minor};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::engine::Stdio;

/// Standard input, output and error for the runtime.
pub(super) fn streams(given: Stdio) -> io::Result<[OwnedFd; 3]> {
    let [stdin, stdout, stderr] = match given {
        Stdio::Fds { stdin, stdout, stderr } => [stdin, stdout, stderr],
        Stdio::Terminal { .. } => return Err(io::ErrorKind::Unsupported.into()),
        Stdio::Inherit => [
            io::stdin().as_fd().try_clone_to_owned()?,
            io::stdout().as_fd().try_clone_to_owned()?,
            io::stderr().as_fd().try_clone_to_owned()?,
        ],
    };
    Ok([if is_null(&stdin)? { nothing()? } else { stdin }, output(stdout)?, output(stderr)?])
}

fn output(stream: OwnedFd) -> io::Result<OwnedFd> {
    if is_null(&stream)? { nowhere() } else { Ok(stream) }
}

/// null(4) is character device 1:3.
fn is_null(stream: &OwnedFd) -> io::Result<bool> {
    let stat = fstat(stream)?;
    let is_device = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice;
    Ok(is_device && (major(stat.st_rdev), minor(stat.st_rdev)) == (1, 3))
}

/// A pipe at whose end one is at once.
fn nothing() -> io::Result<OwnedFd> {
    Ok(pipe_with(PipeFlags::CLOEXEC)?.0)
}

/// A pipe that somebody empties until all its writers have gone.
fn nowhere() -> io::Result<OwnedFd> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    std::thread::Builder::new().name("drain".to_owned()).spawn(move || {
        // What is thrown away cannot fail to be.
        let _ = io::copy(&mut File::from(read), &mut io::sink());
    })?;
    Ok(write)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn the_machines_null_device_is_never_handed_on() {
        let null = || OwnedFd::from(File::options().read(true).write(true).open("/dev/null").unwrap());
        let [stdin, stdout, stderr] =
            streams(Stdio::Fds { stdin: null(), stdout: null(), stderr: null() }).unwrap().map(File::from);
        for stream in [&stdin, &stdout, &stderr] {
            assert!(!is_null(&stream.as_fd().try_clone_to_owned().unwrap()).unwrap());
        }
        let mut text = String::new();
        assert_eq!((&stdin).read_to_string(&mut text).unwrap(), 0);
        // More than a pipe holds.
        (&stdout).write_all(&vec![0; 1 << 18]).unwrap();
        (&stderr).write_all(&vec![0; 1 << 18]).unwrap();
    }
}
