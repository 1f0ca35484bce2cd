//! What the launcher itself is and what this kernel has: the plan depends on it, and the container is compared with it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use oci_spec::runtime::{Linux, LinuxNamespaceType, LinuxResources, Spec};

use super::status;
use crate::cgroup;
use crate::engine::StartError;

/// The namespaces of Linux that a spec can name, as `/proc/PID/ns` calls them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Kind {
    Cgroup,
    Ipc,
    Mount,
    Network,
    Pid,
    User,
    Uts,
}

impl Kind {
    pub(super) const ALL: [Self; 7] =
        [Self::Cgroup, Self::Ipc, Self::Mount, Self::Network, Self::Pid, Self::User, Self::Uts];

    /// The CLONE_NEW* flag.
    pub(super) const fn flag(self) -> u32 {
        (match self {
            Self::Cgroup => libc::CLONE_NEWCGROUP,
            Self::Ipc => libc::CLONE_NEWIPC,
            Self::Mount => libc::CLONE_NEWNS,
            Self::Network => libc::CLONE_NEWNET,
            Self::Pid => libc::CLONE_NEWPID,
            Self::User => libc::CLONE_NEWUSER,
            Self::Uts => libc::CLONE_NEWUTS,
        }) as u32
    }

    /// The link in /proc/PID.
    pub(super) const fn link(self) -> &'static std::ffi::CStr {
        match self {
            Self::Cgroup => c"ns/cgroup",
            Self::Ipc => c"ns/ipc",
            Self::Mount => c"ns/mnt",
            Self::Network => c"ns/net",
            Self::Pid => c"ns/pid",
            Self::User => c"ns/user",
            Self::Uts => c"ns/uts",
        }
    }

    /// The link in /proc/PID to what a child of the process gets.
    pub(super) const fn of_children(self) -> &'static std::ffi::CStr {
        match self {
            Self::Pid => c"ns/pid_for_children",
            other => other.link(),
        }
    }

    /// The type in a spec.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Cgroup => "cgroup",
            Self::Ipc => "ipc",
            Self::Mount => "mount",
            Self::Network => "network",
            Self::Pid => "pid",
            Self::User => "user",
            Self::Uts => "uts",
        }
    }
}

/// What the launcher is.
#[allow(clippy::struct_excessive_bools, reason = "independent facts, not states of one thing")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Supplementary groups.
    pub(super) groups: Vec<u32>,
    /// The effective capability set.
    pub(super) effective: u64,
    /// Whether a filter applies to the launcher, and so to all that it starts.
    pub(super) seccomp: u64,
    /// How many, where the kernel tells.
    pub(super) filters: u64,
    /// The inodes of the launcher's namespaces, in the order of `Kind::ALL`; 0 where the kernel lacks the kind.
    pub(super) namespaces: [u64; 7],
    /// The highest capability that this kernel knows.
    pub(super) last_capability: u32,
    /// Whether AppArmor confines processes here.
    pub(super) app_armor: bool,
    /// Whether SELinux labels processes here.
    pub(super) selinux: bool,
    /// Whether the user namespace that is joined, if any, denies setgroups(2).
    pub(super) joined_denies_groups: bool,
    /// Whether the launcher's own user namespace denies it, and so every one below.
    pub(super) denies_groups: bool,
    /// Whether the launcher's own user namespace is not the machine's.
    pub(super) in_user_namespace: bool,
    /// The launcher's cgroup in each hierarchy of cgroup v1; empty on cgroup v2, and where nobody asks.
    pub(super) cgroups: Vec<Hierarchy>,
}

/// A cgroup v1 hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hierarchy {
    /// The name of its mount point: `cpu,cpuacct`.
    pub(super) name: String,
    /// The directory of the launcher's cgroup, or of the container's.
    pub(super) path: String,
    /// Whether it is the container's own.
    pub(super) is_own: bool,
}

/// CAP_SETGID, CAP_SETUID and CAP_SYS_ADMIN of <linux/capability.h>.
pub(super) const SETGID: u64 = 1 << 6;
pub(super) const SETUID: u64 = 1 << 7;
pub(super) const SYS_ADMIN: u64 = 1 << 21;

