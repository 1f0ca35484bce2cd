//! A page of memory that a process and its copies share: how a child tells its parent where it is without a system
//! call, which a seccomp filter could refuse.
#![allow(unsafe_code)] // A shared anonymous mapping is raw memory.

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// The size of the mapping in bytes: one page everywhere.
const BYTES: usize = 4096;
/// How many words the page has.
pub(crate) const WORDS: usize = BYTES / size_of::<AtomicU32>();

/// A shared page, of words that are zero at first.
#[derive(Debug)]
pub(crate) struct SharedPage(NonNull<[AtomicU32; WORDS]>);

impl SharedPage {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: a new anonymous mapping at an address of the kernel's choice overlaps nothing.
        let address = unsafe {
            mmap_anonymous(std::ptr::null_mut(), BYTES, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED)
        }?;
        NonNull::new(address.cast()).map(Self).ok_or_else(|| io::Error::other("the kernel mapped the zero page"))
    }

    pub(crate) fn words(&self) -> &[AtomicU32; WORDS] {
        // SAFETY: the mapping is page aligned, as large as the array, zeroed (a valid AtomicU32), and lives as long as
        // self. Other processes write to it too, through atomics alone.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for SharedPage {
    fn drop(&mut self) {
        // SAFETY: the address and size are those of the mapping that `new` made, and no reference outlives self.
        let unmapped = unsafe { munmap(self.0.as_ptr().cast(), BYTES) };
        debug_assert!(unmapped.is_ok(), "munmap of an own mapping");
    }
}
