//! What the kubelet wants of an entry: `changeFilePermission` and `requiresPermissionChange` of
//! `pkg/volume/volume_linux.go`.

use std::path::Path;

use rustix::fs::FileType;

use super::Ownership;

const SETUID_SETGID: u32 = 0o6000;

/// What an entry has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Has {
    pub(super) kind: FileType,
    pub(super) gid: u32,
    /// Permission bits with setuid, setgid and sticky bits.
    pub(super) mode: u32,
}

/// What is to be set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) group: bool,
    pub(super) mode: Option<u32>,
}

impl Set {
    pub(super) fn nothing(self) -> bool {
        self == Self::default()
    }
}

/// The mode that an entry gets: the bits that it has and those of the group. A link has no mode of its own.
pub(super) fn mode(has: Has, ownership: Ownership) -> u32 {
    if has.kind == FileType::Symlink {
        return has.mode;
    }
    let group = if ownership.read_only { 0o440 } else { 0o660 };
    has.mode | group | if has.kind == FileType::Directory { 0o2110 } else { 0 }
}

/// What of an entry is not as the kubelet wants it. `anew` asks for the group even if it is right, for what the kernel
/// does on that occasion: it takes a file's capabilities away.
pub(super) fn set(has: Has, ownership: Ownership, anew: bool) -> Set {
    let group = anew || has.gid != ownership.fs_group;
    let wanted = mode(has, ownership);
    // With a new group a file loses its setuid and setgid bits; the kubelet sets the mode after it, with the bits as
    // they were.
    let lost = group && has.kind != FileType::Directory && has.mode & SETUID_SETGID != 0;
    let mode = (has.kind != FileType::Symlink && (wanted != has.mode || lost)).then_some(wanted);
    Set { group, mode }
}

/// Whether the root has the group, the setgid bit and at least the permission bits. The kubelet follows a link here.
pub(super) fn root_is_right(root: &Path, ownership: Ownership) -> bool {
    let Ok(stat) = rustix::fs::stat(root) else { return false };
    let wanted = if ownership.read_only { 0o550 } else { 0o770 };
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
        && stat.st_gid == ownership.fs_group
        && stat.st_mode & wanted == wanted
        && stat.st_mode & 0o2000 != 0
}

#[cfg(test)]
mod tests {
    use super::super::ChangePolicy;
    use super::*;

    const TO_7: Ownership = Ownership { fs_group: 7, policy: ChangePolicy::Always, read_only: false };

    fn has(kind: FileType, gid: u32, mode: u32) -> Has {
        Has { kind, gid, mode }
    }

    #[test]
    fn what_is_right_already_is_let_be() {
        for right in [
            has(FileType::RegularFile, 7, 0o4660),
            has(FileType::Directory, 7, 0o2770),
            has(FileType::Symlink, 7, 0o777),
            has(FileType::Fifo, 7, 0o666),
        ] {
            assert!(set(right, TO_7, false).nothing(), "{right:?}");
        }
    }

    #[test]
    fn a_file_keeps_the_setuid_bit_that_a_new_group_takes_away() {
        let change = set(has(FileType::RegularFile, 1, 0o4770), TO_7, false);
        assert_eq!(change, Set { group: true, mode: Some(0o4770) });
        let change = set(has(FileType::Directory, 1, 0o2770), TO_7, false);
        assert_eq!(change, Set { group: true, mode: None });
    }

    #[test]
    fn a_link_gets_the_group_and_no_mode() {
        assert_eq!(set(has(FileType::Symlink, 1, 0o777), TO_7, false), Set { group: true, mode: None });
    }
}
