//! Owners, attributes and times of what was unpacked.

use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Gid, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::super::ImageError;
use super::super::entry::Entry;
use super::{Layer, Unpacking};

impl Unpacking {
    pub(super) fn own(
        &mut self,
        layer: &Layer,
        path: &Path,
        fd: BorrowedFd<'_>,
        entry: &Entry,
    ) -> Result<(), ImageError> {
        let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
        match rustix::fs::chownat(fd, c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH) {
            Ok(()) => Ok(()),
            // Root of a user namespace is told EINVAL of whom the namespace does not have. The caller is root in a container.
            Err(Errno::PERM | Errno::INVAL) => {
                self.left_out.owners += u64::from((entry.uid, entry.gid) != (0, 0));
                Ok(())
            }
            Err(errno) => Err(layer.error("change the owner of", path)(errno.into())),
        }
    }

    /// File capabilities and attributes of users; those of security modules are the machine's own.
    pub(super) fn attributes(
        &mut self,
        layer: &Layer,
        path: &Path,
        fd: BorrowedFd<'_>,
        entry: &Entry,
    ) -> Result<(), ImageError> {
        let at = format!("/proc/self/fd/{}", fd.as_raw_fd());
        for (name, value) in &entry.xattrs {
            // An overlay's own would tell it what to hide and where to look.
            let known =
                name == "security.capability" || name.starts_with("user.") && !name.starts_with("user.overlay.");
            if !known {
                continue;
            }
            match rustix::fs::setxattr(&at, name.as_str(), value, XattrFlags::empty()) {
                Ok(()) => {}
                Err(Errno::PERM | Errno::OPNOTSUPP) => self.left_out.attributes += 1,
                Err(errno) => return Err(layer.error("set an attribute of", path)(errno.into())),
            }
        }
        Ok(())
    }
}

pub(super) fn times(entry: &Entry) -> Timestamps {
    let time = Timespec { tv_sec: entry.mtime, tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}