impl Facts {
    /// Reads what a spec depends on.
    pub(super) fn read(spec: &Spec) -> Result<Self, StartError> {
        let machinery = |source| StartError::Machinery { what: "cannot read /proc/thread-self".to_owned(), source };
        let text = fs::read("/proc/thread-self/status").map_err(machinery)?;
        let mut facts =
            Self::from_status(&text).ok_or_else(|| machinery(io::Error::other("status has an unknown form")))?;
        facts.namespaces = Kind::ALL.map(inode);
        facts.last_capability = *LAST_CAPABILITY.get_or_init(last_capability);
        if let Some(process) = spec.process() {
            facts.app_armor = process.apparmor_profile().is_some() && app_armor();
            let mount_label = spec.linux().as_ref().and_then(|linux| linux.mount_label().as_ref());
            let labels = process.selinux_label().as_ref().or(mount_label);
            facts.selinux = labels.is_some() && Path::new("/sys/fs/selinux/enforce").exists();
        }
        facts.in_user_namespace = !crate::observe::in_initial_user_namespace();
        facts.denies_groups = facts.in_user_namespace && denies_groups(Path::new("/proc/thread-self/ns/user"));
        facts.joined_denies_groups = joined_user(spec).is_some_and(|path| denies_groups(&path));
        if spec
            .mounts()
            .iter()
            .flatten()
            .any(|mount| mount.typ().as_deref().is_some_and(|typ| typ.starts_with("cgroup")))
        {
            facts.cgroups = hierarchies().map_err(machinery)?;
            let path = spec.linux().as_ref().and_then(|linux| linux.cgroups_path().as_deref());
            if let (Some(path), false) = (path, facts.cgroups.is_empty()) {
                let resources = spec.linux().as_ref().and_then(|linux| linux.resources().as_ref());
                facts.show_own(path, resources).map_err(machinery)?;
            }
        }
        Ok(facts)
    }

    fn from_status(text: &[u8]) -> Option<Self> {
        let effective_id = |name| super::text::number(status::words(status::line(text, name)?).nth(1)?, 10);
        let groups = status::words(status::line(text, "Groups")?)
            .map(|word| super::text::number(word, 10).and_then(|id| u32::try_from(id).ok()))
            .collect::<Option<Vec<u32>>>()?;
        Some(Self {
            uid: u32::try_from(effective_id("Uid")?).ok()?,
            gid: u32::try_from(effective_id("Gid")?).ok()?,
            groups,
            effective: status::single(text, "CapEff", 16)?,
            seccomp: status::single(text, "Seccomp", 10).unwrap_or(0),
            filters: status::single(text, "Seccomp_filters", 10).unwrap_or(0),
            ..Self::default()
        })
    }

    /// Of the hierarchies in which the container has a group of its own, that one is shown.
    fn show_own(&mut self, path: &Path, resources: Option<&LinuxResources>) -> io::Result<()> {
        let needed = resources.map(cgroup::controllers).unwrap_or_default();
        for place in cgroup::Hierarchies::read()?.places_of_v1(path, &needed) {
            if let Some(shown) = self.cgroups.iter_mut().find(|shown| Path::new(&shown.path).starts_with(&place.point))
            {
                let group = place.base.join(path.strip_prefix("/").unwrap_or(path));
                shown.path = group.to_string_lossy().into_owned();
                shown.is_own = true;
            }
        }
        Ok(())
    }

    pub(super) fn has(&self, capabilities: u64) -> bool {
        self.effective & capabilities == capabilities
    }

    pub(super) fn namespace(&self, kind: Kind) -> u64 {
        self.namespaces.get(kind as usize).copied().unwrap_or_default()
    }
}

/// The user namespace that a spec joins.
fn joined_user(spec: &Spec) -> Option<PathBuf> {
    let mut namespaces = spec.linux().iter().flat_map(Linux::namespaces).flatten();
    namespaces.find(|namespace| namespace.typ() == LinuxNamespaceType::User)?.path().clone()
}

