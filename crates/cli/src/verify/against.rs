//! What a process should be, from a manifest or from the specification that its runtime was given, row by row beside
//! what it is.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;

use k8s_openapi::api::core::v1::VolumeMount;
use oci_spec::runtime::{LinuxNamespaceType as Type, Spec};
use ringfence_context::capability::CapSet;
use ringfence_context::effective::{EffectiveContainer, EffectiveMount, Medium, VolumeKind};
use ringfence_context::process::{CapabilitySets, Namespace, Namespaces, ProcessState};
use ringfence_manifest::Workload;
use ringfence_runtime::observe::{NamespaceIds, Outside, ProcessHandle, Propagation};
use ringfence_runtime::spec::predict;

use super::container::Container;
use super::mounts::{self, Expected};
use super::narrower::is_narrower;
use crate::pods::Written;
use crate::view::{self, Agreement, Declared as _, Row};

/// What came of a comparison.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    /// What was compared.
    pub(crate) rows: Vec<Row>,
    /// What is not known of the declaration, by field, and why.
    pub(crate) not_known: BTreeMap<String, String>,
    pub(crate) expected: ProcessState,
}

impl Compared {
    /// Whether a row that differs is one in which the process has less.
    pub(crate) fn is_narrower(&self, row: &Row, seen: &Outside) -> bool {
        is_narrower(&row.field, &self.expected, &seen.state)
    }
}

/// Fields that a context decides; the rows of mounts are made here.
const FIELDS: [&str; 17] = [
    "user",
    "group",
    "groups",
    "effective",
    "permitted",
    "bounding",
    "inheritable",
    "ambient",
    "no_new_privs",
    "seccomp",
    "AppArmor",
    "SELinux",
    "read-only root",
    "/proc masked",
    "pid namespace",
    "ipc namespace",
    "net namespace",
];
const MORE_FIELDS: [&str; 2] = ["uts namespace", "user namespace"];

/// Against the container of a manifest. What the manifest cannot tell, such as what the image says of users, is taken
/// from what the runtime was told, where that is known.
pub(crate) fn manifest(
    process: &ProcessHandle,
    seen: &Outside,
    effective: &EffectiveContainer,
    written: &Written<'_>,
    container: Option<&Container>,
) -> Compared {
    let mut computed = effective.process();
    let spec = container.and_then(|container| container.spec.as_ref().ok());
    let all = view::rows(effective, &computed, Some(&seen.state), &seen.not_seen, written);
    let mut rows: Vec<Row> = all.into_iter().filter(|row| is_field(&row.field)).collect();
    if let Some(container) = container
        && let Some(spec) = spec
    {
        let mut told = predict(spec);
        if let Some(groups) = told.groups.as_mut() {
            // Those that the manifest gives have to be among them.
            groups.extend(effective.user.certain_groups.iter().map(|group| group.gid));
            groups.sort_unstable();
            groups.dedup();
        }
        let others = of_state(&told, seen, &origin_of(container));
        for row in &mut rows {
            if row.computed != "unknown" {
                continue;
            }
            if let Some(other) = others.iter().find(|other| other.field == row.field && other.computed != "unknown") {
                row.computed.clone_from(&other.computed);
                row.agreement = other.agreement;
                row.origin = format!("{}; {}", other.origin, row.origin);
            }
        }
        fill(&mut computed, told);
    }
    certain_groups(&mut rows, effective, seen);
    labels(&mut rows, &computed, seen);
    if let Some(refusal) = &effective.refusal {
        rows.insert(
            0,
            Row {
                field: "start".to_owned(),
                declared: None,
                computed: format!("refused, {}", refusal.reason.as_str()),
                origin: refusal.message.clone(),
                observed: Some("runs".to_owned()),
                agreement: Agreement::Differs,
            },
        );
    }
    own_ids(&mut rows, seen);
    if !seen.mounts.is_empty() {
        let volumes = volumes(effective, written);
        let mut others = spec.map(mounts::covers).unwrap_or_default();
        let is_own = container.is_some_and(Container::is_own);
        let others_of_spec = spec.map(|spec| mounts::of_spec(spec, "")).unwrap_or_default();
        // What a run of ringfence mounts beside volumes makes up its root file system. A runtime adds the image's own
        // volumes, which lie in a directory of the container.
        let image_volumes = spec.map(|spec| image_volumes(spec, container)).unwrap_or_default();
        others.extend(others_of_spec.into_iter().filter(|mount| is_own || image_volumes.contains(&mount.path)));
        others.extend(
            effective
                .masked_paths
                .iter()
                .chain(&effective.readonly_paths)
                .map(|path| Expected { path: path.clone(), ..Expected::default() }),
        );
        others.extend(termination_path(effective, written.workload));
        let covered = spec.map(mounts::covered_paths).unwrap_or_default();
        rows.extend(mounts::rows(process, seen, &volumes, &others, &covered));
        if let (Some(spec), Some(container)) = (spec, container) {
            rows.extend(mounts::covered(process, spec, &origin_of(container)));
            if !is_own {
                rows.extend(sources(effective, spec));
            }
        }
    }
    if let Some(spec) = spec {
        rows.extend(joined(process, spec));
    }
    finish(rows, seen, computed)
}

