//! `mounts`: the file systems of every container, then `/dev/shm`, the files in `/etc` and the volumes, parents first.

use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::Mount;
use ringfence_context::effective::EffectiveContainer;
use ringfence_context::process::Namespace;

use super::{Held, SpecOptions, VolumeMount, VolumeSource};

/// A mount of the spec.
pub(crate) fn mount(destination: impl Into<PathBuf>, typ: &str, source: impl Into<PathBuf>, options: &[&str]) -> Mount {
    let mut mount = Mount::default();
    mount.set_destination(destination.into());
    mount.set_typ(Some(typ.to_owned()));
    mount.set_source(Some(source.into()));
    mount.set_options(Some(options.iter().map(|option| (*option).to_owned()).collect()));
    mount
}

pub(super) fn mounts(
    container: &EffectiveContainer,
    privileged: bool,
    read_only_root: bool,
    options: &SpecOptions<'_>,
) -> Vec<Mount> {
    let mut later = supplied(container, read_only_root, options);
    // A parent must not hide a child that was mounted before it.
    later.sort_by_key(|mount| depth(mount.destination()));

    let dev_is_supplied = later.iter().any(|mount| clean(mount.destination()) == Path::new("/dev"));
    let default = defaults(container, privileged, options).into_iter().filter(|default| {
        let destination = default.destination();
        let replaced = later.iter().any(|mount| clean(mount.destination()) == *destination);
        let hidden = dev_is_supplied && destination.starts_with("/dev") && destination != Path::new("/dev");
        !replaced && !hidden
    });

    let mut all = options.root_mounts.to_vec();
    all.extend(default);
    all.extend(later);
    all.extend_from_slice(options.extra_mounts);
    all
}

/// What `pkg/oci` of containerd mounts in every container, less `/run`, and the cgroup hierarchy.
fn defaults(container: &EffectiveContainer, privileged: bool, options: &SpecOptions<'_>) -> Vec<Mount> {
    let access = if privileged { "rw" } else { "ro" };
    let mut pts = vec!["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"];
    // The group tty; mounting fails where the user namespace does not have it.
    if options.id_mappings.is_none_or(|mappings| mappings.outside_gid(5).is_some()) {
        pts.push("gid=5");
    }
    let mut list = vec![
        mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount("/dev/pts", "devpts", "devpts", &pts),
        mount("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
        mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
    ];
    let own_user = container.namespaces.user == Namespace::Own || options.unprivileged;
    if own_user && container.namespaces.net == Namespace::Host {
        // A sysfs shows a network namespace, and only its owner may mount it.
        list.push(mount("/sys", "bind", "/sys", &["rbind", "rro", "nosuid", "nodev", "noexec"]));
        if options.host.cgroup_mount {
            // Nothing of the machine's cgroups, which are below it.
            list.push(mount("/sys/fs/cgroup", "tmpfs", "tmpfs", &["nosuid", "noexec", "nodev", "ro", "mode=755"]));
        }
    } else {
        list.push(mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", access]));
        if options.host.cgroup_mount && !options.unprivileged {
            list.push(mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", access]));
        }
    }
    list
}

/// What the kubelet and the CRI runtime add.
fn supplied(container: &EffectiveContainer, read_only_root: bool, options: &SpecOptions<'_>) -> Vec<Mount> {
    let mut list: Vec<Mount> = options.volumes.iter().map(volume).collect();
    let taken = |list: &[Mount], path: &str| list.iter().any(|mount| clean(mount.destination()) == Path::new(path));
    let etc = [
        ("/etc/hostname", &options.etc.hostname),
        ("/etc/hosts", &options.etc.hosts),
        ("/etc/resolv.conf", &options.etc.resolv_conf),
    ];
    for (destination, source) in etc {
        if let Some(source) = source
            && !taken(&list, destination)
        {
            list.push(bind(destination, source, read_only_root, "rprivate"));
        }
    }
    if !taken(&list, "/dev/shm") {
        if container.namespaces.ipc == Namespace::Host {
            list.push(bind("/dev/shm", Path::new("/dev/shm"), false, "rprivate"));
        } else if let Some(shm) = options.shm {
            list.push(bind("/dev/shm", shm, false, "rprivate"));
        }
    }
    list
}

fn volume(volume: &VolumeMount) -> Mount {
    match &volume.source {
        VolumeSource::Held(Held { path: source, .. }) | VolumeSource::Path(source) => {
            let mut mount = bind(&volume.mount_path, source, volume.read_only, propagation(&volume.propagation));
            if volume.read_only && volume.recursive_read_only {
                // As containerd asks the OCI runtime for it (`internal/cri/opts/spec_linux_opts.go`).
                let options = mount.options().iter().flatten().filter(|option| *option != "ro").cloned();
                mount.set_options(Some(options.chain(["rro".to_owned()]).collect()));
            }
            if let VolumeSource::Held(Held { inode: (device, inode), .. }) = &volume.source {
                let must_be = format!("{}{device}:{inode}", super::INODE);
                mount.set_options(Some(mount.options().iter().flatten().cloned().chain([must_be]).collect()));
            }
            mount
        }
        VolumeSource::Tmpfs { mode, gid, size } => {
            let mut options = vec![format!("mode={mode:o}")];
            options.extend(gid.map(|gid| format!("gid={gid}")));
            options.extend(size.map(|size| format!("size={size}")));
            options.extend(volume.read_only.then(|| "ro".to_owned()));
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            mount(&volume.mount_path, "tmpfs", "tmpfs", &options)
        }
    }
}

fn bind(destination: &str, source: &Path, read_only: bool, propagation: &str) -> Mount {
    mount(destination, "bind", source, &["rbind", propagation, if read_only { "ro" } else { "rw" }])
}

fn propagation(mode: &str) -> &'static str {
    match mode {
        "Bidirectional" => "rshared",
        "HostToContainer" => "rslave",
        _ => "rprivate",
    }
}

/// `linux.rootfsPropagation`, which must let through what the volumes ask for.
pub(super) fn root_propagation(volumes: &[VolumeMount]) -> Option<&'static str> {
    let asked = |mode: &str| volumes.iter().any(|volume| volume.propagation == mode);
    if asked("Bidirectional") {
        Some("rshared")
    } else if asked("HostToContainer") {
        Some("rslave")
    } else {
        None
    }
}

/// The path without `.`, `..` and doubled slashes, as Go's `filepath.Clean` leaves an absolute one.
pub(crate) fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    clean
}

fn depth(path: &Path) -> usize {
    clean(path).components().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_does() {
        assert_eq!(clean(Path::new("/a/./b/../../../c//d/")), Path::new("/c/d"));
        assert_eq!(clean(Path::new("..")), Path::new("/"));
    }

    #[test]
    fn the_widest_propagation_decides_for_the_root() {
        let of = |propagation: &str| VolumeMount {
            mount_path: "/v".to_owned(),
            source: VolumeSource::Path("/v".into()),
            read_only: false,
            recursive_read_only: false,
            propagation: propagation.to_owned(),
        };
        assert_eq!(root_propagation(&[of("HostToContainer"), of("Bidirectional")]), Some("rshared"));
        assert_eq!(root_propagation(&[of("HostToContainer"), of("None")]), Some("rslave"));
        assert_eq!(root_propagation(&[of("")]), None);
    }
}
