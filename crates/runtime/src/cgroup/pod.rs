//! The group of a run, with what holds for all of its containers together; and what cannot be limited here, and why.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use oci_spec::runtime::LinuxResources;

use super::group::{begin, fill};
use super::hierarchy::Place;
use super::{Controller, Failure, Hierarchies};
use crate::state::StateDir;

/// The file of a state directory that names the groups of its run, a path on each line: whoever cleans up after it
/// removes them.
pub(crate) const FILE: &str = "cgroups";

/// Limits that are asked for and cannot be had here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotApplied {
    /// `cpu`, `memory`, `pids`, `cpuset`, `hugetlb`; or `swap`.
    pub what: &'static str,
    /// Why.
    pub why: String,
}

/// The group of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prepared {
    /// For `linux.cgroupsPath`: the containers' groups lie below it. None where nothing can be limited.
    pub(crate) path: Option<PathBuf>,
    pub(crate) not_applied: Vec<NotApplied>,
}

/// Makes the group `name` with the limits of all containers together. `needed` are the controllers that any container
/// wants limits of.
pub(crate) fn prepare(
    state: &StateDir,
    name: &str,
    together: &LinuxResources,
    needed: &BTreeSet<Controller>,
) -> Result<Prepared, Failure> {
    let mut prepared = Prepared::default();
    if needed.is_empty() {
        return Ok(prepared);
    }
    let all = Hierarchies::read().map_err(|error| Failure::io("read", Path::new("/proc/self/cgroup"), error))?;
    let path = Path::new(name);
    let (there, missing): (BTreeSet<_>, BTreeSet<_>) =
        needed.iter().copied().partition(|controller| all.version(*controller).is_some());
    for controller in missing {
        let why = "no cgroup hierarchy here has this controller".to_owned();
        prepared.not_applied.push(NotApplied { what: controller.name(), why });
    }
    let places = match all.places(path, &there) {
        Err(why) if why.is_denied() => apart(&all, path, &there, &why, &mut prepared.not_applied),
        places => places?,
    };
    let groups: Vec<PathBuf> = places.iter().map(|place| place.base.join(path)).collect();
    let list = groups.iter().fold(String::new(), |list, group| list + &group.display().to_string() + "\n");
    let file = state.path().join(FILE);
    // Before there is anything to be removed.
    fs::write(&file, list).map_err(|error| Failure::io("write", &file, error))?;
    let mut swap = true;
    for (place, group) in places.iter().zip(&groups) {
        match begin(place, group) {
            Err(why) if why.is_denied() => {
                let why = words(&why);
                let names = place.controllers.iter().map(|controller| controller.name());
                prepared.not_applied.extend(names.map(|what| NotApplied { what, why: why.clone() }));
                continue;
            }
            made => made?,
        }
        prepared.path = Some(path.to_path_buf());
        if place.controllers.contains(&Controller::Memory) {
            let files = ["memory.memsw.limit_in_bytes", "memory.swap.max"];
            swap = files.iter().any(|file| group.join(file).exists());
        }
        let mut together = without(together, &prepared.not_applied);
        if !swap && let Some(memory) = together.memory_mut() {
            memory.set_swap(None);
        }
        fill(place, group, &together)?;
    }
    if !swap {
        let why = "the kernel does not account for swap".to_owned();
        prepared.not_applied.push(NotApplied { what: "swap", why });
    }
    Ok(prepared)
}

/// Where not all controllers can be had, those that can be had at the same place.
fn apart(
    all: &Hierarchies,
    path: &Path,
    needed: &BTreeSet<Controller>,
    why: &Failure,
    not_applied: &mut Vec<NotApplied>,
) -> Vec<Place> {
    let mut kept = BTreeSet::new();
    let mut places = Vec::new();
    for controller in needed {
        let mut more = kept.clone();
        more.insert(*controller);
        match all.places(path, &more) {
            Ok(found) => (kept, places) = (more, found),
            Err(_) => not_applied.push(NotApplied { what: controller.name(), why: words(why) }),
        }
    }
    places
}

fn words(failure: &Failure) -> String {
    match failure {
        Failure::Io { source, .. } => {
            let source = source.to_string();
            let source = source.split(" (os error").next().unwrap_or(&source);
            let hint = if crate::observe::is_machine_root() {
                ""
            } else {
                "; without root the caller needs a group of cgroup v2 that was handed to it, as by systemd-run --user --scope -p Delegate=yes"
            };
            format!("{failure}: {source}{hint}")
        }
        other => other.to_string(),
    }
}

/// The resources less what cannot be had.
pub(crate) fn without(resources: &LinuxResources, not_applied: &[NotApplied]) -> LinuxResources {
    let mut left = resources.clone();
    for NotApplied { what, .. } in not_applied {
        let unified = left.unified().clone().map(|mut files| {
            files.retain(|file, _| file.split('.').next() != Some(what));
            files
        });
        left.set_unified(unified.filter(|files| !files.is_empty()));
        match *what {
            "memory" => _ = left.set_memory(None),
            "pids" => _ = left.set_pids(None),
            "hugetlb" => _ = left.set_hugepage_limits(None),
            "swap" => {
                if let Some(memory) = left.memory_mut() {
                    memory.set_swap(None);
                }
            }
            "cpu" => {
                if let Some(cpu) = left.cpu_mut() {
                    cpu.set_shares(None).set_quota(None).set_period(None);
                }
            }
            "cpuset" => {
                if let Some(cpu) = left.cpu_mut() {
                    cpu.set_cpus(None).set_mems(None);
                }
            }
            _ => {}
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::{LinuxCpuBuilder, LinuxMemoryBuilder};

    use super::*;

    #[test]
    fn what_cannot_be_had_is_taken_out_and_the_rest_stays() {
        let mut resources = LinuxResources::default();
        resources.set_cpu(Some(LinuxCpuBuilder::default().shares(2_u64).cpus("0").build().unwrap()));
        resources.set_memory(Some(LinuxMemoryBuilder::default().limit(4096).swap(4096).build().unwrap()));
        let not = |what| NotApplied { what, why: String::new() };
        let left = super::super::controllers(&without(&resources, &[not("cpu"), not("memory")]));
        assert_eq!(left, BTreeSet::from([Controller::Cpuset]));
        let left = without(&resources, &[not("swap")]);
        assert_eq!(left.memory().as_ref().map(|memory| (memory.limit(), memory.swap())), Some((Some(4096), None)));
    }
}
