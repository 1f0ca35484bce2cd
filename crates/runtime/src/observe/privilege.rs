//! What the caller may do to this machine. User 0 alone says nothing: root of a user namespace, as in a rootless
//! container or after `unshare -r`, has every capability there and none over the machine (user_namespaces(7)).

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use super::parse_status;

const SETGID: u64 = 1 << 6;
const SETUID: u64 = 1 << 7;
const SYS_ADMIN: u64 = 1 << 21;

/// Namespaces that are made have numbers from here on (`PROC_DYNAMIC_FIRST` of the kernel's `proc_fs.h`); those that the
/// machine starts with have fixed ones below.
const FIRST_MADE: u64 = 0xf000_0000;

/// Whether this process has the privilege to set up a container without a user namespace of its own: that of the
/// machine's own root.
pub fn is_privileged() -> bool {
    is_machine_root() && capabilities() & SYS_ADMIN != 0
}

/// Whether this process is the machine's root, with whatever capabilities are left to it: what root keeps on the machine is
/// its own.
pub fn is_machine_root() -> bool {
    rustix::process::geteuid().is_root() && in_initial_user_namespace()
}

/// Whether this process is root of a user namespace that is not the machine's, and may map the IDs of it further.
pub(crate) fn is_namespace_root() -> bool {
    rustix::process::geteuid().is_root()
        && !in_initial_user_namespace()
        && capabilities() & (SETUID | SETGID) == SETUID | SETGID
}

/// Whether the user namespace is that in which the machine started: every ID is itself there, and it was not made. A
/// namespace in which every ID is mapped to itself gives no rights over the machine all the same.
pub(crate) fn in_initial_user_namespace() -> bool {
    let Ok(map) = fs::read_to_string("/proc/self/uid_map") else {
        // A kernel without user namespaces has none but that.
        return !std::path::Path::new("/proc/self/ns/user").exists();
    };
    let made = fs::metadata("/proc/self/ns/user").is_ok_and(|namespace| {
        namespace.ino() >= FIRST_MADE
        // The machine's numbers are 32 bits wide; what is wider comes from no namespace.
        && u32::try_from(namespace.ino()).is_ok()
    });
    maps_everything(&map) && !made
}

fn maps_everything(map: &str) -> bool {
    map.split_ascii_whitespace().eq(["0", "0", "4294967295"])
}

/// The caller as whoever made its user namespace knows it: where the IDs of several namespaces meet in one directory, this
/// tells them apart. In the machine's own namespace it is the caller's ID.
pub(crate) fn outer_uid() -> u32 {
    let own = rustix::process::geteuid().as_raw();
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    lines(&map)
        .find_map(|[inside, outside, size]| {
            let offset = own.checked_sub(inside).filter(|offset| *offset < size)?;
            outside.checked_add(offset)
        })
        .unwrap_or(own)
}

/// The lines of a uid_map or gid_map: inside, outside, size.
pub(crate) fn lines(map: &str) -> impl Iterator<Item = [u32; 3]> {
    map.lines().filter_map(|line| {
        let mut numbers = line.split_ascii_whitespace().map(|word| word.parse().ok());
        Some([numbers.next()??, numbers.next()??, numbers.next()??])
    })
}

fn capabilities() -> u64 {
    let status = fs::read_to_string("/proc/self/status").ok().and_then(|text| parse_status(&text).ok());
    status.map_or(0, |status| status.capabilities.effective.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_map_is_the_machines() {
        assert!(maps_everything("         0          0 4294967295\n"));
        assert!(!maps_everything("         0       1000          1\n"));
        assert!(!maps_everything("0 0 4294967294\n"));
        assert!(!maps_everything("0 0 1\n1 1 4294967294\n"));
        assert!(!maps_everything(""));
    }

    #[test]
    fn lines_of_a_map_are_read_and_others_passed_over() {
        let all: Vec<_> = lines("0 1000 1\n 1 100000 65536\nx\n1 2\n1 2 99999999999\n").collect();
        assert_eq!(all, [[0, 1000, 1], [1, 100_000, 65_536]]);
    }
}
