//! A process as another one sees it from outside, with the IDs that it has inside its own user namespace.
//!
//! Everything is read through one handle of `/proc/PID`, which is a handle of the process and not of its number: once
//! the process is gone it gives nothing, whoever gets the number.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use ringfence_context::process::ProcessState;
use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, ResolveFlags, StatVfsMountFlags, StatxFlags, fstatvfs, openat, openat2, readlinkat,
    statx,
};
use rustix::io::Errno;

use super::{MountInfo, NAMESPACES, NamespaceIds, Status, is_masked, parse_mountinfo, parse_status, root_is_read_only};
use crate::state::ProcessRecord;

/// A handle of a process.
#[derive(Debug)]
pub struct ProcessHandle {
    pid: u32,
    directory: OwnedFd,
}

/// What is seen of a process.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    /// What the context decides; IDs as in the process's user namespace.
    pub state: ProcessState,
    /// Its status file, with the IDs of the observer's user namespace.
    pub status: Option<Status>,
    /// Its mounts, in the order in which they were made.
    pub mounts: Vec<MountInfo>,
    /// The threads that have other IDs, capabilities, no_new_privs or seccomp than the first, by their numbers.
    pub other_threads: Vec<u32>,
    /// What could not be seen, by field, with the reason.
    pub not_seen: BTreeMap<String, String>,
}

/// More bytes than any of these files has.
const LONGEST: u64 = 16 << 20;

impl ProcessHandle {
    /// A handle of the process that has this number now.
    pub fn open(pid: u32) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(CWD, format!("/proc/{pid}"), flags, Mode::empty())?;
        Ok(Self { pid, directory })
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What tells it from another process with its number; an error once it is gone or only a zombie.
    pub fn record(&self) -> io::Result<ProcessRecord> {
        let record = ProcessRecord::of(self.pid)?;
        // The number still was this process's afterwards.
        self.read("stat")?;
        Ok(record)
    }

    /// A file of its directory, such as `cgroup`.
    pub fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let file = openat(&self.directory, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut bytes = Vec::new();
        std::fs::File::from(file).take(LONGEST).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The inode of one of its namespaces, by the name in `/proc/PID/ns`.
    pub fn namespace(&self, name: &str) -> io::Result<u64> {
        let link = readlinkat(&self.directory, format!("ns/{name}"), Vec::new())?;
        let link = link.to_string_lossy();
        let id = link.split_once(":[").and_then(|(_, id)| id.strip_suffix(']')?.parse().ok());
        id.ok_or_else(|| io::Error::other(format!("ns/{name} is {link}")))
    }

    /// Its command line, or its name where it has none.
    pub fn command(&self) -> String {
        let line = self.read("cmdline").unwrap_or_default();
        let words: Vec<_> = line.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        let text = words.join(" ").trim_end().to_owned();
        if !text.is_empty() {
            return text;
        }
        let name = self.read("comm").unwrap_or_default();
        format!("[{}]", String::from_utf8_lossy(&name).trim_end())
    }

    /// The mount in which a path of the process's root lies, and whether it is mounted there itself: `None` where there
    /// is no such path. Links are followed within the root.
    pub fn mount_at(&self, path: &Path) -> io::Result<Option<MountAt>> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let root = openat(&self.directory, "root", flags | OFlags::DIRECTORY, Mode::empty())?;
        let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let found = match openat2(&root, path, flags, Mode::empty(), how) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            found => found?,
        };
        let of = statx(found.as_fd(), c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS | StatxFlags::MNT_ID)?;
        let read_only = fstatvfs(&found)?.f_flag.contains(StatVfsMountFlags::RDONLY);
        let is_root = of.stx_attributes.bits() & libc::STATX_ATTR_MOUNT_ROOT as u64 != 0;
        Ok(Some(MountAt { id: of.stx_mnt_id, is_root, read_only }))
    }

    /// All that is compared, its namespaces held against `host`'s.
    pub fn observe(&self, host: &NamespaceIds) -> Outside {
        let mut seen = Outside::default();
        let text = |name: &str| self.read(name).map(|text| String::from_utf8_lossy(&text).into_owned());
        match self.status("status") {
            Ok(status) => {
                self.translate(&status, host, &mut seen);
                seen.other_threads = self.other_threads(&status);
                seen.status = Some(status);
            }
            Err(error) => drop(seen.not_seen.insert("status".to_owned(), error)),
        }
        match text("mountinfo") {
            // A process that ends has no mounts any more.
            Ok(text) if text.is_empty() => drop(seen.not_seen.insert("mountinfo".to_owned(), "it is empty".to_owned())),
            Ok(text) => {
                seen.mounts = parse_mountinfo(&text);
                seen.state.read_only_root_filesystem = root_is_read_only(&seen.mounts);
                seen.state.proc_masked = Some(is_masked(&seen.mounts));
            }
            Err(error) => drop(seen.not_seen.insert("mountinfo".to_owned(), error.to_string())),
        }
        let label = |name: &str| {
            let label = text(name).ok()?;
            let label = label.trim_end_matches(['\n', '\0']);
            // What follows is the profile's mode.
            Some(label.rsplit_once(" (").map_or(label, |(name, _)| name).to_owned()).filter(|label| !label.is_empty())
        };
        if Path::new("/sys/module/apparmor").exists() {
            seen.state.app_armor_profile = label("attr/apparmor/current").or_else(|| label("attr/current"));
        }
        if Path::new("/sys/fs/selinux/enforce").exists() {
            seen.state.selinux_label = label("attr/current");
        }
        let mut ids = NamespaceIds::default();
        for name in NAMESPACES {
            match self.namespace(name) {
                Ok(id) => drop(ids.0.insert(name.to_owned(), id)),
                Err(error) => drop(seen.not_seen.insert(format!("namespaces.{name}"), error.to_string())),
            }
        }
        seen.state.namespaces = ids.against(host);
        seen
    }

    fn status(&self, name: &str) -> Result<Status, String> {
        let text = self.read(name).map_err(|error| error.to_string())?;
        parse_status(&String::from_utf8_lossy(&text)).map_err(|error| error.to_string())
    }

    /// Fills in what the status file says, with IDs as the process itself sees them.
    fn translate(&self, status: &Status, host: &NamespaceIds, seen: &mut Outside) {
        let state = &mut seen.state;
        state.capabilities = Some(status.capabilities);
        state.no_new_privileges = Some(status.no_new_privs);
        state.seccomp_mode = status.seccomp;
        // Where the user namespace is the observer's, its map would be that to the namespace above.
        let shared = self.namespace("user").ok().is_some_and(|id| host.0.get("user") == Some(&id));
        let map = |name: &str| {
            if shared {
                Ok(None)
            } else {
                self.read(name).map(|text| Some(String::from_utf8_lossy(&text).into_owned()))
            }
        };
        match map("uid_map") {
            Ok(map) => state.uid = ids_inside(map.as_deref(), &status.uid[1..2]).first().copied(),
            Err(error) => drop(seen.not_seen.insert("uid".to_owned(), error.to_string())),
        }
        match map("gid_map") {
            Ok(map) => {
                state.gid = ids_inside(map.as_deref(), &status.gid[1..2]).first().copied();
                let mut groups = ids_inside(map.as_deref(), &status.groups);
                groups.sort_unstable();
                groups.dedup();
                state.groups = Some(groups);
            }
            Err(error) => drop(seen.not_seen.insert("gid".to_owned(), error.to_string())),
        }
    }

    /// A thread may change its own credentials and keep the others' (nptl(7)).
    fn other_threads(&self, first: &Status) -> Vec<u32> {
        let Ok(threads) = std::fs::read_dir(format!("/proc/{}/task", self.pid)) else { return Vec::new() };
        let numbers = threads.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let differs = |thread: &u32| {
            let found = self.status(&format!("task/{thread}/status"));
            found.is_ok_and(|found| Status { ns_pid: first.ns_pid.clone(), ..found } != *first)
        };
        numbers.filter(differs).collect()
    }
}

