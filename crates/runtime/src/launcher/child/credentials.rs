//! Users, groups, capabilities and labels.

use std::ffi::CStr;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use rustix::thread::CapabilitySet;

use super::{Done, State, held};
use crate::launcher::text::Text;

/// Becomes 0 in the user namespace, so that what is made belongs to its root.
pub(super) fn become_root(groups: bool, may_be_unmapped: bool) -> Done {
    let result = rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT).and_then(|()| {
        if groups {
            rustix::thread::set_thread_groups(&[])?;
        }
        rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)
    });
    match result {
        // The IDs that count are set and compared later.
        Err(Errno::INVAL) if may_be_unmapped => Ok(()),
        result => Ok(result?),
    }
}

pub(super) fn oom_score_adj(value: i32) -> Done {
    let file = openat(CWD, c"/proc/self/oom_score_adj", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    write_all(&file, Text::<16>::of(format_args!("{value}")).as_bytes())
}

/// Writes a small value at once, as files of /proc want it.
pub(super) fn write_all(file: &std::os::fd::OwnedFd, value: &[u8]) -> Done {
    let written = rustix::io::write(file, value)?;
    if written == value.len() { Ok(()) } else { Err(Errno::IO.into()) }
}

pub(super) fn exec_label(state: &State, file: &CStr, value: &[u8]) -> Done {
    let file = openat(held(state.process.as_ref())?, file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    write_all(&file, value)
}

/// Drops every capability that is not kept from the bounding set, so that no exec can bring it back. Comes before the
/// change of user, which takes CAP_SETPCAP away; see capabilities(7).
pub(super) fn bound(keep: u64, last: u32) -> Done {
    for number in 0..=last.min(63) {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if keep & capability.bits() != 0 {
            continue;
        }
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            // One that this kernel does not have.
            Err(Errno::INVAL) => {}
            result => result?,
        }
    }
    Ok(())
}

/// Takes all permitted capabilities into the effective set.
pub(super) fn raise() -> Done {
    let mut sets = rustix::thread::capabilities(None)?;
    sets.effective = sets.permitted;
    Ok(rustix::thread::set_capabilities(None, sets)?)
}

pub(super) fn ambient(set: u64) -> Done {
    rustix::thread::clear_ambient_capability_set()?;
    for number in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if set & capability.bits() != 0 {
            rustix::thread::configure_capability_in_ambient_set(capability, true)?;
        }
    }
    Ok(())
}

/// Changes the working directory. As root of the container first: the user may start in a directory that only root may
/// enter; then as the user, where root may not (NFS).
pub(super) fn change_directory(state: &mut State, path: &CStr, last_try: bool) -> Done {
    if state.in_directory {
        return Ok(());
    }
    match rustix::process::chdir(path) {
        Ok(()) => {
            state.in_directory = true;
            Ok(())
        }
        Err(Errno::ACCESS | Errno::PERM) if !last_try => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
