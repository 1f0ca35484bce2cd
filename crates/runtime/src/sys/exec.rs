//! `execve(2)` and `exit_group(2)`.
#![allow(unsafe_code)] // rustix leaves both to the runtime feature, which is not meant for programs with a C library.

use std::ffi::{CStr, CString, c_char};
use std::fmt;

use rustix::io::Errno;

/// Strings in the form that execve(2) takes: made before the clone, so that nothing is allocated after it.
pub(crate) struct StringList {
    strings: Vec<CString>,
    /// Into `strings`, whose buffers stay in place, with a null at the end.
    pointers: Vec<*const c_char>,
}

impl StringList {
    pub(crate) fn new(strings: Vec<CString>) -> Self {
        let pointers = strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect();
        Self { strings, pointers }
    }
}

impl fmt::Debug for StringList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.strings.fmt(f)
    }
}

/// Executes the file; returns only when that failed.
pub(crate) fn execve(file: &CStr, args: &StringList, env: &StringList) -> Errno {
    // SAFETY: the file is a C string; both lists are arrays of pointers to C strings that live in `strings`, each
    // ended by a null pointer.
    let result =
        unsafe { libc::syscall(libc::SYS_execve, file.as_ptr(), args.pointers.as_ptr(), env.pointers.as_ptr()) };
    super::check(result).err().unwrap_or(Errno::NOEXEC)
}

/// Ends this process without running anything of the parent's, such as exit handlers and buffers.
pub(crate) fn exit(code: u8) -> ! {
    loop {
        // SAFETY: exit_group ends the process; no memory is touched. A seccomp filter may refuse it, hence the loop,
        // which the keeper ends by its SIGKILL.
        unsafe { libc::syscall(libc::SYS_exit_group, libc::c_int::from(code)) };
    }
}
