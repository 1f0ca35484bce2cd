//! Passing an open file to another process over a socket (unix(7), SCM_RIGHTS).
#![allow(unsafe_code)] // Control messages are raw memory, and the sender may not allocate.

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};

use rustix::io::Errno;

/// Room for a control message with one descriptor, aligned as its header is.
#[repr(C)]
struct Control {
    header: libc::cmsghdr,
    fd: RawFd,
    /// CMSG_SPACE rounds up to the alignment of the header.
    _padding: [u8; 4],
}

/// `CMSG_LEN(sizeof(int))`.
const LENGTH: usize = size_of::<libc::cmsghdr>() + size_of::<RawFd>();

/// The header of a control message with one descriptor.
fn rights() -> libc::cmsghdr {
    // SAFETY: all bytes zero is a valid cmsghdr: numbers.
    let mut header: libc::cmsghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    header.cmsg_len = LENGTH as _;
    header.cmsg_level = libc::SOL_SOCKET;
    header.cmsg_type = libc::SCM_RIGHTS;
    header
}

/// Calls `with` with a message of one byte and a control message.
fn message<T>(byte: &mut u8, control: &mut Control, with: impl FnOnce(&mut libc::msghdr) -> T) -> T {
    let mut part = libc::iovec { iov_base: std::ptr::from_mut(byte).cast(), iov_len: 1 };
    // SAFETY: all bytes zero is a valid msghdr: null pointers and lengths of zero.
    let mut header: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = std::ptr::from_mut(control).cast();
    header.msg_controllen = size_of::<Control>() as _;
    with(&mut header)
}

/// Sends a copy of `fd`. Allocates nothing.
pub(crate) fn send(socket: BorrowedFd<'_>, fd: BorrowedFd<'_>) -> rustix::io::Result<()> {
    let mut control = Control { header: rights(), fd: fd.as_raw_fd(), _padding: [0; 4] };
    let result = message(&mut 0, &mut control, |message| {
        // SAFETY: the message points to a byte and to a control message that live through the call, with their lengths.
        unsafe { libc::syscall(libc::SYS_sendmsg, socket.as_raw_fd(), std::ptr::from_mut(message), libc::MSG_NOSIGNAL) }
    });
    super::check(result).map(drop)
}

/// Receives a descriptor that was sent; does not wait for one.
pub(crate) fn receive(socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: all bytes zero is a valid cmsghdr: numbers.
    let header: libc::cmsghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    let mut control = Control { header, fd: -1, _padding: [0; 4] };
    let flags = libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT;
    let result = message(&mut 0, &mut control, |message| {
        // SAFETY: the message points to a byte and to room for a control message that live through the call, with their
        // lengths, which the kernel keeps to.
        unsafe { libc::syscall(libc::SYS_recvmsg, socket.as_raw_fd(), std::ptr::from_mut(message), flags) }
    });
    super::check(result).map_err(io::Error::from)?;
    let Control { header, fd, .. } = control;
    let is_one = header.cmsg_level == libc::SOL_SOCKET
        && header.cmsg_type == libc::SCM_RIGHTS
        && header.cmsg_len == rights().cmsg_len
        && fd >= 0;
    if !is_one {
        return Err(Errno::PROTO.into());
    }
    // SAFETY: the kernel has put a new descriptor there, which nobody else knows.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read as _, Write as _};
    use std::os::fd::AsFd as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn what_is_sent_is_the_same_file() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (mut read, write) = std::io::pipe().unwrap();
        send(theirs.as_fd(), write.as_fd()).unwrap();
        drop(write);
        let mut got = File::from(receive(ours.as_fd()).unwrap());
        got.write_all(b"x").unwrap();
        drop(got);
        let mut text = String::new();
        read.read_to_string(&mut text).unwrap();
        assert_eq!(text, "x");
        assert!(receive(ours.as_fd()).is_err(), "nothing more was sent");
        (&theirs).write_all(b"x").unwrap();
        assert!(receive(ours.as_fd()).is_err(), "a byte is no descriptor");
    }
}
