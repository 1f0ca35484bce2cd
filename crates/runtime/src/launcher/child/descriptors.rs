//! File descriptors, and what else a process would inherit from the launcher without being asked.

use std::os::fd::{AsFd, AsRawFd, RawFd};

use rustix::fs::{CWD, FileType, Mode, OFlags, fchown, fstat, openat, readlinkat_raw};
use rustix::io::Errno;
use rustix::process::Uid;

use super::{Done, Start, State, held};
use crate::launcher::text::number;
use crate::sys;

/// Puts everything that the container keeps under its number. What is placed was duplicated above all those numbers.
pub(super) fn place(start: &Start<'_>) -> Done {
    for (from, to) in start.place {
        sys::fd::place(*from, *to)?;
    }
    Ok(())
}

/// Closes all but the standard streams and the ends of the dialogue.
pub(super) fn keep_dialogue(start: &Start<'_>) -> Done {
    let dialogue = start.dialogue.as_ref().ok_or(Errno::BADF)?;
    Ok(super::keeper::close_all_but(&dialogue.kept)?)
}

/// Opens this process's directory in the host's /proc, and says its process ID there.
pub(super) fn open_process(start: &Start<'_>, state: &mut State) -> Done {
    let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let proc = openat(CWD, c"/proc", directory, Mode::empty())?;
    let mut buffer = [0; 16];
    let length = readlinkat_raw(&proc, c"self", &mut buffer[..])?;
    let pid = number(buffer.get(..length).unwrap_or_default(), 10)
        .and_then(|pid| u32::try_from(pid).ok())
        .ok_or(Errno::SRCH)?;
    start.report.set_pid(pid);
    let process = openat(&proc, c"self", directory, Mode::empty())?;
    for status in &mut state.status {
        // What the file says is made when it is read.
        *status = Some(openat(&process, c"status", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?);
    }
    state.process = Some(process);
    state.proc = Some(proc);
    Ok(())
}

/// Opens the host's /dev/null and makes sure that it is the device.
pub(super) fn open_null(state: &mut State) -> Done {
    let null = openat(CWD, c"/dev/null", OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let stat = fstat(&null)?;
    let is_null =
        FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == rustix::fs::makedev(1, 3);
    if !is_null {
        return Err(Errno::NODEV.into());
    }
    state.null = Some(null);
    Ok(())
}

/// Opens the container's /dev/null in place of the host's: with a descriptor of the host's node, a container could
/// change the node's mode and owner. As runc does.
pub(super) fn reopen_streams(state: &State) -> Done {
    let mut null = None;
    for number in 0..3 {
        if !is_null_of_host(state, number)? {
            continue;
        }
        let from = match &null {
            Some(null) => null,
            None => null.insert(openat(CWD, c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?),
        };
        sys::fd::place(from.as_raw_fd(), number)?;
    }
    Ok(())
}

/// Whether the descriptor is the host's /dev/null itself. Where the container's is a mount of it, that mount counts.
pub(super) fn is_null_of_host(state: &State, number: RawFd) -> Result<bool, Errno> {
    let streams = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
    let Some(stream) = usize::try_from(number).ok().and_then(|number| streams.get(number)) else { return Ok(false) };
    let same = |found: rustix::fs::Stat, wanted: rustix::fs::Stat| {
        (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino)
    };
    match fstat(stream) {
        Ok(found) if same(found, fstat(held(state.null.as_ref())?)?) => {
            let read_only = rustix::fs::fstatvfs(stream)?.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY);
            Ok(!read_only)
        }
        Ok(_) | Err(Errno::BADF) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// A session keyring of its own. A kernel without keys, or a filter around the launcher, has none to leak either.
pub(super) fn new_keyring() -> Done {
    match sys::process::new_session_keyring() {
        Ok(()) | Err(Errno::NOSYS | Errno::PERM) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Takes the terminal at standard input as the controlling one and gives it to the user, which in a user namespace a
/// launcher without privilege cannot.
pub(super) fn own_terminal(uid: Uid) -> Done {
    let terminal = rustix::stdio::stdin();
    rustix::process::ioctl_tiocsctty(terminal)?;
    if fstat(terminal)?.st_uid == uid.as_raw() {
        return Ok(());
    }
    match fchown(terminal, Some(uid), None) {
        // Without it the process still has the terminal open.
        Ok(()) | Err(Errno::PERM | Errno::INVAL) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Gives pipes among the standard streams to the user, so that `/dev/stdout` can be opened again, as runc does. Files
/// and terminals stay whose they are.
pub(super) fn own_streams(uid: Uid) -> Done {
    for stream in [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()] {
        let stream = stream.as_fd();
        let stat = match fstat(stream) {
            Ok(stat) => stat,
            Err(Errno::BADF) => continue,
            Err(errno) => return Err(errno.into()),
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::Fifo || stat.st_uid == uid.as_raw() {
            continue;
        }
        match fchown(stream, Some(uid), None) {
            // A pipe of someone outside the user namespace: a convenience that cannot be had.
            Ok(()) | Err(Errno::PERM | Errno::INVAL | Errno::ROFS) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}
