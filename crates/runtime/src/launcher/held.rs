//! User namespaces that no container lives in: for the mapping of a mount, and to look after files in.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};

use super::mappings;
use super::plan::Mapping;
use crate::engine::StartError;
use crate::spec::{IdMapping, IdMappings};
use crate::sys::clone::clone3;

/// A user namespace with mappings. A user without privilege has the helpers newuidmap(1) and newgidmap(1) write them.
pub(crate) fn user_namespace(wanted: &IdMappings, helpers: bool) -> Result<OwnedFd, StartError> {
    let lines = |mappings: &[IdMapping]| mappings.iter().map(|one| [one.inside, one.outside, one.size]).collect();
    let mapping = Mapping { uid: lines(&wanted.uid), gid: lines(&wanted.gid), deny_groups: false, helpers };
    namespace(&mapping, "make a user namespace for files")
}

/// A user namespace with the mapping: it lives as long as something holds it, not as long as its process.
pub(super) fn namespace(mapping: &Mapping, what: &str) -> Result<OwnedFd, StartError> {
    let failed = |source| StartError::Step { step: what.to_owned(), source };
    let (pid, process) = clone3(libc::CLONE_NEWUSER as u64, None, None, || {
        // Until it is killed. It does nothing, and has nothing to do when it is woken.
        loop {
            rustix::event::pause();
        }
    })
    .map_err(failed)?;
    let namespace = mappings::write(pid, mapping).and_then(|()| {
        let path = format!("/proc/{}/ns/user", pid.as_raw_nonzero());
        openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(|errno| failed(errno.into()))
    });
    // It cannot have ended by itself.
    pidfd_send_signal(&process, Signal::KILL).map_err(|errno| failed(errno.into()))?;
    waitid(WaitId::PidFd(process.as_fd()), WaitIdOptions::EXITED).map_err(|errno| failed(errno.into()))?;
    namespace
}