/// What is mounted at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MountAt {
    /// The number of the mount in which the path lies; 0 on a kernel before 5.8.
    pub id: u64,
    /// Whether the path is where it is mounted.
    pub is_root: bool,
    /// Whether nothing can be written there.
    pub read_only: bool,
}

/// IDs as they are inside a user namespace whose map (user_namespaces(7)) is given; without one they are the same. What
/// is not mapped stays as it is.
pub fn ids_inside(map: Option<&str>, ids: &[u32]) -> Vec<u32> {
    let Some(map) = map else { return ids.to_vec() };
    let ranges: Vec<(u32, u32, u32)> = map
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace().map(str::parse);
            Some((fields.next()?.ok()?, fields.next()?.ok()?, fields.next()?.ok()?))
        })
        .collect();
    let inside = |id: &u32| {
        let range = ranges.iter().find(|(_, outside, count)| id.checked_sub(*outside).is_some_and(|at| at < *count));
        range.map_or(*id, |(inside, outside, _)| inside.saturating_add(id - outside))
    };
    ids.iter().map(inside).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_seen_through_its_handle_and_no_more_once_it_is_gone() {
        let mut child = std::process::Command::new("/bin/sleep").arg("1000").spawn().unwrap();
        let handle = ProcessHandle::open(child.id()).unwrap();
        let host = super::super::namespace_ids("self", &mut BTreeMap::new());
        let seen = handle.observe(&host);
        assert!(seen.not_seen.is_empty(), "{:?}", seen.not_seen);
        assert_eq!(seen.state.uid, Some(rustix::process::geteuid().as_raw()));
        assert!(seen.mounts.iter().any(|mount| mount.mount_point == "/"));
        assert!(seen.other_threads.is_empty());
        assert!(handle.record().is_ok());
        assert!(handle.mount_at(Path::new("/proc")).unwrap().is_some_and(|at| at.is_root));
        assert_eq!(handle.mount_at(Path::new("/no/such/path")).unwrap(), None);
        child.kill().unwrap();
        child.wait().unwrap();
        let seen = handle.observe(&host);
        assert_eq!(seen.state.uid, None);
        assert!(seen.not_seen.contains_key("status"));
        assert!(handle.record().is_err());
    }

    #[test]
    fn ids_are_those_of_the_processs_own_namespace() {
        let map = "         0     100000      65536\n     70000       5000          1\n";
        assert_eq!(ids_inside(Some(map), &[100_000, 101_000, 5000, 7]), [0, 1000, 70_000, 7]);
        assert_eq!(ids_inside(None, &[3]), [3]);
        assert_eq!(ids_inside(Some("4294967295 0 4294967295\nodd"), &[1]), [u32::MAX]);
    }
}
