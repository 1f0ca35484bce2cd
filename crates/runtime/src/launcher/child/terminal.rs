//! `process.terminal`: a terminal in the container's own devpts. The container's process has its one end as standard streams
//! and as `/dev/console`; the other end goes to the launcher. A terminal of the caller's never comes near the container,
//! which could otherwise push input into it (TIOCSTI, CVE-2016-2568) or keep it.

use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, fstatfs, openat2};
use rustix::io::Errno;
use rustix::pty::OpenptFlags;
use rustix::termios::{Winsize, tcsetwinsize};

use super::paths::Missing;
use super::{Done, Failure, Start, State, held, mounts, paths};
use crate::launcher::plan::Target;
use crate::sys;

/// `DEVPTS_SUPER_MAGIC` of <linux/magic.h>.
const DEVPTS: i64 = 0x1cd1;
const PTMX: &std::ffi::CStr = c"dev/pts/ptmx";

/// Makes the terminal, shows it, and sends its controlling end away.
pub(super) fn open(start: &Start<'_>, state: &State, console: &Target) -> Done {
    let asked = start.terminal.as_ref().ok_or(Errno::BADF)?;
    let root = held(state.root.as_ref())?;
    let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    // Looked at before it is opened: a volume can be there, and to open a device can be to act on it.
    let seen = openat2(root, PTMX, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty(), how)?;
    check(&seen)?;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let controller = openat2(root, PTMX, flags, Mode::empty(), how)?;
    check(&controller)?;
    rustix::pty::unlockpt(&controller)?;
    let own = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let terminal = rustix::pty::ioctl_tiocgptpeer(&controller, own)?;
    if let Some((rows, columns)) = asked.size {
        tcsetwinsize(&terminal, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 })?;
    }
    let tree = mounts::copy(terminal.as_fd(), c"", false)?;
    let at = paths::open(root, console, Missing::File, false)?;
    mounts::attach(tree.as_fd(), at.as_fd())?;
    for number in 0..3 {
        sys::fd::place(terminal.as_raw_fd(), number)?;
    }
    Ok(sys::pass::send(asked.socket.as_fd(), controller.as_fd())?)
}

/// Whether it is the multiplexer of a devpts: character device 5:2.
fn check(ptmx: &OwnedFd) -> Done {
    let stat = fstat(ptmx)?;
    let is_ptmx = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
        && stat.st_rdev == rustix::fs::makedev(5, 2)
        && fstatfs(ptmx)?.f_type == DEVPTS;
    if is_ptmx { Ok(()) } else { Err(Failure::Refused("the container's /dev/pts/ptmx is not one of the kernel's")) }
}
