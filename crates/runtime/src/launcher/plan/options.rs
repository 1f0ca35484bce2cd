//! The options of a mount, in the words of mount(8) and of the OCI runtime specification ("Linux mount options").

use std::ffi::CString;

use super::path::c_bytes;
use super::{LAUNCHER, unsupported};
use crate::engine::StartError;
use crate::spec::INODE;
use crate::sys::mount::MountAttr;

const RDONLY: u64 = libc::MOUNT_ATTR_RDONLY;
const NOSUID: u64 = libc::MOUNT_ATTR_NOSUID;
const NODEV: u64 = libc::MOUNT_ATTR_NODEV;
const NOEXEC: u64 = libc::MOUNT_ATTR_NOEXEC;
const NOATIME: u64 = libc::MOUNT_ATTR_NOATIME;
const STRICTATIME: u64 = libc::MOUNT_ATTR_STRICTATIME;
const NODIRATIME: u64 = libc::MOUNT_ATTR_NODIRATIME;
const NOSYMFOLLOW: u64 = libc::MOUNT_ATTR_NOSYMFOLLOW;
/// The three-valued field of access times; relatime is its zero.
const ATIME: u64 = libc::MOUNT_ATTR__ATIME;
const RELATIME: u64 = 0;

/// What the options of one mount come to.
#[derive(Debug, Default)]
pub(super) struct Options {
    /// `bind` (false) or `rbind` (true).
    pub(super) bind: Option<bool>,
    pub(super) attributes: MountAttr,
    pub(super) recursive: MountAttr,
    pub(super) propagation: Option<(u64, bool)>,
    /// `idmap` (false) or `ridmap` (true).
    pub(super) id_mapped: Option<bool>,
    /// What a bind mount's source must be: device and inode.
    pub(super) inode: Option<(u64, u64)>,
    /// For the file system.
    pub(super) data: Vec<(CString, Option<CString>)>,
}

impl Options {
    pub(super) fn parse(options: &[String], destination: &str) -> Result<Self, StartError> {
        let mut parsed = Self::default();
        for option in options {
            parsed
                .take(option)
                .map_err(|()| unsupported(format!("mount option {option:?} of {destination} (mounts)"), LAUNCHER))??;
        }
        Ok(parsed)
    }

    /// Takes one option; the outer error is for one that is known and not supported.
    fn take(&mut self, option: &str) -> Result<Result<(), StartError>, ()> {
        if let Some((set, clear)) = attribute(option) {
            apply(&mut self.attributes, set, clear);
            return Ok(Ok(()));
        }
        if let Some((set, clear)) = option.strip_prefix('r').and_then(attribute)
            && option != "ro"
            && option != "rw"
        {
            apply(&mut self.recursive, set, clear);
            return Ok(Ok(()));
        }
        match option {
            // Nothing, or what a new mount is anyway.
            "" | "defaults" | "async" | "loud" | "nolazytime" | "nomand" | "noiversion" | "norelatime"
            | "nostrictatime" => {}
            "bind" => self.bind = self.bind.or(Some(false)),
            "rbind" => self.bind = Some(true),
            "private" => self.propagation = Some((libc::MS_PRIVATE, false)),
            "rprivate" => self.propagation = Some((libc::MS_PRIVATE, true)),
            "slave" => self.propagation = Some((libc::MS_SLAVE, false)),
            "rslave" => self.propagation = Some((libc::MS_SLAVE, true)),
            "shared" => self.propagation = Some((libc::MS_SHARED, false)),
            "rshared" => self.propagation = Some((libc::MS_SHARED, true)),
            "unbindable" => self.propagation = Some((libc::MS_UNBINDABLE, false)),
            "runbindable" => self.propagation = Some((libc::MS_UNBINDABLE, true)),
            "idmap" => self.id_mapped = Some(false),
            "ridmap" => self.id_mapped = Some(true),
            "remount" | "tmpcopyup" | "iversion" | "silent" => return Err(()),
            inode if inode.starts_with(INODE) => {
                let (device, inode) = inode.trim_start_matches(INODE).split_once(':').ok_or(())?;
                let number = |text: &str| text.parse().map_err(|_not_a_number| ());
                self.inode = Some((number(device)?, number(inode)?));
            }
            data => {
                let (name, value) = data.split_once('=').map_or((data, None), |(name, value)| (name, Some(value)));
                let pair = c_bytes(name.as_bytes())
                    .and_then(|name| Ok((name, value.map(|value| c_bytes(value.as_bytes())).transpose()?)));
                return Ok(pair.map(|pair| self.data.push(pair)));
            }
        }
        Ok(Ok(()))
    }
}

/// The bits that an option sets and clears.
fn attribute(option: &str) -> Option<(u64, u64)> {
    Some(match option {
        "ro" => (RDONLY, 0),
        "rw" => (0, RDONLY),
        "nosuid" => (NOSUID, 0),
        "suid" => (0, NOSUID),
        "nodev" => (NODEV, 0),
        "dev" => (0, NODEV),
        "noexec" => (NOEXEC, 0),
        "exec" => (0, NOEXEC),
        "nosymfollow" => (NOSYMFOLLOW, 0),
        "symfollow" => (0, NOSYMFOLLOW),
        "nodiratime" => (NODIRATIME, 0),
        "diratime" => (0, NODIRATIME),
        "noatime" => (NOATIME, ATIME),
        "strictatime" => (STRICTATIME, ATIME),
        "relatime" | "atime" => (RELATIME, ATIME),
        _ => return None,
    })
}

/// Later options win over earlier ones.
fn apply(attributes: &mut MountAttr, set: u64, clear: u64) {
    attributes.set = (attributes.set & !clear) | set;
    attributes.clear = (attributes.clear & !set) | clear;
    if clear & ATIME == ATIME {
        // The kernel wants the whole field cleared when it is set.
        attributes.clear |= ATIME;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &[&str]) -> Options {
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        Options::parse(&options, "/x").expect("options")
    }

    #[test]
    fn later_options_win() {
        let attributes = parse(&["ro", "nosuid", "rw"]).attributes;
        assert_eq!((attributes.set, attributes.clear), (NOSUID, RDONLY));
        let attributes = parse(&["rw", "ro"]).attributes;
        assert_eq!((attributes.set, attributes.clear), (RDONLY, 0));
    }

    #[test]
    fn recursive_options_are_apart_from_those_of_the_mount_itself() {
        let options = parse(&["rro", "noexec"]);
        assert_eq!((options.attributes.set, options.recursive.set), (NOEXEC, RDONLY));
        let options = parse(&["rw"]);
        assert_eq!((options.attributes.clear, options.recursive.clear), (RDONLY, 0));
    }

    #[test]
    fn the_times_of_access_are_one_field() {
        let attributes = parse(&["strictatime"]).attributes;
        assert_eq!((attributes.set, attributes.clear), (STRICTATIME, ATIME));
        let attributes = parse(&["noatime", "relatime"]).attributes;
        assert_eq!((attributes.set, attributes.clear), (0, ATIME));
    }

    #[test]
    fn everything_else_is_for_the_file_system() {
        let options = parse(&["size=64k", "newinstance", "nosuid"]);
        assert_eq!(options.data, [(c"size".to_owned(), Some(c"64k".to_owned())), (c"newinstance".to_owned(), None)]);
    }

    #[test]
    fn options_that_are_known_and_cannot_be_had_are_refused() {
        let refused = Options::parse(&["tmpcopyup".to_owned()], "/x");
        assert!(matches!(refused, Err(StartError::Unsupported { .. })), "{refused:?}");
    }
}
