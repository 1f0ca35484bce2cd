//! Which container of which pod a process is declared as.

use ringfence_context::effective::EffectivePod;
use ringfence_manifest::{Workload, WorkloadKind};

use super::container::Container;

/// How well a workload fits a running container; the best one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fit {
    /// It was named, and nothing is known of the container's pod.
    Named,
    /// The pod is called as those that this workload's controller makes.
    Template,
    /// It is the pod itself.
    Pod,
}

/// How a workload fits a container; `None` where it is another's.
pub(crate) fn fit(workload: &Workload, container: Option<&Container>, named: bool) -> Option<Fit> {
    let known = container.filter(|container| !container.pod.is_empty());
    let Some(container) = known else { return named.then_some(Fit::Named) };
    let namespace = workload.namespace();
    if !namespace.is_empty() && !container.namespace.is_empty() && namespace != container.namespace {
        return None;
    }
    let name = workload.name();
    match workload.kind {
        WorkloadKind::Pod if name == container.pod => Some(Fit::Pod),
        WorkloadKind::Pod => None,
        _ if is_made_from(name, &container.pod) => Some(Fit::Template),
        _ => None,
    }
}

/// Whether a pod's name is one that a controller gives: the workload's, and more behind a hyphen.
fn is_made_from(workload: &str, pod: &str) -> bool {
    !workload.is_empty() && pod.strip_prefix(workload).is_some_and(|rest| rest.len() > 1 && rest.starts_with('-'))
}

/// The container of the pod by the name that it has here, or the only one.
pub(crate) fn index(pod: &EffectivePod, name: Option<&str>) -> Result<usize, String> {
    let names: Vec<_> = pod.containers.iter().map(|container| container.name.as_str()).collect();
    match name {
        Some(name) => names
            .iter()
            .position(|one| *one == name)
            .ok_or_else(|| format!("the manifest has no container called {name:?}; it has {}", names.join(", "))),
        None if names.len() == 1 => Ok(0),
        None => Err(format!(
            "which container of the manifest it is, is not known; name it with --name: {}",
            names.join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_of_a_controller_has_its_name_and_more() {
        assert!(is_made_from("web", "web-7d9f-abcde"));
        assert!(!is_made_from("web", "webber-1"));
        assert!(!is_made_from("web", "web"));
        assert!(!is_made_from("web", "web-"));
        assert!(!is_made_from("", "-x"));
    }
}
