//! The node's processes that tell of its pods: container runtimes, and the sandboxes of pods.

use ringfence_context::facts::Limits;

use super::files::Files;
use crate::observe::{Status, parse_status};

/// Container runtimes by the names of their processes, those that start containers themselves first: docker's are
/// started by its containerd.
const RUNTIMES: [&str; 3] = ["containerd", "crio", "dockerd"];

/// What was found, and nothing where /proc is not the node's.
#[derive(Default)]
pub(super) struct Processes {
    /// The container runtime.
    pub(super) runtime: Option<Process>,
    /// A process that a runtime started for a pod and that changes nothing of itself.
    pub(super) pause: Option<Process>,
}

pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) name: String,
}

impl Processes {
    pub(super) fn list(files: &Files) -> Self {
        let mut pids: Vec<u32> =
            files.names("proc").unwrap_or_default().iter().filter_map(|name| name.parse().ok()).collect();
        pids.sort_unstable();
        let mut found = Self::default();
        let rank = |name: &str| RUNTIMES.iter().position(|known| *known == name);
        for pid in pids {
            let Some(name) = files.line(&format!("proc/{pid}/comm")) else { continue };
            if let Some(new) = rank(&name)
                && found.runtime.as_ref().and_then(|old| rank(&old.name)).is_none_or(|old| new < old)
            {
                found.runtime = Some(Process { pid, name });
            } else if found.pause.is_none() && name == "pause" && in_pod(files, pid) {
                found.pause = Some(Process { pid, name });
            }
        }
        found
    }
}

fn in_pod(files: &Files, pid: u32) -> bool {
    files.read(&format!("proc/{pid}/cgroup")).is_ok_and(|text| text.contains("kubepods"))
}

impl Process {
    pub(super) fn limits(&self, files: &Files) -> Option<Limits> {
        let (soft, hard) = open_files(&files.read(&format!("proc/{}/limits", self.pid)).ok()?)?;
        Some(Limits { soft, hard, source: String::new() })
    }

    pub(super) fn status(&self, files: &Files) -> Option<Status> {
        parse_status(&files.read(&format!("proc/{}/status", self.pid)).ok()?).ok()
    }
}

/// Soft and hard limit from `/proc/PID/limits` (proc_pid_limits(5)).
pub(super) fn open_files(text: &str) -> Option<(u64, u64)> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let mut numbers = line.split_whitespace().map(|number| match number {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    });
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_the_kernel_prints_them() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max processes             62515                62515                processes \n\
                    Max open files            1024                 524288               files     \n";
        assert_eq!(open_files(text), Some((1024, 524_288)));
        assert_eq!(open_files("Max open files   unlimited   unlimited   files"), Some((u64::MAX, u64::MAX)));
        assert_eq!(open_files("Max open files"), None);
        assert_eq!(open_files(""), None);
    }
}
