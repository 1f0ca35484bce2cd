//! Pods that run here, as people name them.

use ringfence_runtime::state::{self, ContainerState, FoundPod, ProcessRecord};

use crate::commands::chain;

/// All of them.
pub(crate) fn all() -> Result<Vec<FoundPod>, String> {
    state::base_dir().and_then(|base| state::pods_in(&base)).map_err(|error| chain(&error))
}

/// The one with this name, `NAMESPACE/NAME` or ID, or the only one whose ID begins like this.
pub(crate) fn find(name: &str) -> Result<FoundPod, String> {
    let pods = all()?;
    let titles: Vec<String> = pods.iter().map(|pod| pod.record.name.clone()).collect();
    let named = |pod: &FoundPod| {
        let record = &pod.record;
        record.name == name || record.id == name || format!("{}/{}", record.namespace, record.name) == name
    };
    let (named, others): (Vec<_>, Vec<_>) = pods.into_iter().partition(named);
    let mut found = if named.is_empty() && name.len() >= 4 {
        others.into_iter().filter(|pod| pod.record.id.starts_with(name)).collect()
    } else {
        named
    };
    match (found.pop(), found.len()) {
        (Some(pod), 0) => Ok(pod),
        (Some(last), _) => {
            let ids: Vec<_> = found.iter().chain([&last]).map(|pod| pod.record.id.as_str()).collect();
            Err(format!("more than one pod is called {name:?}; name one by its ID: {}", ids.join(", ")))
        }
        (None, _) if titles.is_empty() => Err(format!("no pod is called {name:?}; none runs here")),
        (None, _) => Err(format!("no pod is called {name:?}; there is {}", titles.join(", "))),
    }
}

/// The container of this name, or the first main one.
pub(crate) fn container(pod: &FoundPod, name: Option<&str>) -> Result<String, String> {
    let containers = &pod.record.containers;
    let found = match name {
        Some(name) => containers.iter().find(|container| container.name == name),
        None => containers.iter().find(|container| container.kind == "main").or(containers.first()),
    };
    let names: Vec<_> = containers.iter().map(|container| container.name.as_str()).collect();
    match (found, name) {
        (Some(found), _) => Ok(found.name.clone()),
        (None, Some(name)) => {
            Err(format!("the pod has no container called {name:?} here; it has {}", names.join(", ")))
        }
        (None, None) => Err("the pod has no container yet".to_owned()),
    }
}

/// The first process of a container that runs.
pub(crate) fn process(pod: &FoundPod, container: &str) -> Result<ProcessRecord, String> {
    let state = pod.record.containers.iter().find(|one| one.name == container).map(|one| &one.state);
    match state {
        Some(ContainerState::Running { process, .. }) if process.lives() => Ok(process.clone()),
        Some(ContainerState::Waiting { reason, message }) => {
            let message = if message.is_empty() { String::new() } else { format!(" ({message})") };
            Err(format!("container {container:?} does not run: {reason}{message}"))
        }
        Some(ContainerState::Terminated { exit_code, .. }) => {
            Err(format!("container {container:?} does not run: it ended with {exit_code}"))
        }
        _ => Err(format!("container {container:?} does not run")),
    }
}