/// Whether a namespace denies setgroups(2), which its processes tell (proc_pid_setgroups(5)): that of
/// `/proc/PID/ns/user` is told in `/proc/PID/setgroups`.
fn denies_groups(namespace: &Path) -> bool {
    let process = namespace.parent().and_then(Path::parent);
    process.is_some_and(|process| fs::read(process.join("setgroups")).is_ok_and(|answer| answer.starts_with(b"deny")))
}

fn inode(kind: Kind) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let link = kind.link().to_str().unwrap_or_default();
    fs::metadata(Path::new("/proc/thread-self").join(link)).map_or(0, |metadata| metadata.ino())
}

/// It cannot change while the kernel runs.
static LAST_CAPABILITY: OnceLock<u32> = OnceLock::new();

fn last_capability() -> u32 {
    let number = fs::read_to_string("/proc/sys/kernel/cap_last_cap").ok();
    // Without the file, all that could be: dropping an unknown capability is an error that is passed over.
    number.and_then(|number| number.trim().parse().ok()).unwrap_or(63)
}

fn app_armor() -> bool {
    fs::read("/sys/module/apparmor/parameters/enabled").is_ok_and(|enabled| enabled.starts_with(b"Y"))
}

fn unified(mount: &str, own: &str) -> Option<PathBuf> {
    let (before, after) = mount.split_once(" - ")?;
    if after.split(' ').next() != Some("cgroup2") {
        return None;
    }
    let mut before = before.split(' ').skip(3);
    let (root, point) = (before.next()?, before.next()?);
    let group = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let below = group.strip_prefix(root.trim_end_matches('/'))?;
    Some(PathBuf::from(format!("{point}{below}")))
}

/// The directory of a cgroup that a line of /proc/PID/cgroup names, if the line of mountinfo is of its hierarchy.
pub(super) fn cgroup_directory(mount: &str, group: &str) -> Option<PathBuf> {
    unified(mount, group).or_else(|| hierarchy(mount, group).map(|found| PathBuf::from(found.path)))
}

/// The cgroup v1 hierarchies that are mounted, with the launcher's own cgroup in each; see cgroups(7) and
/// proc_pid_mountinfo(5).
fn hierarchies() -> io::Result<Vec<Hierarchy>> {
    let own = fs::read_to_string("/proc/thread-self/cgroup")?;
    let mounts = fs::read_to_string("/proc/thread-self/mountinfo")?;
    Ok(mounts.lines().filter_map(|line| hierarchy(line, &own)).collect())
}

fn hierarchy(mount: &str, own: &str) -> Option<Hierarchy> {
    let (before, after) = mount.split_once(" - ")?;
    let mut after = after.split(' ');
    let (typ, _source, options) = (after.next()?, after.next()?, after.next()?);
    if typ != "cgroup" {
        return None;
    }
    let mut before = before.split(' ').skip(3);
    let (root, point) = (before.next()?, before.next()?);
    let group = own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let all = controllers.split(',').all(|one| options.split(',').any(|option| option == one));
        (!controllers.is_empty() && all).then_some(path)
    })?;
    let below = group.strip_prefix(root.trim_end_matches('/'))?;
    let name = Path::new(point).file_name()?.to_str()?.to_owned();
    Some(Hierarchy { name, path: format!("{point}{below}").trim_end_matches('/').to_owned(), is_own: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_group_of_a_hierarchy_is_found_below_its_mount_point() {
        let own = "4:cpu,cpuacct:/kube/pod\n1:name=systemd:/\n0::/\n";
        let line = "33 25 0:28 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct";
        let found = hierarchy(line, own).expect("a hierarchy");
        assert_eq!((found.name.as_str(), found.path.as_str()), ("cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct/kube/pod"));
        assert_eq!(hierarchy(&line.replace("- cgroup", "- cgroup2"), own), None);
    }

    #[test]
    fn the_own_group_of_version_2_is_found_too() {
        let line = "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";
        assert_eq!(unified(line, "0::/user.slice\n"), Some(PathBuf::from("/sys/fs/cgroup/user.slice")));
        assert_eq!(unified(&line.replace("cgroup2", "tmpfs"), "0::/\n"), None);
    }
}
