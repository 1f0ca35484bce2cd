//! What a run says of itself in its state directory, for `ps`, `exec`, `logs` and `rm`: `pod.json`, the specs of its
//! containers in `specs/`, and what they print in `logs/`. Only the user who runs the pod can read any of it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use oci_spec::runtime::Spec;
use serde::{Deserialize, Serialize};

use super::{StateDir, StateError, io_error};

const FILE: &str = "pod.json";

/// A pod that runs here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodRecord {
    /// The name of the state directory: 16 hexadecimal digits.
    pub id: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: String,
    /// In seconds since 1970.
    pub created: u64,
    /// Whether it runs without the command that started it.
    pub detached: bool,
    /// The process that watches over it.
    pub supervisor: ProcessRecord,
    /// How far it is.
    pub phase: PodPhase,
    /// In the order in which they start.
    pub containers: Vec<ContainerRecord>,
}

/// `status.phase` of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PodPhase {
    /// Init containers are still at work, or nothing was started yet.
    Pending,
    /// At least one main container runs, or will be started again.
    Running,
    /// All main containers have ended with 0.
    Succeeded,
    /// All main containers have ended, one of them with something else.
    Failed,
    /// It is being ended.
    Terminating,
}

impl PodPhase {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Terminating => "Terminating",
        }
    }
}

/// A container of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerRecord {
    /// `name`.
    pub name: String,
    /// `init`, `sidecar`, `main` or `ephemeral`.
    pub kind: String,
    /// `image`, as written.
    pub image: String,
    /// How often it was started again.
    pub restarts: u32,
    /// What became of it.
    pub state: ContainerState,
}

/// What became of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ContainerState {
    /// It does not run yet, or not now.
    Waiting {
        /// `PodInitializing`, `CrashLoopBackOff`, or why it could not be started.
        reason: String,
        /// More about it; often empty.
        #[serde(default)]
        message: String,
    },
    /// It runs.
    Running {
        /// Since when, in seconds since 1970.
        since: u64,
        /// Its first process.
        process: ProcessRecord,
    },
    /// It has ended.
    Terminated {
        /// When, in seconds since 1970.
        at: u64,
        /// As a shell would give it.
        exit_code: u8,
        /// The signal that ended it, or 0.
        signal: i32,
        /// `Completed`, `Error` or `OOMKilled`.
        reason: String,
    },
}

/// A process, told from another one that gets its number later.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessRecord {
    /// Its number on this machine.
    pub pid: u32,
    /// When it was started, in clock ticks since the machine was (proc_pid_stat(5), field 22).
    pub start_time: Option<u64>,
    /// The inode of each of its namespaces, by the names in `/proc/PID/ns`.
    #[serde(default)]
    pub namespaces: BTreeMap<String, u64>,
    /// Whether a cgroup was made for it.
    #[serde(default)]
    pub cgroup: bool,
}

impl ProcessRecord {
    /// What the kernel says of a process that is known to live.
    pub fn of(pid: u32) -> io::Result<Self> {
        let mut namespaces = BTreeMap::new();
        for name in ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"] {
            use std::os::unix::fs::MetadataExt as _;
            match fs::metadata(format!("/proc/{pid}/ns/{name}")) {
                Ok(found) => drop(namespaces.insert(name.to_owned(), found.ino())),
                // A kernel without this kind.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let start_time = start_time(pid);
        if start_time.is_none() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Self { pid, start_time, namespaces, cgroup: false })
    }

    /// Whether it is still this process that has the number, and not a zombie.
    pub fn lives(&self) -> bool {
        self.start_time.is_some() && self.start_time == start_time(self.pid)
    }
}

/// When a process was started; `None` when there is none or it has ended.
pub(crate) fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may have anything in it.
    let after = stat.iter().rposition(|byte| *byte == b')')?;
    let text = std::str::from_utf8(stat.get(after + 1..)?).ok()?;
    let mut fields = text.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// A pod that was found in a state directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPod {
    /// The state directory.
    pub path: PathBuf,
    /// What the run says of itself.
    pub record: PodRecord,
}