/// Against what the OCI runtime was given.
pub(crate) fn specification(
    process: &ProcessHandle,
    seen: &Outside,
    spec: &Spec,
    container: &Container,
    host: &NamespaceIds,
) -> Compared {
    let mut expected = predict(spec);
    expected.namespaces = expected.namespaces.and_then(|told| named_namespaces(spec, told, host));
    let origin = origin_of(container);
    let mut rows = of_state(&expected, seen, &origin);
    own_ids(&mut rows, seen);
    if !seen.mounts.is_empty() {
        let covered = mounts::covered_paths(spec);
        rows.extend(mounts::rows(process, seen, &mounts::of_spec(spec, &origin), &mounts::covers(spec), &covered));
        rows.extend(mounts::covered(process, spec, &origin));
    }
    rows.extend(joined(process, spec));
    finish(rows, seen, expected)
}

fn is_field(field: &str) -> bool {
    FIELDS.contains(&field) || MORE_FIELDS.contains(&field)
}

fn origin_of(container: &Container) -> String {
    format!("as {} was told at the start", container.runtime)
}

fn finish(mut rows: Vec<Row>, seen: &Outside, expected: ProcessState) -> Compared {
    if !seen.other_threads.is_empty() {
        let threads: Vec<_> = seen.other_threads.iter().map(u32::to_string).collect();
        rows.push(Row {
            field: "threads".to_owned(),
            declared: None,
            computed: "all alike".to_owned(),
            origin: "kernel: credentials and filters are each thread's own".to_owned(),
            observed: Some(format!("{} otherwise than the first", threads.join(" "))),
            agreement: Agreement::Differs,
        });
    }
    let unknown = |row: &Row| row.agreement == Agreement::Open && row.computed == "unknown" && row.observed.is_some();
    let not_known = rows.iter().filter(|row| unknown(row)).map(|row| (row.field.clone(), row.origin.clone())).collect();
    Compared { rows, not_known, expected }
}

/// Where not all groups are known, those that are have to be there.
fn certain_groups(rows: &mut [Row], effective: &EffectiveContainer, seen: &Outside) {
    let Some(row) = rows.iter_mut().find(|row| row.field == "groups" && row.computed == "unknown") else { return };
    let Some(observed) = &seen.state.groups else { return };
    let certain: Vec<u32> = effective.user.certain_groups.iter().map(|group| group.gid).collect();
    if certain.iter().any(|group| !observed.contains(group)) {
        row.computed = format!("{} and those of the image", list(&certain));
        row.agreement = Agreement::Differs;
    }
}

/// A process has a real, a saved and a file-system ID beside the effective one.
fn own_ids(rows: &mut Vec<Row>, seen: &Outside) {
    let Some(status) = &seen.status else { return };
    for (field, ids) in [("user IDs", status.uid), ("group IDs", status.gid)] {
        let same = ids.iter().all(|id| *id == ids[1]);
        let text = ids.map(|id| id.to_string()).join(" ");
        rows.push(Row {
            field: field.to_owned(),
            declared: None,
            computed: "all four the same".to_owned(),
            origin: "runtime: it sets all of them".to_owned(),
            observed: Some(if same { "all four the same".to_owned() } else { text }),
            agreement: if same { Agreement::Agrees } else { Agreement::Differs },
        });
    }
}

/// What is not known, from another prediction.
fn fill(state: &mut ProcessState, other: ProcessState) {
    state.uid = state.uid.or(other.uid);
    state.gid = state.gid.or(other.gid);
    state.groups = state.groups.take().or(other.groups);
    state.capabilities = state.capabilities.or(other.capabilities);
    state.no_new_privileges = state.no_new_privileges.or(other.no_new_privileges);
    state.seccomp_mode = state.seccomp_mode.or(other.seccomp_mode);
    state.read_only_root_filesystem = state.read_only_root_filesystem.or(other.read_only_root_filesystem);
    state.app_armor_profile = state.app_armor_profile.take().or(other.app_armor_profile);
    state.selinux_label = state.selinux_label.take().or(other.selinux_label);
}

