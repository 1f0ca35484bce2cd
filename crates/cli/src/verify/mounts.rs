//! The mounts of a process, held against those that its container has by declaration.

use std::path::{Path, PathBuf};

use oci_spec::runtime::{Mount, Spec};
use ringfence_runtime::observe::{MountInfo, Outside, ProcessHandle, Propagation};

use crate::view::{Agreement, Row};

/// A mount that there should be. What is `None` is not known and not compared.
#[derive(Clone, Debug, Default)]
pub(super) struct Expected {
    pub(super) path: String,
    pub(super) read_only: Option<bool>,
    pub(super) propagation: Option<Propagation>,
    /// The type of its file system.
    pub(super) kind: Option<&'static str>,
    /// What is written, and where.
    pub(super) declared: Option<(String, String)>,
    /// Why it should be there.
    pub(super) origin: String,
    /// Whether what else is mounted below it is its own affair.
    pub(super) recursive: bool,
    /// Whether it shows cgroups: then it is the hierarchies below that are read-only.
    pub(super) cgroups: bool,
}

/// What a runtime mounts in every container, beside its volumes.
const OF_RUNTIME: [&str; 18] = [
    "/",
    "/proc",
    "/dev",
    "/dev/pts",
    "/dev/shm",
    "/dev/mqueue",
    "/dev/console",
    "/dev/termination-log",
    "/sys",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/run/.containerenv",
    "/run/secrets",
    "/var/run/secrets/kubernetes.io/serviceaccount",
    "/run/secrets/kubernetes.io/serviceaccount",
    "/sys/fs/cgroup",
    "/etc/mtab",
];

/// Devices that a runtime mounts one by one where it may not make them.
const DEVICES: [&str; 7] =
    ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx"];

/// The mounts that a specification asks for.
pub(super) fn of_spec(spec: &Spec, origin: &str) -> Vec<Expected> {
    spec.mounts().iter().flatten().filter_map(|mount| of_mount(mount, origin)).collect()
}

fn of_mount(mount: &Mount, origin: &str) -> Option<Expected> {
    let options = mount.options().clone().unwrap_or_default();
    let last = |names: &[&str]| options.iter().rev().find(|option| names.contains(&option.as_str()));
    let bind = mount.typ().as_deref() == Some("bind") || last(&["bind", "rbind"]).is_some();
    let read_only = last(&["ro", "rw", "rro"]).map(|option| option != "rw");
    let propagation =
        last(&["private", "rprivate", "slave", "rslave", "shared", "rshared"]).map(|option| match &**option {
            "shared" | "rshared" => Propagation::Shared,
            "slave" | "rslave" => Propagation::Slave,
            _ => Propagation::Private,
        });
    let kind = match mount.typ().as_deref() {
        Some("tmpfs") if !bind => Some("tmpfs"),
        Some("proc") => Some("proc"),
        Some("sysfs") => Some("sysfs"),
        Some("mqueue") => Some("mqueue"),
        _ => None,
    };
    let cgroup = mount.typ().as_deref() == Some("cgroup");
    // runc mounts the host's /sys where it may not mount a sysfs.
    let bare = !bind && kind.is_none();
    Some(Expected {
        path: mount.destination().to_str()?.to_owned(),
        read_only: if bare && !cgroup { None } else { read_only.or(bind.then_some(false)) },
        propagation: propagation.filter(|_| bind),
        kind,
        declared: None,
        origin: origin.to_owned(),
        recursive: cgroup || last(&["rbind"]).is_some(),
        cgroups: cgroup,
    })
}

