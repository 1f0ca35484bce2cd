//! What is compared with the kernel's answer once all steps are done. Taken from the spec, not from the steps: a step
//! that is missing or wrong shows.

use std::ffi::CString;
use std::fmt;

use rustix::process::{Resource, Rlimit};

use super::path::Target;
use crate::launcher::facts::Kind;

/// One comparison.
#[derive(Debug)]
pub(crate) struct Check {
    /// The field of the spec.
    pub(crate) field: String,
    pub(crate) wanted: Wanted,
}

/// What the kernel should say.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// Real, effective, saved and file system user ID.
    Uid(u32),
    /// Real, effective, saved and file system group ID.
    Gid(u32),
    /// The supplementary groups, sorted.
    Groups {
        ids: Vec<u32>,
        /// The caller's groups, which an unprivileged launcher was told it may leave.
        tolerated: bool,
    },
    /// A capability set by its line in the status file.
    Capabilities { line: &'static str, set: u64 },
    /// no_new_privs.
    NoNewPrivs(bool),
    /// Seccomp mode and number of filters.
    Seccomp { mode: u64, filters: u64 },
    /// The file mode creation mask.
    Umask(u32),
    /// A resource limit.
    Limit { resource: Resource, limit: Rlimit },
    /// The OOM score adjustment.
    OomScoreAdj(i32),
    /// The label for exec.
    ExecLabel { file: CString, value: Vec<u8> },
    /// A namespace that is not the launcher's.
    NewNamespace { kind: Kind, not: u64 },
    /// The launcher's namespace.
    SameNamespace { kind: Kind, inode: u64 },
    /// The namespace that was opened in the slot.
    JoinedNamespace { kind: Kind, slot: usize },
    /// The host name.
    Hostname(Vec<u8>),
    /// The NIS domain name.
    Domainname(Vec<u8>),
    /// The root is the container's, and the old one is gone.
    Root,
    /// The root's read-only flag.
    ReadOnlyRoot,
    /// A mount is there, with these ST_* flags among others.
    Mounted { target: Target, flags: u64 },
    /// A path is covered, if it exists, by something that cannot be changed.
    Masked {
        target: Target,
        /// Whether the cover is of the container's own; in a user namespace no node can be made.
        own: bool,
    },
    /// A path is read-only, if it exists.
    ReadOnly(Target),
    /// The working directory lies in the root and is this one.
    Directory(CString),
    /// A device node.
    Device {
        target: Target,
        device: u64,
        /// Whether it is the host's, which must be read-only then: its owner and mode are not the container's to change.
        of_host: bool,
    },
    /// No standard stream is the host's /dev/null.
    Streams,
}

impl Wanted {
    /// Whether it is about a namespace.
    pub(crate) fn is_about_namespaces(&self) -> bool {
        matches!(self, Self::NewNamespace { .. } | Self::SameNamespace { .. } | Self::JoinedNamespace { .. })
    }

    /// Whether it is about the file system, which is compared before the privileges to look at it are gone.
    pub(crate) fn is_about_files(&self) -> bool {
        matches!(
            self,
            Self::Root
                | Self::ReadOnlyRoot
                | Self::Mounted { .. }
                | Self::Masked { .. }
                | Self::ReadOnly(_)
                | Self::Device { .. }
                | Self::Streams
        )
    }
}

/// The flags of statvfs(3) that a mount is compared by, in the words of mount(8). Allocates nothing.
pub(crate) struct MountWords(pub(crate) u64);

impl fmt::Display for MountWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has = |flag: u64| self.0 & flag != 0;
        f.write_str(if has(libc::ST_RDONLY) { "read-only" } else { "read-write" })?;
        for (flag, word) in [(libc::ST_NOSUID, "nosuid"), (libc::ST_NODEV, "nodev"), (libc::ST_NOEXEC, "noexec")] {
            if has(flag) {
                write!(f, ", {word}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uid(id) | Self::Gid(id) => write!(f, "{id} {id} {id} {id}"),
            Self::Groups { ids, .. } => write!(f, "{ids:?}"),
            Self::Capabilities { set, .. } => write!(f, "{set:016x}"),
            Self::NoNewPrivs(set) => write!(f, "{}", u8::from(*set)),
            Self::Seccomp { mode, filters } => write!(f, "mode {mode} with {filters} filters"),
            Self::Umask(mask) => write!(f, "{mask:04o}"),
            Self::Limit { limit, .. } => {
                let value =
                    |value: Option<u64>| value.map_or_else(|| "unlimited".to_owned(), |value| value.to_string());
                write!(f, "soft {}, hard {}", value(limit.current), value(limit.maximum))
            }
            Self::OomScoreAdj(value) => write!(f, "{value}"),
            Self::ExecLabel { value, .. } | Self::Hostname(value) | Self::Domainname(value) => {
                f.write_str(&String::from_utf8_lossy(value))
            }
            Self::NewNamespace { kind, not } => write!(f, "a new one, not {}:[{not}]", kind.name()),
            Self::SameNamespace { kind, inode } => write!(f, "{}:[{inode}]", kind.name()),
            Self::JoinedNamespace { .. } => f.write_str("the one that was named"),
            Self::Root => f.write_str("the container's alone"),
            Self::Mounted { flags, .. } => write!(f, "mounted {}", MountWords(*flags)),
            Self::Masked { .. } => f.write_str("covered, read-only"),
            Self::Streams => f.write_str("none that is the host's /dev/null"),
            Self::ReadOnlyRoot | Self::ReadOnly(_) => f.write_str("read-only"),
            Self::Directory(path) => f.write_str(&path.to_string_lossy()),
            Self::Device { device, .. } => {
                write!(f, "{}:{}", rustix::fs::major(*device), rustix::fs::minor(*device))
            }
        }
    }
}