/// The rows of LSMs are words for people; here their labels are compared.
fn labels(rows: &mut [Row], expected: &ProcessState, seen: &Outside) {
    for row in rows {
        let (expected, observed) = match row.field.as_str() {
            "AppArmor" => (&expected.app_armor_profile, &seen.state.app_armor_profile),
            "SELinux" => (&expected.selinux_label, &seen.state.selinux_label),
            _ => continue,
        };
        if let (Some(expected), Some(observed)) = (expected, observed) {
            row.computed.clone_from(expected);
            row.observed = Some(observed.clone());
            row.agreement = if expected == observed { Agreement::Agrees } else { Agreement::Differs };
        }
    }
}

/// One of the five sets.
type PickSet = fn(CapabilitySets) -> CapSet;
/// One of the namespaces.
type PickNamespace = fn(Namespaces) -> Namespace;

/// A row for each field of a prediction, under the names that `prove` has for them.
fn of_state(expected: &ProcessState, seen: &Outside, origin: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let observed = &seen.state;
    let mut push = |field: &str, pick: &dyn Fn(&ProcessState) -> Option<String>| {
        let (computed, observed) = (pick(expected), pick(observed));
        let agreement = match (&computed, &observed) {
            (Some(computed), Some(observed)) if computed == observed => Agreement::Agrees,
            (Some(_), Some(_)) => Agreement::Differs,
            _ => Agreement::Open,
        };
        let computed = computed.unwrap_or_else(|| "unknown".to_owned());
        rows.push(Row {
            field: field.to_owned(),
            declared: None,
            computed,
            origin: origin.to_owned(),
            observed,
            agreement,
        });
    };
    let yes = |flag: bool| if flag { "yes" } else { "no" }.to_owned();
    push("user", &|s| s.uid.map(|id| id.to_string()));
    push("group", &|s| s.gid.map(|id| id.to_string()));
    push("groups", &|s| s.groups.as_deref().map(list));
    let sets: [(&str, PickSet); 5] = [
        ("effective", |sets| sets.effective),
        ("permitted", |sets| sets.permitted),
        ("bounding", |sets| sets.bounding),
        ("inheritable", |sets| sets.inheritable),
        ("ambient", |sets| sets.ambient),
    ];
    for (field, pick) in sets {
        push(field, &|s| s.capabilities.map(|sets| pick(sets).to_string()));
    }
    push("no_new_privs", &|s| s.no_new_privileges.map(yes));
    push("seccomp", &|s| s.seccomp_mode.map(|mode| format!("mode {mode}")));
    if observed.app_armor_profile.is_some() || expected.app_armor_profile.is_some() {
        push("AppArmor", &|s| s.app_armor_profile.clone());
    }
    if observed.selinux_label.is_some() || expected.selinux_label.is_some() {
        push("SELinux", &|s| s.selinux_label.clone());
    }
    push("read-only root", &|s| s.read_only_root_filesystem.map(yes));
    push("/proc masked", &|s| s.proc_masked.map(yes));
    let namespaces: [(&str, PickNamespace); 5] = [
        ("pid namespace", |all| all.pid),
        ("ipc namespace", |all| all.ipc),
        ("net namespace", |all| all.net),
        ("uts namespace", |all| all.uts),
        ("user namespace", |all| all.user),
    ];
    for (field, pick) in namespaces {
        push(field, &|s| s.namespaces.map(|all| if pick(all) == Namespace::Host { "host" } else { "own" }.to_owned()));
    }
    rows
}

fn list(ids: &[u32]) -> String {
    if ids.is_empty() { "none".to_owned() } else { ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" ") }
}

/// The mounts of the container's volumes.
fn volumes(effective: &EffectiveContainer, written: &Written<'_>) -> Vec<Expected> {
    let declared = declared_mounts(written.workload, &effective.name);
    effective
        .mounts
        .iter()
        .enumerate()
        .map(|(i, mount)| volume(effective, mount, declared.get(i), i, written))
        .collect()
}

fn volume(
    effective: &EffectiveContainer,
    mount: &EffectiveMount,
    declared: Option<&VolumeMount>,
    index: usize,
    written: &Written<'_>,
) -> Expected {
    let propagation = match declared.and_then(|declared| declared.mount_propagation.as_deref()) {
        Some("Bidirectional") => Propagation::Shared,
        Some("HostToContainer") => Propagation::Slave,
        _ => Propagation::Private,
    };
    let field = format!("{}.volumeMounts[{index}]", effective.path);
    let place = written.declared(&format!("{field}.mountPath")).map(|(_, place)| (mount.volume.clone(), place));
    let memory = matches!(mount.kind, VolumeKind::EmptyDir { medium: Medium::Memory, .. });
    let filled = matches!(
        mount.kind,
        VolumeKind::ConfigMap { .. } | VolumeKind::Secret { .. } | VolumeKind::Projected | VolumeKind::DownwardApi
    );
    Expected {
        path: mount.mount_path.clone(),
        read_only: mount.read_only.get().copied(),
        propagation: Some(propagation),
        kind: memory.then_some("tmpfs"),
        declared: place,
        origin: match mount.read_only.origin() {
            Some(origin) => view::describe(origin),
            None => field,
        },
        recursive: !filled,
        cgroups: false,
    }
}