/// Every expected mount as a row, and every mount that nobody expects. `others` are the mounts that the container has
/// beside its volumes, `covered` the paths over which the runtime mounts again to hide them or make them read-only.
pub(super) fn rows(
    process: &ProcessHandle,
    seen: &Outside,
    expected: &[Expected],
    others: &[Expected],
    covered: &[String],
) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut known: Vec<(String, bool)> = Vec::new();
    for mount in expected {
        let found = find(process, &seen.mounts, &mount.path);
        known.push((found.map_or(&mount.path, |found| &found.mount_point).clone(), mount.recursive));
        rows.push(row(mount, found, &seen.mounts));
    }
    for mount in others {
        let found = find(process, &seen.mounts, &mount.path);
        known.push((found.map_or(&mount.path, |found| &found.mount_point).clone(), mount.recursive));
    }
    for path in OF_RUNTIME.iter().chain(&DEVICES) {
        known.push(((*path).to_owned(), *path == "/sys/fs/cgroup"));
    }
    let is_known = |path: &str| {
        known.iter().any(|(known, recursive)| known == path || *recursive && Path::new(path).starts_with(known))
    };
    let mut told: Vec<&str> = Vec::new();
    rows.extend(stacked(&seen.mounts, &|path| is_known(path) && !covered.iter().any(|covered| covered == path)));
    for mount in &seen.mounts {
        let path = mount.mount_point.as_str();
        // Of those that lie over each other the last one shows.
        if is_known(path) || told.contains(&path) {
            continue;
        }
        told.push(path);
        let shown = seen.mounts.iter().rfind(|other| other.mount_point == path).unwrap_or(mount);
        rows.push(Row {
            field: format!("mount {path}"),
            declared: None,
            computed: "none".to_owned(),
            origin: "nothing is declared there".to_owned(),
            observed: Some(words(shown)),
            agreement: Agreement::Differs,
        });
    }
    rows
}

/// Where somebody has mounted over what there should be: a runtime mounts once at each path.
fn stacked(mounts: &[MountInfo], is_known: &dyn Fn(&str) -> bool) -> Vec<Row> {
    let at = |path: &str| mounts.iter().filter(|mount| mount.mount_point == path).count();
    let last = |index: usize, mount: &MountInfo| {
        mounts.iter().rposition(|other| other.mount_point == mount.mount_point) == Some(index)
    };
    let over = mounts.iter().enumerate().filter(|(index, mount)| {
        let path = mount.mount_point.as_str();
        // The root may lie over that of the runtime.
        path != "/" && is_known(path) && last(*index, mount) && at(path) > 1
    });
    over.map(|(_, mount)| Row {
        field: format!("mount over {}", mount.mount_point),
        declared: None,
        computed: "none".to_owned(),
        origin: "runtime: it mounts once at each path".to_owned(),
        observed: Some(words(mount)),
        agreement: Agreement::Differs,
    })
    .collect()
}

/// The mount that shows at a path, links followed within the process's root.
fn find<'m>(process: &ProcessHandle, mounts: &'m [MountInfo], path: &str) -> Option<&'m MountInfo> {
    match process.mount_at(Path::new(path)) {
        Ok(Some(at)) if at.id != 0 => mounts.iter().find(|mount| mount.id == at.id).filter(|_| at.is_root),
        Ok(None) => None,
        // Without the right to look there, or without the number, the name has to do.
        _ => mounts.iter().rfind(|mount| Path::new(&mount.mount_point) == clean(path)),
    }
}

fn clean(path: &str) -> PathBuf {
    Path::new(path).components().collect()
}

fn row(mount: &Expected, found: Option<&MountInfo>, all: &[MountInfo]) -> Row {
    let mut wanted = Vec::new();
    let mut agrees = found.is_some();
    let mut part = |text: String, same: bool| {
        wanted.push(text);
        agrees &= same;
    };
    if let Some(kind) = mount.kind {
        part(kind.to_owned(), found.is_some_and(|found| found.fs_type == kind));
    }
    let mut observed = found.map_or_else(|| "not mounted".to_owned(), words);
    if let Some(read_only) = mount.read_only.filter(|_| mount.cgroups) {
        // runc leaves the directory of cgroup v1 writable, in which nothing can be made but names.
        let hierarchy = |other: &&MountInfo| {
            other.fs_type.starts_with("cgroup") && Path::new(&other.mount_point).starts_with(&mount.path)
        };
        let other = all.iter().filter(hierarchy).find(|other| read_only && !other.is_read_only());
        part(if read_only { "ro" } else { "rw" }.to_owned(), other.is_none());
        if let Some(other) = other {
            observed = format!("{}: {}", other.mount_point, words(other));
        }
    } else if let Some(read_only) = mount.read_only {
        let same = found.is_some_and(|found| {
            // A file system may be read-only of itself.
            found.is_read_only() == read_only || !read_only && !found.options.iter().any(|option| option == "ro")
        });
        part(if read_only { "ro" } else { "rw" }.to_owned(), same);
    }
    if let Some(propagation) = mount.propagation {
        part(propagation.as_str().to_owned(), found.is_some_and(|found| found.propagation == propagation));
    }
    Row {
        field: format!("mount {}", mount.path),
        declared: mount.declared.clone(),
        computed: if wanted.is_empty() { "mounted".to_owned() } else { wanted.join(", ") },
        origin: mount.origin.clone(),
        observed: Some(observed),
        agreement: if agrees { Agreement::Agrees } else { Agreement::Differs },
    }
}

