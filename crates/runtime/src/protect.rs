//! Keeping containers from changing this program (CVE-2019-5736). A container's command can be `/proc/self/exe`: the
//! container then runs this program, and its other processes find the program's file as `/proc/PID/exe`. Whoever may
//! write to that file in the container, such as root without a user namespace, could put something else into it, which
//! would run at the next start, on the machine.
//!
//! So the program starts itself again from where nobody can write: a read-only mount of its file that is attached
//! nowhere, so that no container can make it writable; or, where a mount cannot be made, a sealed copy in memory.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use rustix::fs::{CWD, MemfdFlags, SealFlags, StatVfsMountFlags};
use rustix::mount::{OpenTreeFlags, open_tree};

use crate::sys::mount::{MountAttr, mount_setattr};

/// Where the program lies, for the program that was started again.
const PATH: &str = "RINGFENCE_PROGRAM";
const OWN: &str = "/proc/self/exe";

/// Starts this program again, with the same arguments, from where no container can write to it; returns if it is there
/// already. To be called before anything else is done that a container could be started from.
///
/// # Errors
/// Neither a mount nor a copy could be made. No container must be started then.
pub fn protect() -> io::Result<()> {
    if is_protected()? {
        return Ok(());
    }
    let path = std::env::current_exe()?;
    let from = match mounted() {
        Ok(tree) => tree,
        Err(_) => copied()?,
    };
    let mut args = std::env::args_os();
    let name = args.next().unwrap_or_else(|| OsString::from("ringfence"));
    Err(Command::new(format!("/proc/self/fd/{}", from.as_raw_fd())).arg0(name).args(args).env(PATH, path).exec())
}

/// The path of this program, whether it was started from there or from where it is protected.
pub fn program() -> io::Result<PathBuf> {
    let Some(path) = std::env::var_os(PATH).map(PathBuf::from) else { return std::env::current_exe() };
    if !is_protected()? {
        return std::env::current_exe();
    }
    // Of a program that was replaced meanwhile this process would not know what it does.
    let (own, named) = (fs::metadata(OWN)?, fs::metadata(&path)?);
    let is_same = (own.dev(), own.ino()) == (named.dev(), named.ino());
    if is_same || is_sealed()? {
        return Ok(path);
    }
    Err(io::Error::other(format!("{} is not this program any more", path.display())))
}

fn is_protected() -> io::Result<bool> {
    let file = File::open(OWN)?;
    if rustix::fs::fstatvfs(&file)?.f_flag.contains(StatVfsMountFlags::RDONLY) || is_sealed()? {
        return Ok(true);
    }
    // In a container the caller without privilege is the caller still, and can write to nothing else.
    let own = rustix::process::geteuid();
    let can_write = rustix::fs::access(OWN, rustix::fs::Access::WRITE_OK).is_ok();
    Ok(!own.is_root() && !can_write && file.metadata()?.uid() != own.as_raw())
}

fn is_sealed() -> io::Result<bool> {
    let file = File::open(OWN)?;
    Ok(rustix::fs::fcntl_get_seals(&file).is_ok_and(|seals| seals.contains(SealFlags::WRITE)))
}

/// A read-only mount of the program, attached nowhere. Takes CAP_SYS_ADMIN.
fn mounted() -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(CWD, OWN, flags)?;
    let set = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    let attributes = MountAttr { set, propagation: libc::MS_PRIVATE, ..MountAttr::default() };
    mount_setattr(tree.as_fd(), c"", false, &attributes)?;
    Ok(tree)
}

/// A copy that can never be written to.
fn copied() -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut copy = File::from(rustix::fs::memfd_create(c"ringfence", flags)?);
    io::copy(&mut File::open(OWN)?, &mut copy)?;
    rustix::fs::fcntl_add_seals(&copy, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE)?;
    Ok(copy.into())
}
