//! The hierarchies of this machine, the caller's own group in each, and where a new group goes.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Controller, Failure, Version};

/// A mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hierarchy {
    version: Version,
    /// Of v1: what it is for. v2 says it in each group.
    controllers: Vec<String>,
    /// Where it is mounted.
    point: PathBuf,
    /// The caller's own group.
    own: PathBuf,
}

/// All of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hierarchies(Vec<Hierarchy>);

/// Where a group lies in one hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) version: Version,
    /// What is limited there.
    pub(crate) controllers: BTreeSet<Controller>,
    /// The group below which the path begins.
    pub(crate) base: PathBuf,
    /// Where the hierarchy is mounted.
    pub(crate) point: PathBuf,
    /// Whether a v1 hierarchy has the controller whose groups begin without CPUs.
    pub(crate) has_cpuset: bool,
}

impl Hierarchies {
    pub(crate) fn read() -> io::Result<Self> {
        let own = fs::read_to_string("/proc/thread-self/cgroup")?;
        let mounts = fs::read_to_string("/proc/thread-self/mountinfo")?;
        Ok(Self::parse(&mounts, &own))
    }

    fn parse(mounts: &str, own: &str) -> Self {
        let mut all: Vec<Hierarchy> = Vec::new();
        for hierarchy in mounts.lines().filter_map(|line| hierarchy(line, own)) {
            // Mounted a second time somewhere else.
            let same =
                |other: &Hierarchy| (other.version, &other.controllers) == (hierarchy.version, &hierarchy.controllers);
            if !all.iter().any(same) {
                all.push(hierarchy);
            }
        }
        Self(all)
    }

    /// The interface of a controller; none where the machine has it nowhere.
    pub(crate) fn version(&self, controller: Controller) -> Option<Version> {
        self.of(controller).map(|hierarchy| hierarchy.version)
    }

    fn of(&self, controller: Controller) -> Option<&Hierarchy> {
        let v1 = |hierarchy: &&Hierarchy| hierarchy.controllers.iter().any(|name| name == controller.name());
        let v2 = |hierarchy: &&Hierarchy| {
            hierarchy.version == Version::V2 && listed(&hierarchy.point, "cgroup.controllers").contains(&controller)
        };
        self.0.iter().find(v1).or_else(|| self.0.iter().find(v2))
    }

    /// The caller's own group of cgroup v2.
    pub(crate) fn unified(&self) -> Option<&Path> {
        self.0.iter().find(|hierarchy| hierarchy.version == Version::V2).map(|hierarchy| hierarchy.own.as_path())
    }

    /// Where the group `path` goes in the hierarchies of v1. Changes nothing.
    pub(crate) fn places_of_v1(&self, path: &Path, needed: &BTreeSet<Controller>) -> Vec<Place> {
        let v1 = self.0.iter().filter(|hierarchy| hierarchy.version == Version::V1).cloned().collect();
        // None of them can fail.
        Self(v1).places(path, needed).unwrap_or_default()
    }

    /// Where the group `path` goes in every hierarchy that one of the controllers is in, and in those where the group
    /// above it is there already. In cgroup v2 the controllers are handed out to it.
    pub(crate) fn places(&self, path: &Path, needed: &BTreeSet<Controller>) -> Result<Vec<Place>, Failure> {
        let first = path.components().find_map(|part| match part {
            std::path::Component::Normal(name) => Some(name),
            _ => None,
        });
        let mut places = Vec::new();
        for hierarchy in &self.0 {
            let here = |controller: &&Controller| self.of(**controller).is_some_and(|found| found == hierarchy);
            let controllers: BTreeSet<Controller> = needed.iter().filter(here).copied().collect();
            let begun =
                |base: &Path| path.components().count() > 1 && first.is_some_and(|first| base.join(first).is_dir());
            let base = if path.is_absolute() {
                (!controllers.is_empty()).then(|| hierarchy.point.clone())
            } else {
                match hierarchy.version {
                    Version::V1 => (!controllers.is_empty() || begun(&hierarchy.own)).then(|| hierarchy.own.clone()),
                    Version::V2 => match above(hierarchy).find(|base| begun(base)) {
                        Some(base) => Some(base.to_path_buf()),
                        None if controllers.is_empty() => None,
                        None => Some(base(hierarchy, &controllers)?),
                    },
                }
            };
            let Some(base) = base else { continue };
            let has_cpuset =
                hierarchy.version == Version::V1 && hierarchy.controllers.iter().any(|name| name == "cpuset");
            let point = hierarchy.point.clone();
            places.push(Place { version: hierarchy.version, controllers, base, point, has_cpuset });
        }
        Ok(places)
    }
}

/// The caller's own group and those above it, as far as they can be seen.
fn above(hierarchy: &Hierarchy) -> impl Iterator<Item = &Path> {
    hierarchy.own.ancestors().take_while(|path| path.starts_with(&hierarchy.point))
}

