//! One group: made, given its values, read back, and removed.

use std::ffi::CString;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::LinuxResources;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use super::settings::Setting;
use super::{Place, Version, hierarchy, settings, text};

/// Why a group is not as it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A system call failed.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was attempted.
        what: String,
        /// With which file.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The kernel says another value than was written.
    #[error("{field} should be {wanted} and is {found}")]
    Differs {
        /// The field of the spec.
        field: &'static str,
        /// What was written.
        wanted: String,
        /// What the kernel says.
        found: String,
    },
    /// A value that no group can have.
    #[error("{0}")]
    Value(String),
}

impl Failure {
    pub(super) fn io(what: impl Into<String>, path: &Path, source: io::Error) -> Self {
        Self::Io { what: what.into(), path: path.to_path_buf(), source }
    }

    /// Whether the machine or the caller's lack of privilege is the reason, and not the value.
    pub(super) fn is_denied(&self) -> bool {
        const DENIED: [i32; 7] =
            [libc::EACCES, libc::EPERM, libc::EROFS, libc::EBUSY, libc::ENOENT, libc::EOPNOTSUPP, libc::ENODEV];
        matches!(self, Self::Io { source, .. }
            if source.raw_os_error().is_some_and(|errno| DENIED.contains(&errno)) || source.kind() == io::ErrorKind::NotFound)
    }
}

/// A group of a container's own. What it has to do at the container's end needs no memory: the keeper does it.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) version: Version,
    /// The group above.
    parent: OwnedFd,
    name: CString,
    /// Its directory.
    pub(crate) directory: OwnedFd,
    /// Of v1: where a process writes itself in.
    pub(crate) processes: Option<OwnedFd>,
    /// Of v2, where the kernel has it: ends all processes in it.
    kill: Option<OwnedFd>,
    /// Counts the processes that were killed because the group had no memory left.
    events: Option<OwnedFd>,
}

/// Makes the group `path` below the place's base, and those above it that are not there, gives it the values, and
/// compares them with what the kernel then says. The group itself must be new. On an error it is gone again.
pub(crate) fn make(place: &Place, path: &Path, resources: &LinuxResources) -> Result<Group, Failure> {
    let mut above = place.base.clone();
    let mut parts = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(Ok(name)),
        Component::ParentDir => {
            Some(Err(Failure::Value(format!("{} leads upwards (linux.cgroupsPath)", path.display()))))
        }
        _ => None,
    });
    let mut name =
        parts.next().unwrap_or_else(|| Err(Failure::Value("it has no name (linux.cgroupsPath)".to_owned())))?;
    for next in parts {
        above.push(name);
        begin(place, &above)?;
        name = next?;
    }
    let directory = above.join(name);
    let failed = |what: &str| {
        let (what, directory) = (what.to_owned(), directory.clone());
        move |source: io::Error| Failure::io(what, &directory, source)
    };
    let c_name = CString::new(name.as_bytes()).map_err(|nul| failed("name")(io::Error::other(nul)))?;
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let parent = openat(CWD, &above, flags | OFlags::PATH, Mode::empty())
        .map_err(|errno| failed("open the group above")(errno.into()))?;
    rustix::fs::mkdirat(&parent, &c_name, Mode::from_raw_mode(0o755))
        .map_err(|errno| failed("make the group")(errno.into()))?;
    let opened = openat(&parent, &c_name, flags | OFlags::RDONLY, Mode::empty());
    let opened = match opened {
        Ok(opened) => opened,
        Err(errno) => {
            let _ = unlinkat(&parent, &c_name, AtFlags::REMOVEDIR);
            return Err(failed("open")(errno.into()));
        }
    };
    let file =
        |name: &str, flags: OFlags| openat(&opened, name, flags | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty());
    let (processes, kill) = match place.version {
        Version::V1 => (Some(file("cgroup.procs", OFlags::RDWR)), None),
        Version::V2 => (None, file("cgroup.kill", OFlags::WRONLY).ok()),
    };
    let events = match place.version {
        Version::V1 => file("memory.oom_control", OFlags::RDONLY).ok(),
        Version::V2 => file("memory.events", OFlags::RDONLY).ok(),
    };
    // From here on it is removed with the value.
    let mut group =
        Group { version: place.version, parent, name: c_name, directory: opened, processes: None, kill, events };
    group.processes = processes.transpose().map_err(|errno| failed("open cgroup.procs of")(errno.into()))?;
    fill(place, &directory, resources)?;
    Ok(group)
}

/// Makes a group that has no process of its own, unless it is there.
pub(super) fn begin(place: &Place, directory: &Path) -> Result<(), Failure> {
    match fs::create_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(Failure::io("make the group", directory, error));
        }
        _ => {}
    }
    match place.version {
        Version::V1 if place.has_cpuset => inherit_cpus(directory),
        Version::V1 => Ok(()),
        Version::V2 => hierarchy::hand_out(directory, &place.controllers),
    }
}

/// Writes the values and reads them back.
pub(super) fn fill(place: &Place, directory: &Path, resources: &LinuxResources) -> Result<(), Failure> {
    if place.version == Version::V1 && place.has_cpuset {
        inherit_cpus(directory)?;
    }
    let version = |controller| place.controllers.contains(&controller).then_some(place.version);
    let all = settings(resources, &version).map_err(Failure::Value)?;
    for Setting { file, value, .. } in &all {
        write(&directory.join(file), value)?;
    }
    for Setting { file, value, expect, field, .. } in all {
        let path = directory.join(&file);
        let found = fs::read_to_string(&path).map_err(|error| Failure::io("read", &path, error))?;
        if !text::agrees(&expect, &value, &found) {
            let wanted = format!("{value} in {file}");
            return Err(Failure::Differs { field, wanted, found: found.trim_end().to_owned() });
        }
    }
    Ok(())
}