/// A mount as it is shown: what, how, and with whom it is shared.
fn words(mount: &MountInfo) -> String {
    let access = if mount.is_read_only() { "ro" } else { "rw" };
    let part = if mount.root == "/" { String::new() } else { format!(" {}", mount.root) };
    format!("{}{part}, {access}, {}", mount.fs_type, mount.propagation.as_str())
}

/// The paths that the runtime was told to hide or to make read-only, where they are not.
pub(super) fn covered(process: &ProcessHandle, spec: &Spec, origin: &str) -> Vec<Row> {
    let linux = spec.linux().as_ref();
    let masked = linux.and_then(|linux| linux.masked_paths().as_ref()).into_iter().flatten();
    let read_only = linux.and_then(|linux| linux.readonly_paths().as_ref()).into_iter().flatten();
    let row = |path: &str, wanted: &str, holds: bool, otherwise: &str| Row {
        field: format!("path {path}"),
        declared: None,
        computed: wanted.to_owned(),
        origin: origin.to_owned(),
        observed: Some(if holds { wanted } else { otherwise }.to_owned()),
        agreement: if holds { Agreement::Agrees } else { Agreement::Differs },
    };
    // What is not there needs no cover, and what cannot be looked at is told of elsewhere.
    let at = |path: &str| process.mount_at(Path::new(path)).ok().flatten();
    let masked = masked.filter_map(|path| Some(row(path, "hidden", at(path)?.is_root, "visible")));
    let read_only = read_only.filter_map(|path| Some(row(path, "read-only", at(path)?.read_only, "writable")));
    masked.chain(read_only).collect()
}

/// The paths that the runtime hides or makes read-only.
pub(super) fn covered_paths(spec: &Spec) -> Vec<String> {
    let linux = spec.linux().as_ref();
    let masked = linux.and_then(|linux| linux.masked_paths().as_ref()).into_iter().flatten();
    let read_only = linux.and_then(|linux| linux.readonly_paths().as_ref()).into_iter().flatten();
    masked.chain(read_only).cloned().collect()
}

/// What the runtime covers, and the devices, which are no mounts of anybody's.
pub(super) fn covers(spec: &Spec) -> Vec<Expected> {
    let devices = spec.linux().as_ref().and_then(|linux| linux.devices().as_ref()).into_iter().flatten();
    let devices = devices.filter_map(|device| device.path().to_str().map(str::to_owned));
    let paths = covered_paths(spec).into_iter().chain(devices);
    paths.map(|path| Expected { path, ..Expected::default() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringfence_runtime::observe::parse_mountinfo;

    #[test]
    fn a_mount_differs_in_kind_access_or_propagation() {
        let mounts =
            parse_mountinfo("36 35 98:0 /x /data ro - tmpfs tmpfs rw\n37 35 98:0 / /v rw shared:3 - ext4 /d rw\n");
        let agreement = |path: &str, read_only, propagation, kind, found: usize| {
            let expected = Expected { path: path.to_owned(), read_only, propagation, kind, ..Expected::default() };
            row(&expected, mounts.get(found), &mounts).agreement
        };
        let private = Some(Propagation::Private);
        assert_eq!(agreement("/data", Some(true), private, Some("tmpfs"), 0), Agreement::Agrees);
        assert_eq!(agreement("/data", Some(false), None, None, 0), Agreement::Differs);
        assert_eq!(agreement("/v", Some(false), private, None, 1), Agreement::Differs);
        assert_eq!(agreement("/v", None, None, Some("tmpfs"), 1), Agreement::Differs);
        assert_eq!(agreement("/v", None, None, None, 2), Agreement::Differs);
    }

    #[test]
    fn a_specification_says_what_is_mounted_and_how() {
        let spec: Spec = serde_json::from_str(
            r#"{"ociVersion": "1.0.2", "mounts": [
                {"destination": "/v", "type": "bind", "source": "/s", "options": ["rbind", "rslave", "ro"]},
                {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid"]}]}"#,
        )
        .unwrap();
        let mounts = of_spec(&spec, "");
        assert_eq!((mounts[0].read_only, mounts[0].propagation), (Some(true), Some(Propagation::Slave)));
        assert_eq!((mounts[1].kind, mounts[1].read_only, mounts[1].propagation), (Some("proc"), None, None));
    }
}