/// The nearest group above the caller that hands out the controllers; where none does, the nearest that can be made to,
/// for root from the top, where it disturbs nobody's own arrangement.
fn base(hierarchy: &Hierarchy, needed: &BTreeSet<Controller>) -> Result<PathBuf, Failure> {
    let hands_out = |group: &&Path| {
        needed.is_subset(&listed(group, "cgroup.subtree_control"))
            && rustix::fs::access(*group, rustix::fs::Access::WRITE_OK).is_ok()
    };
    if let Some(group) = above(hierarchy).find(hands_out) {
        return Ok(group.to_path_buf());
    }
    let mut candidates: Vec<&Path> = above(hierarchy).collect();
    if crate::observe::is_machine_root() {
        candidates.reverse();
    }
    let mut why = None;
    for group in candidates {
        match hand_out(group, needed) {
            Ok(()) => return Ok(group.to_path_buf()),
            Err(error) => why = why.or(Some(error)),
        }
    }
    Err(why.unwrap_or_else(|| Failure::io("find a group for it in", &hierarchy.own, io::ErrorKind::NotFound.into())))
}

/// Lets the groups below have the controllers.
pub(super) fn hand_out(group: &Path, needed: &BTreeSet<Controller>) -> Result<(), Failure> {
    let file = group.join("cgroup.subtree_control");
    let there = listed(group, "cgroup.subtree_control");
    for controller in needed.difference(&there) {
        fs::write(&file, format!("+{}", controller.name())).map_err(|error| {
            let what = match error.raw_os_error() {
                Some(libc::EBUSY) => "hand out controllers of a group that has processes,",
                _ => "hand out controllers of",
            };
            Failure::io(what, group, error)
        })?;
    }
    Ok(())
}

/// Which controllers a file of a group of v2 lists.
fn listed(group: &Path, file: &str) -> BTreeSet<Controller> {
    let text = fs::read_to_string(group.join(file)).unwrap_or_default();
    let named = |controller: &Controller| text.split_ascii_whitespace().any(|word| word == controller.name());
    Controller::ALL.into_iter().filter(named).collect()
}

/// See proc_pid_mountinfo(5) and cgroups(7).
fn hierarchy(mount: &str, own: &str) -> Option<Hierarchy> {
    let (before, after) = mount.split_once(" - ")?;
    let mut after = after.split(' ');
    let (typ, _source, options) = (after.next()?, after.next()?, after.next()?);
    let mut before = before.split(' ').skip(3);
    let (root, point) = (before.next()?, before.next()?);
    let (version, controllers, group) = match typ {
        "cgroup2" => (Version::V2, Vec::new(), own.lines().find_map(|line| line.strip_prefix("0::"))?),
        "cgroup" => {
            let (controllers, group) = own.lines().find_map(|line| {
                let mut parts = line.splitn(3, ':').skip(1);
                let (controllers, group) = (parts.next()?, parts.next()?);
                let all = controllers.split(',').all(|one| options.split(',').any(|option| option == one));
                (!controllers.is_empty() && all).then_some((controllers, group))
            })?;
            (Version::V1, controllers.split(',').map(str::to_owned).collect(), group)
        }
        _ => return None,
    };
    // What is mounted may be a part of the hierarchy, and the caller's group elsewhere.
    let below = match group.strip_prefix(root.trim_end_matches('/'))? {
        "" => "",
        below => below.strip_prefix('/')?,
    };
    if below.split('/').any(|part| part == "..") {
        return None;
    }
    let point = PathBuf::from(unescape(point));
    let own = if below.is_empty() { point.clone() } else { point.join(below) };
    Some(Hierarchy { version, controllers, point, own })
}

/// Blanks and backslashes are written as octal numbers.
fn unescape(path: &str) -> String {
    path.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct
32 25 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
33 25 0:29 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
34 25 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
39 25 0:28 / /mnt/again rw - cgroup cgroup rw,memory
";
    const OWN: &str = "4:cpu,cpuacct:/\n3:memory:/kube/pod\n1:name=systemd:/init\n0::/init\n";

    #[test]
    fn each_controller_is_found_where_it_is() {
        let all = Hierarchies::parse(HYBRID, OWN);
        assert_eq!(all.0.len(), 4);
        assert_eq!(all.version(Controller::Cpu), Some(Version::V1));
        assert_eq!(all.unified(), Some(Path::new("/sys/fs/cgroup/unified/init")));
        let needed = BTreeSet::from([Controller::Cpu, Controller::Memory]);
        let places = all.places(Path::new("ringfence-test"), &needed).expect("places");
        let bases: Vec<_> = places.iter().map(|place| place.base.to_str().unwrap()).collect();
        assert_eq!(bases, ["/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/memory/kube/pod"]);
        let places = all.places(Path::new("/top/one"), &needed).expect("places");
        assert_eq!(places[1].base, Path::new("/sys/fs/cgroup/memory"));
    }

    #[test]
    fn a_part_of_a_hierarchy_may_be_mounted() {
        let line = "35 24 0:30 /docker/x /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw";
        let own = |group: &str| Hierarchies::parse(line, &format!("0::{group}\n")).unified().map(Path::to_path_buf);
        assert_eq!(own("/docker/x"), Some(PathBuf::from("/sys/fs/cgroup")));
        assert_eq!(own("/docker/x/y"), Some(PathBuf::from("/sys/fs/cgroup/y")));
        assert_eq!(own("/docker/xy"), None);
        assert_eq!(own("/docker/x/../y"), None);
        assert_eq!(own("/elsewhere"), None);
    }
}