fn write(path: &Path, value: &str) -> Result<(), Failure> {
    let written = fs::File::options().write(true).open(path).and_then(|mut file| file.write_all(value.as_bytes()));
    written.map_err(|error| Failure::io(format!("write {value:?} to"), path, error))
}

/// A new group of the cpuset controller of v1 has no CPUs, and no process can be put into it.
fn inherit_cpus(directory: &Path) -> Result<(), Failure> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let (own, above) = (directory.join(file), directory.parent().unwrap_or(directory).join(file));
        let read = |path: &Path| fs::read_to_string(path).map_err(|error| Failure::io("read", path, error));
        if read(&own)?.trim().is_empty() {
            write(&own, read(&above)?.trim())?;
        }
    }
    Ok(())
}

impl Group {
    /// Its descriptors, for those who need them at other numbers.
    pub(crate) fn descriptors(&mut self) -> impl Iterator<Item = &mut OwnedFd> {
        let always = [&mut self.parent, &mut self.directory];
        always.into_iter().chain(&mut self.processes).chain(&mut self.kill).chain(&mut self.events)
    }

    /// The descriptors that are needed at the container's end.
    pub(crate) fn at_the_end(&self) -> impl Iterator<Item = &OwnedFd> {
        [&self.parent].into_iter().chain(&self.processes).chain(&self.kill).chain(&self.events)
    }

    /// How many processes were killed because the group had no memory left. Allocates nothing.
    pub(crate) fn killed_for_memory(&self) -> u64 {
        let Some(events) = &self.events else { return 0 };
        let mut buffer = [0; 1024];
        let Ok(length) = rustix::io::pread(events, &mut buffer[..], 0) else { return 0 };
        let text = buffer.get(..length).unwrap_or_default();
        let line = text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"oom_kill "));
        line.map_or(0, |digits| {
            digits
                .iter()
                .filter(|byte| byte.is_ascii_digit())
                .fold(0, |number, digit| number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')))
        })
    }

    /// Ends what is still in it, such as a process that `exec` started. Allocates nothing.
    pub(crate) fn end(&self) {
        if let Some(kill) = &self.kill {
            let _ = rustix::io::write(kill, b"1");
        }
        let Some(processes) = &self.processes else { return };
        let mut buffer = [0; 4096];
        let Ok(length) = rustix::io::pread(processes, &mut buffer[..], 0) else { return };
        for pid in buffer.get(..length).unwrap_or_default().split(|byte| *byte == b'\n') {
            end_process(pid);
        }
    }

    /// Removes it, which must have become empty. Allocates nothing.
    pub(crate) fn remove(&self) {
        // Gone already, or still populated by what ends just now.
        for _ in 0..100 {
            match unlinkat(&self.parent, &self.name, AtFlags::REMOVEDIR) {
                Err(Errno::BUSY) => {
                    self.end();
                    rustix::thread::sched_yield();
                }
                _ => return,
            }
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Kills the process of this number; what is no number, or a process of another PID namespace (0), is passed over.
fn end_process(digits: &[u8]) {
    let number = digits.iter().try_fold(0_i32, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| i32::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    });
    if let Some(pid) = number.and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Ends what is in the group of a run and in those below it, and removes them. One that is not there is removed already.
pub(crate) fn remove_tree(group: &Path) -> io::Result<()> {
    let is_ours = group.file_name().is_some_and(|name| name.as_bytes().starts_with(b"ringfence-"));
    if !is_ours {
        return Err(io::Error::other(format!("{} is no group of a run", group.display())));
    }
    // What is not there is removed already only if the hierarchy is: in a mount namespace without it nothing can be told.
    let there = group.ancestors().find(|path| path.exists()).unwrap_or(group);
    let (v1, v2) = (0x0027_e0eb, 0x6367_7270);
    if ![v1, v2].contains(&(rustix::fs::statfs(there)?.f_type as u64)) {
        return Err(io::Error::other(format!("the cgroup hierarchy of {} is not mounted here", group.display())));
    }
    if there != group {
        return Ok(());
    }
    let mut attempts = 0;
    loop {
        match remove_once(group) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy && attempts < 100 => {
                attempts += 1;
                std::thread::sleep(std::time::Duration::from_millis(attempts / 10));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => return other,
        }
    }
}

fn remove_once(group: &Path) -> io::Result<()> {
    for entry in fs::read_dir(group)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            match remove_once(&entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    let result = fs::remove_dir(group);
    if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ResourceBusy) {
        let mut text = Vec::new();
        fs::File::open(group.join("cgroup.procs"))?.read_to_end(&mut text)?;
        for pid in text.split(|byte| *byte == b'\n') {
            end_process(pid);
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_group_of_a_run_is_removed() {
        let dir = tempfile::tempdir().expect("a directory");
        let other = dir.path().join("ringfence-0");
        std::fs::create_dir(&other).expect("a directory");
        assert!(remove_tree(&other).is_err(), "no cgroup");
        assert!(other.is_dir());
        assert!(remove_tree(&dir.path().join("ringfence-1")).is_err(), "no hierarchy to tell");
        assert!(remove_tree(Path::new("/sys/fs/cgroup")).is_err(), "not of a run");
    }
}
