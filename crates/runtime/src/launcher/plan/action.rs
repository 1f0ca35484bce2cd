//! What a step does. Everything that it needs was computed and allocated beforehand.

use std::ffi::CString;
use std::fmt;

use rustix::fs::{Dev, FileType, Mode};
use rustix::process::{Gid, Resource, Rlimit, Uid};
use rustix::thread::CapabilitySet;

use super::namespaces::Mapping;
use super::path::Target;
use crate::launcher::facts::Kind;
use crate::seccomp::Program;
use crate::sys::mount::MountAttr;

/// One thing to do, with one kernel object as its result.
#[derive(Debug)]
pub(crate) enum Action {
    /// Make a new session, away from the caller's terminal.
    NewSession,
    /// Write nothing less than what is asked for: files are made with the modes given here.
    ClearUmask,
    /// Wait until the launcher has written the user namespace's mappings.
    AwaitMappings,
    /// Become the user and group 0 of the user namespace, without groups where the kernel lets it.
    BecomeRoot {
        /// Whether setgroups(2) is allowed in the user namespace.
        groups: bool,
        /// Whether 0 may be missing from a user namespace that others made.
        may_be_unmapped: bool,
    },
    /// Open a namespace, before anything is joined that could hide it.
    OpenNamespace { slot: usize, path: CString },
    /// Join it.
    JoinNamespace { slot: usize, kind: Kind },
    /// Set how likely the kernel kills the process when memory runs out.
    OomScoreAdj(i32),
    /// Keep other processes from tracing this one: its descriptors still reach the host.
    HideMemory,
    /// Adopt what the container leaves behind, so that it can be ended.
    AdoptOrphans,

    /// Compare the keeper's namespaces, which the process that it starts has from it.
    VerifyNamespaces,
    /// Close everything that leads to the host, before the container's processes can see this one.
    ForgetHost,
    /// Close all but the standard streams and the ends of the dialogue with the launcher.
    KeepDialogue,
    /// Say that this process waits, and wait until the launcher lets it go on.
    AwaitTurn,
    /// Make a terminal in the container's devpts, the container's console and standard streams.
    OpenTerminal { console: Target },
    /// Make the terminal at standard input the controlling one, and the user's.
    OwnTerminal(Uid),
    /// Die when the parent dies.
    DieWithParent,
    /// Compare what only the process itself can tell.
    VerifyOwn,

    /// Make the cgroup that guards devices the highest that the container can see, so that it cannot leave it.
    NewCgroupNamespace,
    /// Write this process into the container's groups of cgroup v1.
    JoinGroups,
    /// Put the standard streams and the kept descriptors under their numbers.
    PlaceDescriptors,
    /// Set all signals to their defaults.
    ResetSignals,
    /// Open the host's /proc entry of this process: what it says needs no trust in the container's own /proc.
    OpenProcess,
    /// Open the host's /dev/null: what the container must not have as its own to change.
    OpenNull,
    /// Leave the caller's keys.
    NewKeyring,
    /// Copy a part of the mount tree before the container's root is attached.
    CloneTree {
        slot: usize,
        path: CString,
        recursive: bool,
        /// What it must be: device and inode. The path may lead somewhere else by then.
        inode: Option<(u64, u64)>,
    },
    /// Cut the mounts off from the host's.
    Propagation { path: CString, recursive: bool, propagation: u64 },
    /// Copy the root's mounts.
    CloneRoot {
        path: CString,
        /// Whether devices in it may not be opened.
        no_devices: bool,
    },
    /// Attach the copy, over the old root.
    AttachRoot,
    /// Set the host name.
    Hostname(Vec<u8>),
    /// Set the NIS domain name.
    Domainname(Vec<u8>),
    /// Write a file under /proc/sys.
    Sysctl { path: CString, value: Vec<u8> },
    /// Mount.
    Mount(Box<MountAction>),
    /// Make a device node.
    MakeNode(Box<Node>),
    /// Mount a file system for device nodes, where the container cannot reach it.
    MakeDeviceStore,
    /// Make a device node there, and show it in the container by a mount of its own.
    ShowNode(Box<Node>),
    /// Show a device of the host: where nodes cannot be made.
    BindNode { node: Box<Node>, source: CString },
    /// Make a symbolic link, unless there is something already.
    Link { at: Target, to: CString },
    /// Hide a path.
    Mask(Target),
    /// Make a path read-only.
    ReadOnlyPath(Target),
    /// Make a mount of the spec read-only, now that all in it has been made.
    ReadOnlyMount { slot: usize },
    /// Make the root read-only.
    ReadOnlyRoot,
    /// Make the working directory, if it is missing.
    MakeDirectory(Target),
    /// Make the container's root the process's.
    PivotRoot,
    /// Open the container's /dev/null in place of the host's among the standard streams.
    ReopenStreams,
    /// Let go of the old root.
    DetachOldRoot,
    /// Compare the file system with what was asked for.
    VerifyFiles,
    /// Give the pipes among the standard streams to the user, so that `/dev/stdout` can be opened.
    OwnStreams(Uid),
    /// Set a resource limit.
    Limit { resource: Resource, limit: Rlimit },
    /// Set the file mode creation mask.
    Umask(Mode),
    /// Write the label that exec takes.
    ExecLabel { file: CString, value: Vec<u8> },
    /// Compare the labels that were written with what was asked for.
    VerifyLabels,
    /// Give up every later gain of privilege.
    NoNewPrivs,
    /// Drop from the bounding set all but these.
    Bound { keep: u64, last: u32 },
    /// Keep the permitted set over the change of user.
    KeepCapabilities,
    /// Change the working directory; where this fails for want of permission, it is tried again as the user.
    ChangeDirectory { path: CString, last_try: bool },
    /// Set the supplementary groups; an empty list drops the caller's.
    SetGroups(Vec<Gid>),
    /// Set all group IDs.
    SetGid(Gid),
    /// Set all user IDs.
    SetUid(Uid),
    /// Take back into the effective set what the change of user took out of it.
    RaiseCapabilities,
    /// Set effective, permitted and inheritable capabilities.
    SetCapabilities { effective: CapabilitySet, permitted: CapabilitySet, inheritable: CapabilitySet },
    /// Set the ambient capabilities.
    Ambient(u64),
    /// Die when the keeper dies.
    DieWithKeeper,
    /// Let exec close every other descriptor.
    CloseDescriptors,
    /// Compare the process with what was asked for.
    VerifyProcess,
    /// Install the seccomp filter.
    Filter(Box<Program>),
    /// Compare the seccomp state with what was asked for.
    VerifyFilter(Proof),
}

