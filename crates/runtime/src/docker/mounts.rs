//! `mounts`: docker's own, those of the command line, and the files in `/etc` (moby `oci/defaults.go`,
//! `daemon.WithMounts`).

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use oci_spec::runtime::Mount;
use ringfence_context::process::Namespace;
use ringfence_docker::value::{MountKind, merge};
use ringfence_docker::{Refusal, value};

use super::{DockerError, DockerRun, named};
use crate::observe;
use crate::spec::{clean, mount};

/// What docker gives /dev/shm where nothing is said.
const SHM_SIZE: i64 = 64 << 20;

/// The group of terminals.
const TTY: u32 = 5;

/// The mounts of every container, less those that the command line replaces.
pub(super) fn defaults(run: &DockerRun<'_>) -> Vec<Mount> {
    let access = if run.container.privileged { "rw" } else { "ro" };
    let shm = format!("size={}", run.options.shm_size.filter(|size| *size > 0).unwrap_or(SHM_SIZE));
    let namespaces = run.container.namespaces;
    // What shows a namespace can be mounted by whoever owns the namespace: a user namespace shows the machine's own.
    let of_machine = |namespace: Namespace| run.without_root.is_some() && namespace == Namespace::Host;
    let mut pts = vec!["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"];
    if run.without_root.is_none_or(|users| users.has_group(TTY)) {
        pts.push("gid=5");
    }
    let proc = if of_machine(namespaces.pid) {
        mount("/proc", "bind", "/proc", &["rbind", "nosuid", "noexec", "nodev"])
    } else {
        mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"])
    };
    let mut list = vec![
        proc,
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount("/dev/pts", "devpts", "devpts", &pts),
    ];
    if of_machine(namespaces.net) {
        list.push(mount("/sys", "bind", "/sys", &["rbind", "rro", "nosuid", "noexec", "nodev"]));
    } else {
        list.push(mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", access]));
        if observe::is_privileged() && observe::host_facts(false).cgroup_mount {
            list.push(mount("/sys/fs/cgroup", "cgroup", "cgroup", &[access, "nosuid", "noexec", "nodev"]));
        }
    }
    if of_machine(namespaces.ipc) {
        let there = Path::new("/dev/mqueue").is_dir();
        list.extend(there.then(|| mount("/dev/mqueue", "bind", "/dev/mqueue", &["bind", "nosuid", "noexec", "nodev"])));
    } else {
        list.push(mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]));
    }
    if run.container.namespaces.ipc == Namespace::Host {
        list.push(mount("/dev/shm", "bind", "/dev/shm", &["rbind", "rprivate"]));
    } else if run.options.ipc != "none" {
        list.push(mount("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", &shm]));
    }
    let given: Vec<PathBuf> = targets(run).iter().map(|target| clean(Path::new(target))).collect();
    let dev_is_given = given.iter().any(|target| target == Path::new("/dev"));
    list.retain(|default| {
        let destination = default.destination();
        let hidden = dev_is_given && destination.starts_with("/dev");
        !hidden && !given.iter().any(|target| target == destination)
    });
    list
}

fn targets(run: &DockerRun<'_>) -> Vec<String> {
    let mounts = run.options.mounts.iter().map(|mount| mount.target.clone());
    mounts.chain(run.options.tmpfs.keys().cloned()).collect()
}

