//! The containers that run here: those of the container runtime, over CRI, and those of ringfence's own pods.

use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use oci_spec::runtime::Spec;
use ringfence_cri::{ContainerState, CriError, Runtime, SOCKETS};
use ringfence_runtime::observe::ProcessHandle;
use ringfence_runtime::state::{self, ContainerState as OwnState, ProcessRecord};

use crate::commands::chain;

/// A container, as far as whoever runs it tells.
#[derive(Debug)]
pub(crate) struct Container {
    /// Who runs it: `containerd`, `cri-o` or `ringfence`.
    pub(crate) runtime: String,
    /// The runtime's ID of it; of one of ringfence's, the pod's ID and the container's name.
    pub(crate) id: String,
    /// The container's name in its pod.
    pub(crate) name: String,
    /// The pod's namespace.
    pub(crate) namespace: String,
    /// The pod's name.
    pub(crate) pod: String,
    /// The pod's UID, where it has one.
    pub(crate) uid: String,
    /// What the OCI runtime was given, or why that is not known.
    pub(crate) spec: Result<Spec, String>,
    /// Its first process.
    pub(crate) first: u32,
    whose: Whose,
}

#[derive(Debug)]
enum Whose {
    Own(ProcessRecord),
    Cri { runtime: Rc<Runtime>, started_at: i64 },
}

/// A pod's sandbox.
#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) id: String,
    pub(crate) namespace: String,
    pub(crate) pod: String,
}

/// All that runs here.
#[derive(Debug, Default)]
pub(crate) struct Running {
    pub(crate) containers: Vec<Rc<Container>>,
    pub(crate) sandboxes: Vec<Sandbox>,
    /// Who was asked.
    pub(crate) asked: Vec<String>,
    /// Who could not be asked, and why.
    pub(crate) failed: Vec<String>,
}

impl Running {
    /// Asks the runtime at this socket, or at the first of the usual ones, and looks for ringfence's own pods.
    pub(crate) fn find(socket: Option<&Path>) -> Self {
        let mut running = Self::default();
        match state::base_dir().and_then(|base| state::pods_in(&base)) {
            Ok(pods) => {
                running.asked.push("ringfence".to_owned());
                for pod in &pods {
                    running.containers.extend(own(pod).map(Rc::new));
                }
            }
            Err(error) => running.failed.push(format!("the pods that ringfence runs: {}", chain(&error))),
        }
        let usual = || SOCKETS.iter().map(PathBuf::from).find(|path| path.exists());
        if let Some(socket) = socket.map(Path::to_path_buf).or_else(usual)
            && let Err(error) = running.ask(&socket)
        {
            running.failed.push(chain(&error));
        }
        running
    }

    fn ask(&mut self, socket: &Path) -> Result<(), CriError> {
        let runtime = Rc::new(Runtime::at(socket)?);
        let name = runtime.version()?.runtime_name;
        for sandbox in runtime.sandboxes()? {
            let metadata = sandbox.metadata.unwrap_or_default();
            self.sandboxes.push(Sandbox { id: sandbox.id, namespace: metadata.namespace, pod: metadata.name });
        }
        for listed in runtime.running_containers()? {
            match of_runtime(&runtime, &name, &listed) {
                Ok(Some(container)) => self.containers.push(Rc::new(container)),
                Ok(None) => {}
                Err(error) => self.failed.push(format!("container {}: {error}", listed.id)),
            }
        }
        self.asked.push(name);
        Ok(())
    }

    /// The container that a process is in: by its cgroup, or else by its mount namespace, which is the container's own.
    pub(crate) fn of_process(&self, process: &ProcessHandle) -> Option<&Rc<Container>> {
        let cgroup = process.read("cgroup").unwrap_or_default();
        let cgroup = String::from_utf8_lossy(&cgroup);
        let by_cgroup = self.containers.iter().find(|container| names(&cgroup, &container.id));
        by_cgroup.or_else(|| self.containers.iter().find(|container| container.shares_mounts(process)))
    }

    /// The sandbox whose process it is.
    pub(crate) fn sandbox_of(&self, process: &ProcessHandle) -> Option<&Sandbox> {
        let cgroup = process.read("cgroup").unwrap_or_default();
        let cgroup = String::from_utf8_lossy(&cgroup);
        self.sandboxes.iter().find(|sandbox| names(&cgroup, &sandbox.id))
    }

    /// The containers whose ID begins like this.
    pub(crate) fn by_id(&self, id: &str) -> Vec<&Rc<Container>> {
        self.containers.iter().filter(|container| container.id.starts_with(id)).collect()
    }
}

/// Whether the last part of a path in the text of `/proc/PID/cgroup` is this container's: `…/ID`, or
/// `…/cri-containerd-ID.scope` where systemd keeps the cgroups.
fn names(cgroups: &str, id: &str) -> bool {
    let is_part = |part: &str| {
        let part = part.strip_suffix(".scope").unwrap_or(part);
        part == id || part.strip_suffix(id).is_some_and(|prefix| prefix.ends_with('-'))
    };
    !id.is_empty() && cgroups.lines().any(|line| line.split(['/', ':']).any(is_part))
}