/// How a process under a filter can tell that the filter is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// By reading its status.
    Read,
    /// By being refused to read it.
    Refusal,
    /// Not at all: the filter would kill it. The kernel's answer to seccomp(2) has to do.
    Answer,
}

/// A mount.
#[derive(Debug)]
pub(crate) struct MountAction {
    pub(crate) source: Source,
    pub(crate) target: Target,
    /// Whether the target may not lie behind a symbolic link: procfs and sysfs.
    pub(crate) plain_target: bool,
    /// For the mount itself.
    pub(crate) attributes: MountAttr,
    /// For the mount and all below it.
    pub(crate) recursive: MountAttr,
    /// Where the mount is kept for a later `ReadOnlyMount`.
    pub(crate) keep: Option<usize>,
}

/// What is mounted.
#[derive(Debug)]
pub(crate) enum Source {
    /// A new file system.
    New {
        typ: CString,
        /// Shown in mountinfo, or a block device.
        source: Option<CString>,
        /// For the file system: `size=64k`, `newinstance`.
        options: Vec<(CString, Option<CString>)>,
        /// Whether the root gets the mode of the directory that it covers, as runc does for a tmpfs.
        mode_of_target: bool,
    },
    /// A part of the host's tree, copied already.
    Tree { slot: usize, path: CString },
}

/// A mount with mapped IDs, which the launcher makes.
#[derive(Debug)]
pub(crate) struct IdMapped {
    pub(crate) path: CString,
    /// Whether what is mounted below comes along.
    pub(crate) recursive: bool,
    /// Whether that is mapped, too.
    pub(crate) all: bool,
    pub(crate) mapping: Mapping,
    pub(crate) slot: usize,
}

