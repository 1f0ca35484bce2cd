//! `getxattrat(2)`, which neither rustix nor libc has yet.
#![allow(unsafe_code)] // A raw system call with pointers to its arguments.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::{self, Errno};

/// The same number on every architecture (Linux 6.13, `include/uapi/asm-generic/unistd.h`).
const SYS_GETXATTRAT: libc::c_long = 464;

/// `struct xattr_args`.
#[repr(C)]
struct XattrArgs {
    value: u64,
    size: u32,
    flags: u32,
}

/// Whether the entry `name` of a directory has the extended attribute; a link is not followed. The error is the kernel's
/// answer where it cannot say, `NOSYS` before Linux 6.13.
pub(crate) fn has_xattr(dir: BorrowedFd<'_>, name: &CStr, attribute: &CStr) -> io::Result<bool> {
    // No room for a value: only its length is asked for.
    let args = XattrArgs { value: 0, size: 0, flags: 0 };
    // SAFETY: the names are C strings and the arguments a xattr_args of the size that is passed; all outlive the call,
    // which only reads them, and writes no value because the size is 0.
    let result = unsafe {
        libc::syscall(
            SYS_GETXATTRAT,
            dir.as_raw_fd(),
            name.as_ptr(),
            libc::AT_SYMLINK_NOFOLLOW,
            attribute.as_ptr(),
            &raw const args,
            size_of::<XattrArgs>(),
        )
    };
    match super::check(result) {
        Ok(_) => Ok(true),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(false),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn an_attribute_is_found_where_it_is() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("f"), "").unwrap();
        let fd = std::fs::File::open(dir.path()).unwrap();
        let has = || has_xattr(fd.as_fd(), c"f", c"user.ringfence");
        match has() {
            Err(errno) => assert_eq!(errno, Errno::NOSYS),
            Ok(has) => assert!(!has),
        }
        let set = rustix::fs::setxattr(dir.path().join("f"), c"user.ringfence", b"1", rustix::fs::XattrFlags::empty());
        if set.is_ok() {
            assert!(matches!(has(), Ok(true) | Err(Errno::NOSYS)));
        }
    }
}