/// The mounts of the command line, parents first. What a bind mount lacks on the machine is made and noted in `created`.
pub(super) fn mounts(run: &DockerRun<'_>, created: &mut Vec<PathBuf>) -> Result<Vec<Mount>, DockerError> {
    let mut list = Vec::new();
    for (path, options) in run.options.tmpfs_mounts() {
        let options = merge(options).map_err(|why| DockerError::Refused(Refusal::daemon(why)))?;
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        list.push(mount(value::clean(path), "tmpfs", "tmpfs", &options));
    }
    for (index, one) in run.options.mounts.iter().enumerate() {
        let (source, recursive) = match &one.kind {
            MountKind::Tmpfs { .. } => continue,
            MountKind::Bind { source, must_exist, non_recursive } => {
                (host_path(run, source, *must_exist, created)?, !non_recursive)
            }
            MountKind::Volume { name } => match (name, run.volumes) {
                (Some(name), Some(root)) => (named::directory(root, name)?, true),
                // It lives as long as the run.
                _ => (run.state.dir(&format!("volumes/{index}"), 0o755)?, true),
            },
        };
        let propagation = one.propagation.map_or("rprivate", value::Propagation::as_str);
        let mut options = vec![if recursive { "rbind" } else { "bind" }, propagation];
        if one.read_only {
            options.push("ro");
        }
        list.push(mount(&one.target, "bind", source, &options));
    }
    if run.without_root.is_some() {
        // The device opens through it for whom the machine lets it; the node's mode and owner cannot be changed.
        let nodes = run.devices.hosts.iter();
        list.extend(nodes.map(|(inside, host)| mount(inside, "bind", host, &["bind", "rprivate", "ro"])));
    }
    list.sort_by_key(|mount| clean(mount.destination()).components().count());
    Ok(list)
}

/// A path of the machine for a bind mount. Where it may not be made, an empty directory stands in for it.
fn host_path(
    run: &DockerRun<'_>,
    source: &str,
    must_exist: bool,
    created: &mut Vec<PathBuf>,
) -> Result<PathBuf, DockerError> {
    let path = PathBuf::from(source);
    if path.exists() {
        return Ok(path);
    }
    if must_exist {
        let why = format!("invalid mount config for type \"bind\": bind source path does not exist: {source}");
        return Err(DockerError::Refused(Refusal::daemon(why)));
    }
    if !run.create_host_paths {
        return Ok(run.state.dir(&format!("volumes/missing-{}", created.len()), 0o755)?);
    }
    let failed = |source_error| DockerError::Machinery { what: format!("make {source}"), source: source_error };
    fs::create_dir_all(&path).map_err(failed)?;
    created.push(path.clone());
    Ok(path)
}

/// `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf`, unless a mount has taken their place.
pub(super) fn etc(run: &DockerRun<'_>) -> Result<Vec<Mount>, DockerError> {
    let dir = run.state.dir("etc", 0o755)?;
    let taken = targets(run);
    let of_host = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let host_network = run.container.namespaces.net == Namespace::Host;
    let hostname = run.hostname();
    let mut hosts = if host_network {
        of_host("/etc/hosts")
    } else {
        format!(
            "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\nff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n127.0.0.1\t{hostname}\n"
        )
    };
    for pair in &run.options.add_host {
        let (name, address) = pair.split_once(':').unwrap_or((pair, ""));
        // The gateway to the machine is the machine itself, where the network is its own.
        let address = if address == "host-gateway" { "127.0.0.1" } else { address.trim_matches(['[', ']']) };
        hosts += &format!("{address}\t{name}\n");
    }
    let mut list = Vec::new();
    for (name, text) in
        [("resolv.conf", of_host("/etc/resolv.conf")), ("hostname", format!("{hostname}\n")), ("hosts", hosts)]
    {
        let target = format!("/etc/{name}");
        let source = dir.join(name);
        let failed = |source| DockerError::Machinery { what: format!("write {target}"), source };
        fs::write(&source, text).map_err(failed)?;
        let failed = |source| DockerError::Machinery { what: format!("write {target}"), source };
        fs::set_permissions(&source, Permissions::from_mode(0o644)).map_err(failed)?;
        if !taken.iter().any(|taken| clean(Path::new(taken)) == Path::new(&target)) {
            let access = if run.container.read_only { "ro" } else { "rw" };
            list.push(mount(&target, "bind", &source, &["rbind", "rprivate", access]));
        }
    }
    Ok(list)
}