impl Container {
    /// Whether the process has the container's mount namespace.
    fn shares_mounts(&self, process: &ProcessHandle) -> bool {
        let Ok(first) = ProcessHandle::open(self.first) else { return false };
        match (first.namespace("mnt"), process.namespace("mnt")) {
            (Ok(first), Ok(other)) => first == other && self.still_runs(),
            _ => false,
        }
    }

    /// Whether it runs as it did when it was found, so that its first process's number was that process's all the time.
    pub(crate) fn still_runs(&self) -> bool {
        match &self.whose {
            Whose::Own(process) => process.lives(),
            Whose::Cri { runtime, started_at } => runtime.container_status(&self.id, false).is_ok_and(|answer| {
                answer.status.is_some_and(|status| {
                    status.state == i32::from(ContainerState::Running) && status.started_at == *started_at
                })
            }),
        }
    }

    /// Its processes beside the first: those in its mount namespace or its cgroup. What has ended meanwhile is not among
    /// them.
    pub(crate) fn other_processes(&self) -> io::Result<Vec<ProcessHandle>> {
        let first = ProcessHandle::open(self.first)?;
        let mounts = first.namespace("mnt")?;
        let cgroup = first.read("cgroup")?;
        let own_cgroup = names(&String::from_utf8_lossy(&cgroup), &self.id);
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc")?.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            if pid == self.first {
                continue;
            }
            let Ok(process) = ProcessHandle::open(pid) else { continue };
            let same_mounts = process.namespace("mnt").is_ok_and(|other| other == mounts);
            let same_cgroup = || own_cgroup && process.read("cgroup").is_ok_and(|other| other == cgroup);
            if same_mounts || same_cgroup() {
                found.push(process);
            }
        }
        found.sort_by_key(ProcessHandle::pid);
        Ok(found)
    }

    /// Whether ringfence runs it.
    pub(crate) fn is_own(&self) -> bool {
        matches!(self.whose, Whose::Own(_))
    }
}

/// The containers of one of ringfence's pods that run.
fn own(pod: &state::FoundPod) -> impl Iterator<Item = Container> {
    pod.record.containers.iter().filter_map(|container| {
        let OwnState::Running { process, .. } = &container.state else { return None };
        Some(Container {
            runtime: "ringfence".to_owned(),
            id: format!("{}/{}", pod.record.id, container.name),
            name: container.name.clone(),
            namespace: pod.record.namespace.clone(),
            pod: pod.record.name.clone(),
            uid: String::new(),
            spec: pod.spec(&container.name).map_err(|error| chain(&error)),
            first: process.pid,
            whose: Whose::Own(process.clone()),
        })
    })
}

/// A container of the runtime; nothing if it has ended meanwhile.
fn of_runtime(
    runtime: &Rc<Runtime>,
    name: &str,
    listed: &ringfence_cri::Container,
) -> Result<Option<Container>, String> {
    let answer = match runtime.container_status(&listed.id, true) {
        Ok(answer) => answer,
        // 5 is NOT_FOUND.
        Err(CriError::Refused { code, .. }) if code == "5" => return Ok(None),
        Err(error) => return Err(chain(&error)),
    };
    let status = answer.status.unwrap_or_default();
    if status.state != i32::from(ContainerState::Running) {
        return Ok(None);
    }
    let info = answer.info.get("info").ok_or("the runtime does not say which process is its first")?;
    let info: serde_json::Value = serde_json::from_str(info)
        .map_err(|error| format!("what the runtime says of it is not understood: {error}"))?;
    let first = info.get("pid").and_then(serde_json::Value::as_u64).and_then(|pid| u32::try_from(pid).ok());
    let first = first.filter(|pid| *pid != 0).ok_or("the runtime does not say which process is its first")?;
    let spec = info.get("runtimeSpec").filter(|spec| spec.is_object());
    let spec = spec.ok_or_else(|| "the runtime does not tell the specification".to_owned());
    let label = |name: &str| listed.labels.get(name).cloned().unwrap_or_default();
    let labelled = label("io.kubernetes.container.name");
    let called = listed.metadata.as_ref().map(|metadata| metadata.name.clone()).unwrap_or_default();
    Ok(Some(Container {
        runtime: name.to_owned(),
        id: listed.id.clone(),
        name: if labelled.is_empty() { called } else { labelled },
        namespace: label("io.kubernetes.pod.namespace"),
        pod: label("io.kubernetes.pod.name"),
        uid: label("io.kubernetes.pod.uid"),
        spec: spec.and_then(|spec| {
            serde_json::from_value(spec.clone())
                .map_err(|error| format!("the specification is not understood: {error}"))
        }),
        first,
        whose: Whose::Cri { runtime: Rc::clone(runtime), started_at: status.started_at },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_found_in_either_form_of_cgroup() {
        let id = "4f".repeat(32);
        assert!(names(&format!("1:cpu:/\n0::/kubepods/besteffort/pod1/{id}\n"), &id));
        assert!(names(&format!("0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-{id}.scope"), &id));
        assert!(names(&format!("0::/kubepods-pod1.slice:cri-containerd:{id}"), &id));
        assert!(!names(&format!("0::/x{id}\n"), &id));
        assert!(!names("0::/\n", ""));
    }
}