fn declared_mounts<'w>(workload: &'w Workload, name: &str) -> &'w [VolumeMount] {
    let spec = &workload.spec;
    let all = spec.init_containers.iter().flatten().chain(&spec.containers);
    let found = all.filter(|container| container.name == name).find_map(|container| container.volume_mounts.as_deref());
    let ephemeral = spec.ephemeral_containers.iter().flatten().filter(|container| container.name == name);
    found.or_else(|| ephemeral.into_iter().find_map(|container| container.volume_mounts.as_deref())).unwrap_or_default()
}

/// The file in which a program may say why it ended.
fn termination_path(effective: &EffectiveContainer, workload: &Workload) -> Option<Expected> {
    let all = workload.spec.init_containers.iter().flatten().chain(&workload.spec.containers);
    let path = all
        .filter(|container| container.name == effective.name)
        .find_map(|container| container.termination_message_path.clone())?;
    Some(Expected { path, ..Expected::default() })
}

/// Where the runtime has mounted what the image declares as volumes: from a directory that it has for the container.
fn image_volumes(spec: &Spec, container: Option<&Container>) -> Vec<String> {
    let Some(container) = container else { return Vec::new() };
    let part = format!("/{}/volumes/", container.id);
    let of_image = |mount: &&oci_spec::runtime::Mount| {
        mount.source().as_ref().is_some_and(|source| source.to_string_lossy().contains(&part))
    };
    let mounts = spec.mounts().iter().flatten().filter(of_image);
    mounts.map(|mount| mount.destination().to_string_lossy().into_owned()).collect()
}

/// Whether the runtime was told to mount the paths of the node that the manifest names.
fn sources(effective: &EffectiveContainer, spec: &Spec) -> Vec<Row> {
    let row = |mount: &EffectiveMount| {
        let VolumeKind::HostPath { path, .. } = &mount.kind else { return None };
        let told =
            spec.mounts().iter().flatten().rfind(|told| told.destination().to_str() == Some(&mount.mount_path))?;
        let told = told.source().as_ref()?.to_str()?.to_owned();
        // What a subPath leads to is the kubelet's own mount.
        let same = mount.sub_path.is_none().then(|| std::path::Path::new(&told) == std::path::Path::new(path))?;
        Some(Row {
            field: format!("source of {}", mount.mount_path),
            declared: None,
            computed: path.clone(),
            origin: format!("hostPath of volume {}", mount.volume),
            observed: Some(told),
            agreement: if same { Agreement::Agrees } else { Agreement::Differs },
        })
    };
    effective.mounts.iter().filter_map(row).collect()
}

/// A namespace that is named by a path, such as that of the pod's sandbox, may be the node's. `None` where one cannot be
/// looked at.
fn named_namespaces(spec: &Spec, told: Namespaces, host: &NamespaceIds) -> Option<Namespaces> {
    let mut all = told;
    for namespace in spec.linux().as_ref().and_then(|linux| linux.namespaces().as_ref()).into_iter().flatten() {
        let (name, field) = match namespace.typ() {
            Type::Pid => ("pid", &mut all.pid),
            Type::Ipc => ("ipc", &mut all.ipc),
            Type::Network => ("net", &mut all.net),
            Type::Uts => ("uts", &mut all.uts),
            Type::User => ("user", &mut all.user),
            _ => continue,
        };
        if let Some(path) = namespace.path() {
            let found = std::fs::metadata(path).ok()?.ino();
            *field = if host.0.get(name) == Some(&found) { Namespace::Host } else { Namespace::Own };
        }
    }
    Some(all)
}

/// Namespaces that the process should share with its pod, by the specification's path of each.
fn joined(process: &ProcessHandle, spec: &Spec) -> Vec<Row> {
    let namespaces = spec.linux().as_ref().and_then(|linux| linux.namespaces().as_ref());
    let row = |namespace: &oci_spec::runtime::LinuxNamespace| {
        let name = match namespace.typ() {
            Type::Network => "net".to_owned(),
            Type::Mount => "mnt".to_owned(),
            other => other.to_string(),
        };
        let path = namespace.path().as_ref()?;
        let (wanted, found) = (std::fs::metadata(path).ok()?.ino(), process.namespace(&name).ok()?);
        Some(Row {
            field: format!("pod's {name} namespace"),
            declared: None,
            computed: format!("[{wanted}]"),
            origin: format!("specification: {}", path.display()),
            observed: Some(format!("[{found}]")),
            agreement: if wanted == found { Agreement::Agrees } else { Agreement::Differs },
        })
    };
    namespaces.into_iter().flatten().filter_map(row).collect()
}