impl StateDir {
    /// Writes the record, all of it or nothing.
    pub fn write_record(&self, record: &PodRecord) -> Result<(), StateError> {
        let json = serde_json::to_vec(record).unwrap_or_default();
        write_whole(&self.path().join(FILE), &json)
    }

    /// Keeps the spec that a container was started from, for `exec`.
    pub fn write_spec(&self, container: &str, spec: &Spec) -> Result<(), StateError> {
        let json = serde_json::to_vec(spec).unwrap_or_default();
        let path = spec_path(self.path(), container);
        if let Some(dir) = path.parent().filter(|dir| !dir.exists()) {
            self.dir(&dir.file_name().unwrap_or_default().to_string_lossy(), 0o700)?;
        }
        write_whole(&path, &json)
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    let new = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(bytes)?;
        fs::rename(&new, path)
    };
    write().map_err(io_error("write", path))
}

/// Names of containers are DNS labels; anything else names no file.
fn is_file_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('/') && name != "." && name != ".."
}

fn spec_path(dir: &Path, container: &str) -> PathBuf {
    dir.join("specs").join(format!("{container}.json"))
}

impl FoundPod {
    /// Where what a container prints is kept.
    pub fn log_path(&self, container: &str) -> PathBuf {
        log_path(&self.path, container)
    }

    /// The spec that a container was started from.
    pub fn spec(&self, container: &str) -> Result<Spec, StateError> {
        let path = spec_path(&self.path, container);
        let read = || -> io::Result<Spec> {
            if !is_file_name(container) {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            Ok(serde_json::from_slice(&read_limited(&path, MAX_SPEC)?)?)
        };
        read().map_err(io_error("read", &path))
    }

    /// Reads the record again. `None` when the run is over.
    pub fn refresh(&self) -> Option<PodRecord> {
        read_record(&self.path).filter(|record| record.supervisor.lives())
    }
}

/// Where what a container prints is kept, below a state directory.
pub(crate) fn log_path(dir: &Path, container: &str) -> PathBuf {
    dir.join("logs").join(format!("{container}.log"))
}

const MAX_SPEC: u64 = 16 << 20;

fn read_limited(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn read_record(dir: &Path) -> Option<PodRecord> {
    serde_json::from_slice(&read_limited(&dir.join(FILE), MAX_SPEC).ok()?).ok()
}

/// The pods that run below `base`, oldest first. A run that was killed is not among them, whatever its directory still
/// says: its supervisor is gone, and the containers with it.
pub fn pods_in(base: &Path) -> Result<Vec<FoundPod>, StateError> {
    // Nobody else may have put a directory there.
    drop(super::base::open(base)?);
    let entries = fs::read_dir(base).map_err(io_error("read", base))?;
    let mut found: Vec<FoundPod> = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| Some(FoundPod { record: read_record(&entry.path())?, path: entry.path() }))
        .filter(|found| found.record.supervisor.lives())
        .collect();
    found.sort_by(|a, b| (a.record.created, &a.record.id).cmp(&(b.record.created, &b.record.id)));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_another_with_its_number_does_not() {
        let own = ProcessRecord::of(std::process::id()).unwrap();
        assert!(own.lives());
        assert!(own.namespaces.contains_key("mnt"));
        let other = ProcessRecord { start_time: own.start_time.map(|time| time + 1), ..own };
        assert!(!other.lives());
        assert!(!ProcessRecord { start_time: None, ..other }.lives());
    }

    #[test]
    fn a_zombie_has_ended() {
        let mut child = std::process::Command::new("/bin/true").spawn().unwrap();
        let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while start_time(child.id()).is_some() {
            assert!(std::time::Instant::now() < end);
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        child.wait().unwrap();
    }

    #[test]
    fn a_name_that_is_a_path_names_no_spec() {
        let record = PodRecord {
            id: String::new(),
            name: String::new(),
            namespace: String::new(),
            created: 0,
            detached: false,
            supervisor: ProcessRecord::default(),
            phase: PodPhase::Running,
            containers: Vec::new(),
        };
        let found = FoundPod { path: PathBuf::from("/nowhere"), record };
        assert!(found.spec("../../etc/passwd").is_err());
    }
}