/// A device node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) at: Target,
    pub(crate) typ: FileType,
    pub(crate) mode: Mode,
    pub(crate) device: Dev,
    pub(crate) owner: (Uid, Gid),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = |path: &CString| path.to_string_lossy().into_owned();
        match self {
            Self::NewSession => f.write_str("start a session"),
            Self::ClearUmask => f.write_str("clear the file mode creation mask"),
            Self::AwaitMappings => f.write_str("wait for the user namespace's mappings"),
            Self::BecomeRoot { .. } => f.write_str("become root of the user namespace"),
            Self::OpenNamespace { path: file, .. } => write!(f, "open namespace {}", path(file)),
            Self::JoinNamespace { kind, .. } => write!(f, "join {} namespace", kind.name()),
            Self::OomScoreAdj(value) => write!(f, "set the OOM score adjustment to {value}"),
            Self::HideMemory => f.write_str("keep other processes from tracing the set-up"),
            Self::AdoptOrphans => f.write_str("adopt orphans"),
            Self::VerifyNamespaces => f.write_str("verify the namespaces"),
            Self::ForgetHost => f.write_str("close what leads to the host"),
            Self::KeepDialogue => f.write_str("keep the standard streams alone"),
            Self::AwaitTurn => f.write_str("wait for the launcher"),
            Self::OpenTerminal { .. } => f.write_str("open a terminal"),
            Self::OwnTerminal(_) => f.write_str("take the terminal"),
            Self::DieWithParent => f.write_str("die with the keeper"),
            Self::VerifyOwn => f.write_str("verify the limits and the working directory"),
            Self::NewCgroupNamespace => f.write_str("make a cgroup namespace"),
            Self::JoinGroups => f.write_str("join the container's cgroups"),
            Self::PlaceDescriptors => f.write_str("place file descriptors"),
            Self::ResetSignals => f.write_str("reset signals"),
            Self::OpenProcess => f.write_str("open /proc/self"),
            Self::OpenNull => f.write_str("open /dev/null"),
            Self::NewKeyring => f.write_str("join a new session keyring"),
            Self::CloneTree { path: from, .. } => write!(f, "copy mounts of {}", path(from)),
            Self::Propagation { path: at, propagation, .. } => {
                let kind = match *propagation {
                    libc::MS_PRIVATE => "private",
                    libc::MS_SLAVE => "slave",
                    libc::MS_SHARED => "shared",
                    _ => "unbindable",
                };
                write!(f, "make mounts {kind} at {}", path(at))
            }
            Self::CloneRoot { path: from, .. } => write!(f, "open root {}", path(from)),
            Self::AttachRoot => f.write_str("attach root"),
            Self::Hostname(name) => write!(f, "set host name {}", String::from_utf8_lossy(name)),
            Self::Domainname(name) => write!(f, "set domain name {}", String::from_utf8_lossy(name)),
            Self::Sysctl { path: file, .. } => write!(f, "write /proc/sys/{}", path(file)),
            Self::Mount(mount) => write!(f, "mount {} on {}", mount.source, path(&mount.target.path)),
            Self::MakeNode(node) => write!(f, "make device {}", path(&node.at.path)),
            Self::MakeDeviceStore => f.write_str("mount a store for devices"),
            Self::ShowNode(node) | Self::BindNode { node, .. } => write!(f, "show device {}", path(&node.at.path)),
            Self::Link { at, .. } => write!(f, "link {}", path(&at.path)),
            Self::Mask(target) => write!(f, "mask {}", path(&target.path)),
            Self::ReadOnlyPath(target) => write!(f, "make {} read-only", path(&target.path)),
            Self::ReadOnlyMount { .. } => f.write_str("make mount read-only"),
            Self::ReadOnlyRoot => f.write_str("make root read-only"),
            Self::MakeDirectory(target) => write!(f, "make directory {}", path(&target.path)),
            Self::PivotRoot => f.write_str("pivot root"),
            Self::ReopenStreams => f.write_str("open /dev/null again for the standard streams"),
            Self::DetachOldRoot => f.write_str("detach the old root"),
            Self::VerifyFiles => f.write_str("verify the file system"),
            Self::OwnStreams(uid) => write!(f, "give the standard streams to user {}", uid.as_raw()),
            Self::Limit { resource, .. } => write!(f, "limit {resource:?}"),
            Self::Umask(mode) => write!(f, "set file mode creation mask {:04o}", mode.bits()),
            Self::ExecLabel { file, .. } => write!(f, "write {}", path(file)),
            Self::VerifyLabels => f.write_str("verify the labels"),
            Self::NoNewPrivs => f.write_str("set no_new_privs"),
            Self::Bound { keep, .. } => write!(f, "bound capabilities to {keep:016x}"),
            Self::KeepCapabilities => f.write_str("keep capabilities over the change of user"),
            Self::ChangeDirectory { path: to, .. } => write!(f, "change directory to {}", path(to)),
            Self::SetGroups(groups) => {
                let groups: Vec<u32> = groups.iter().map(|group| group.as_raw()).collect();
                write!(f, "set groups {groups:?}")
            }
            Self::SetGid(gid) => write!(f, "set group {}", gid.as_raw()),
            Self::SetUid(uid) => write!(f, "set user {}", uid.as_raw()),
            Self::RaiseCapabilities => f.write_str("raise capabilities"),
            Self::SetCapabilities { effective, permitted, inheritable } => write!(
                f,
                "apply capabilities (effective {:016x}, permitted {:016x}, inheritable {:016x})",
                effective.bits(),
                permitted.bits(),
                inheritable.bits()
            ),
            Self::Ambient(set) => write!(f, "apply ambient capabilities {set:016x}"),
            Self::DieWithKeeper => f.write_str("die with the launcher"),
            Self::CloseDescriptors => f.write_str("close other file descriptors"),
            Self::VerifyProcess => f.write_str("verify the process"),
            Self::Filter(program) => {
                write!(f, "install seccomp filter of {} instructions", program.instructions().len())
            }
            Self::VerifyFilter(_) => f.write_str("verify the seccomp state"),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New { typ, .. } => f.write_str(&typ.to_string_lossy()),
            Self::Tree { path, .. } => f.write_str(&path.to_string_lossy()),
        }
    }
}
