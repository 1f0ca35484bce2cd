//! What may be mounted over /proc: a procfs; and inside: a few files that lxcfs makes up. Anything else could hide from
//! the container's processes, and from whoever looks after them, what the kernel says. So does runc
//! (`checkProcMount`).

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use rustix::fs::{PROC_SUPER_MAGIC, fstat, fstatfs};
use rustix::io::Errno;

use super::{Done, Failure, paths};
use crate::launcher::plan::{MountAction, Source};

/// Below /proc.
const ALLOWED: [&CStr; 10] = [
    c"/proc/cpuinfo",
    c"/proc/diskstats",
    c"/proc/meminfo",
    c"/proc/stat",
    c"/proc/swaps",
    c"/proc/uptime",
    c"/proc/loadavg",
    c"/proc/slabinfo",
    c"/proc/sys/kernel/ns_last_pid",
    c"/proc/sys/crypto/fips_enabled",
];

/// Refuses by name, before anything is made for the mount.
pub(super) fn refuse_names(mount: &MountAction) -> Done {
    let path = mount.target.path.as_c_str();
    if path.to_bytes().starts_with(b"/proc/") && !ALLOWED.contains(&path) {
        return Err(INSIDE);
    }
    match &mount.source {
        Source::New { typ, .. } if path == c"/proc" && typ.as_c_str() != c"proc" => Err(NOT_PROC),
        _ => Ok(()),
    }
}

/// Refuses by what is found: a link of the image may lead to /proc by another name.
pub(super) fn refuse(root: BorrowedFd<'_>, tree: BorrowedFd<'_>, at: BorrowedFd<'_>, mount: &MountAction) -> Done {
    if ALLOWED.contains(&mount.target.path.as_c_str()) {
        return Ok(());
    }
    let proc = match paths::resolve(root, c"proc", false) {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(()), // Nothing to mount on.
        proc => fstat(proc?)?,
    };
    let found = fstat(at)?;
    if (found.st_dev, found.st_ino) == (proc.st_dev, proc.st_ino) {
        return if is_proc(tree)? { Ok(()) } else { Err(NOT_PROC) };
    }
    if is_proc(at)? && found.st_dev == proc.st_dev { Err(INSIDE) } else { Ok(()) }
}

fn is_proc(file: BorrowedFd<'_>) -> Result<bool, Errno> {
    Ok(fstatfs(file)?.f_type == PROC_SUPER_MAGIC)
}

const INSIDE: Failure = Failure::Refused("it cannot be mounted because it is inside /proc");
const NOT_PROC: Failure = Failure::Refused("it cannot be mounted because it is not of type proc");
