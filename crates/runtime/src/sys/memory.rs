//! Gives back to the kernel what only the start of a long-lived process needed.
#![allow(unsafe_code)] // Advice about one's own address space, and the C library's heap.

use std::io;
use std::ops::Range;

use rustix::mm::{Advice, madvise};

/// Gives back the pages of files that are mapped here and cannot be written, this program's among them, and the heap's
/// free ones. Returns how many bytes of files were given up, for the kernel to map again from its page cache as they are
/// needed. madvise(2), `malloc_trim(3)`.
pub fn give_back() -> io::Result<usize> {
    trim();
    let mut bytes = 0;
    for range in unchanged(&std::fs::read_to_string("/proc/self/smaps")?) {
        bytes += range.len();
        // SAFETY: nobody may write there, and nothing there differs from the file, as `unchanged` makes sure. So each
        // page is the file's, and comes back as the same.
        unsafe { madvise(range.start as *mut _, range.len(), Advice::LinuxDontNeed) }?;
    }
    Ok(bytes)
}

/// The private mappings of files that cannot be written, and none of whose pages are other than the file's: what was
/// relocated when the program started is. `proc_pid_smaps(5)`
fn unchanged(smaps: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let (mut candidate, mut is_same) = (None, [false; 2]);
    for line in smaps.lines() {
        let mut fields = line.split_ascii_whitespace();
        match (fields.next(), fields.next()) {
            (Some("Anonymous:"), kilobytes) => is_same[0] = kilobytes == Some("0"),
            (Some("Swap:"), kilobytes) => is_same[1] = kilobytes == Some("0"),
            // Each mapping begins with its addresses; what is said of it are names with a colon.
            (Some(addresses), Some(permissions)) if !addresses.ends_with(':') => {
                found.extend(candidate.take().filter(|_| is_same == [true; 2]));
                is_same = [false; 2];
                candidate = range(addresses).filter(|_| matches!(permissions, "r--p" | "r-xp"));
                // After the offset and the device comes the inode; what is no file has none.
                candidate = candidate.filter(|_| fields.nth(2).is_some_and(|inode| inode != "0"));
            }
            _ => {}
        }
    }
    found.extend(candidate.filter(|_| is_same == [true; 2]));
    found
}

fn range(addresses: &str) -> Option<Range<usize>> {
    let (start, end) = addresses.split_once('-')?;
    Some(usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
}

/// Of other C libraries the heap keeps what it has.
fn trim() {
    // SAFETY: takes the heap's own locks; nothing that is in use moves.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_as_in_its_file_and_stays_so_is_given_back() {
        let one = |addresses: &str, permissions: &str, inode: &str, anonymous: u32, swap: u32| {
            format!(
                "{addresses} {permissions} 00001000 fe:00 {inode}   /usr/bin/ringfence\nSize:  4 kB\nRss:  4 kB\n\
                 Anonymous:   {anonymous} kB\nSwap:   {swap} kB\nSwapPss:   0 kB\nTHPeligible:    0\nVmFlags: rd ex mr\n"
            )
        };
        let smaps = [
            one("5000-6000", "r--p", "42", 0, 0),
            one("6000-9000", "r-xp", "42", 0, 0),
            one("9000-a000", "rwxp", "42", 0, 0),
            one("a000-b000", "r--p", "42", 4, 0),
            one("b000-c000", "r--p", "42", 0, 4),
            one("c000-d000", "r-xp", "0", 0, 0),
            one("d000-e000", "r--s", "42", 0, 0),
            one("z-f000", "r--p", "42", 0, 0),
            one("f000-10000", "r--p", "42", 0, 0),
        ];
        assert_eq!(unchanged(&smaps.concat()), [0x5000..0x6000, 0x6000..0x9000, 0xf000..0x10000]);
        assert!(unchanged("5000-6000 r--p 0 fe:00 42\nAnonymous: 0 kB\n").is_empty(), "of swap nothing is said");
        assert!(unchanged("\n5000-6000\nAnonymous:\n5000-6000 r--p 0\nSwap:").is_empty());
    }

    #[test]
    fn the_program_goes_on_without_its_pages_in_memory() {
        let here = give_back as fn() -> io::Result<usize> as usize;
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let program = unchanged(&smaps).into_iter().find(|range| range.contains(&here)).expect("the program's code");
        assert!(give_back().unwrap() >= program.len());
        assert_eq!(std::thread::spawn(|| (0..1000u64).sum::<u64>()).join().unwrap(), 499_500);
        assert!(std::panic::catch_unwind(|| std::panic::resume_unwind(Box::new(1))).is_err(), "tables are there, too");
    }
}
