//! Control groups: their version and controllers (cgroups(7)).

use ringfence_context::facts::NodeFacts;

use super::files::Files;

pub(super) fn look(files: &Files, facts: &mut NodeFacts) {
    const ROOT: &str = "sys/fs/cgroup";
    let (version, mut controllers): (_, Vec<String>) = match files.read(&format!("{ROOT}/cgroup.controllers")) {
        Ok(text) => {
            let mut controllers: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            // Not a controller of its own: freezing and devices are always there, hugetlb and misc are listed.
            controllers.dedup();
            (Some("v2"), controllers)
        }
        Err(_) if files.exists(&format!("{ROOT}/unified/cgroup.procs")) => (Some("hybrid"), of_v1(files)),
        Err(_) if files.names(ROOT).is_ok_and(|names| names.iter().any(|name| name == "memory" || name == "pids")) => {
            (Some("v1"), of_v1(files))
        }
        Err(_) => (None, vec![]),
    };
    controllers.sort();
    match version {
        Some(version) => {
            facts.cgroups = Some(version.to_owned());
            facts.cgroup_controllers = Some(controllers);
        }
        None => super::kernel::unknown(facts, "cgroups", "no cgroup hierarchy is mounted on /sys/fs/cgroup"),
    }
}

/// `/proc/cgroups`: name, hierarchy, number of groups, enabled.
fn of_v1(files: &Files) -> Vec<String> {
    let text = files.read("proc/cgroups").unwrap_or_default();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let fields = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    fields
        .filter(|fields| fields.get(3) == Some(&"1"))
        .filter_map(|fields| Some((*fields.first()?).to_owned()))
        .collect()
}
