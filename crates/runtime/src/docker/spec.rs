//! The OCI runtime spec.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use oci_spec::runtime::{
    Capabilities as OciSet, Linux, LinuxCapabilities, LinuxDevice, LinuxNamespace, LinuxNamespaceType as Type,
    LinuxResources, Mount, PosixRlimit, PosixRlimitBuilder, Process, Root, Spec, User,
};
use ringfence_context::capability::CapSet;
use ringfence_context::process::Namespace;
use ringfence_docker::Version;
use ringfence_docker::effective::ProcessArgs;
use ringfence_docker::value::{MountKind, Propagation};

use super::selinux::Labels;
use super::{DockerError, DockerRun, seccomp};
use crate::app_armor::Runtime;
use crate::observe;

pub(super) fn spec(
    run: &DockerRun<'_>,
    args: &ProcessArgs,
    root_path: &Path,
    mounts: Vec<Mount>,
    root_readonly_paths: &[String],
    limits: LinuxResources,
    labels: &Labels,
) -> Result<Spec, DockerError> {
    let mut root = Root::default();
    root.set_path(root_path.to_path_buf());
    root.set_readonly(Some(run.container.read_only));
    let mut spec = Spec::default();
    // runc 1.1 and crun 1.8 both read this version; nothing newer is used.
    spec.set_version("1.0.2".to_owned());
    spec.set_root(Some(root));
    spec.set_hostname((run.container.namespaces.uts == Namespace::Own).then(|| run.hostname()));
    if !run.options.domainname.is_empty() {
        spec.set_domainname(Some(run.options.domainname.clone()));
    }
    spec.set_mounts(Some(mounts));
    spec.set_process(Some(process(run, args, labels)?));
    let mut linux = linux(run, root_readonly_paths, limits)?;
    linux.set_mount_label(labels.files.as_ref().map(ToString::to_string));
    spec.set_linux(Some(linux));
    Ok(spec)
}

fn process(run: &DockerRun<'_>, args: &ProcessArgs, labels: &Labels) -> Result<Process, DockerError> {
    let container = run.container;
    let mut user = User::default();
    user.set_uid(container.uid).set_gid(container.gid);
    let sets_groups = run.without_root.is_none_or(super::WithoutRoot::sets_groups);
    user.set_additional_gids(sets_groups.then(|| container.groups.clone()));
    let mut env = args.env.clone();
    if !env.iter().any(|setting| setting.starts_with("HOSTNAME=")) {
        env.insert(1.min(env.len()), format!("HOSTNAME={}", run.hostname()));
    }
    match env.iter_mut().find(|setting| setting.starts_with("HOME=")) {
        Some(setting) => *setting = format!("HOME={}", container.home),
        None => env.push(format!("HOME={}", container.home)),
    }
    let mut sets = LinuxCapabilities::default();
    sets.set_bounding(Some(oci_set(container.capabilities.bounding)?));
    sets.set_permitted(Some(oci_set(container.capabilities.permitted)?));
    sets.set_effective(Some(oci_set(container.capabilities.effective)?));
    sets.set_inheritable(None);
    sets.set_ambient(None);
    let limits: Result<Vec<PosixRlimit>, DockerError> = run.options.ulimits.iter().map(limit).collect();
    let limits = limits?;

    let mut process = Process::default();
    process.set_args(Some(args.args.clone()));
    process.set_cwd(PathBuf::from(&args.cwd));
    process.set_env(Some(env));
    process.set_user(user);
    process.set_capabilities(Some(sets));
    process.set_no_new_privileges(Some(container.no_new_privileges));
    process.set_rlimits((!limits.is_empty()).then_some(limits));
    process.set_oom_score_adj((run.options.oom_score_adj != 0).then_some(run.options.oom_score_adj));
    process.set_apparmor_profile(app_armor(run));
    process.set_selinux_label(labels.process.as_ref().map(ToString::to_string));
    Ok(process)
}

fn oci_set(set: CapSet) -> Result<OciSet, DockerError> {
    let one = |name: &'static str| name.parse().map_err(|_| DockerError::Spec(format!("capability {name}")));
    set.iter().map(|capability| one(capability.name())).collect()
}

fn limit(limit: &ringfence_docker::value::Ulimit) -> Result<PosixRlimit, DockerError> {
    let no_place = || DockerError::Spec(format!("ulimit {limit}"));
    let name = format!("RLIMIT_{}", limit.name.to_uppercase());
    PosixRlimitBuilder::default()
        .typ(name.parse::<oci_spec::runtime::PosixRlimitType>().map_err(|_| no_place())?)
        // -1 is the kernel's number for no limit.
        .soft(limit.soft as u64)
        .hard(limit.hard as u64)
        .build()
        .map_err(|_| no_place())
}

/// The profile that the container runs under, whether or not it is loaded.
pub(super) fn app_armor(run: &DockerRun<'_>) -> Option<String> {
    let enabled = observe::node_facts().apparmor == Some(true);
    match &run.container.app_armor {
        Some(profile) if enabled || profile != "unconfined" => Some(profile.clone()),
        None if enabled && !run.container.privileged => Some(Runtime::Docker.profile().to_owned()),
        _ => None,
    }
}

fn linux(
    run: &DockerRun<'_>,
    root_readonly_paths: &[String],
    mut resources: LinuxResources,
) -> Result<Linux, DockerError> {
    let container = run.container;
    let mut readonly = container.readonly_paths.clone();
    readonly.extend_from_slice(root_readonly_paths);
    let mut masked = container.masked_paths.clone();
    if run.version == Version::V29 && !masked.is_empty() {
        masked.extend(thermal_throttle());
    }
    resources.set_devices(Some(run.devices.rules.clone()));
    let mut linux = Linux::default();
    linux.set_namespaces(Some(namespaces(run)));
    if let Some(users) = run.without_root {
        let (uids, gids) = users.oci();
        linux.set_uid_mappings(Some(uids)).set_gid_mappings(Some(gids));
    }
    let sysctls: HashMap<String, String> = container.sysctls.clone().into_iter().collect();
    linux.set_sysctl((!sysctls.is_empty()).then_some(sysctls));
    linux.set_resources(Some(resources));
    // Without root no node can be made, and those that are named are mounts.
    let shown = |node: &&LinuxDevice| run.without_root.is_none() || !run.devices.hosts.contains_key(node.path());
    let nodes: Vec<LinuxDevice> = run.devices.nodes.iter().filter(shown).cloned().collect();
    linux.set_devices((!nodes.is_empty()).then_some(nodes));
    linux.set_seccomp(seccomp::filter(container, run.version)?);
    linux.set_rootfs_propagation(root_propagation(run).map(str::to_owned));
    linux.set_masked_paths(Some(masked));
    linux.set_readonly_paths(Some(readonly));
    Ok(linux)
}

/// What each processor says of its heat, which 29 hides.
fn thermal_throttle() -> Vec<String> {
    let Ok(entries) = std::fs::read_dir("/sys/devices/system/cpu") else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path().join("thermal_throttle"));
    paths.filter(|path| path.is_dir()).map(|path| path.display().to_string()).collect()
}

fn namespaces(run: &DockerRun<'_>) -> Vec<LinuxNamespace> {
    let own = run.container.namespaces;
    let unified = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let list = [
        (Type::User, run.without_root.is_some()),
        (Type::Mount, true),
        (Type::Network, own.net == Namespace::Own),
        (Type::Uts, own.uts == Namespace::Own),
        (Type::Pid, own.pid == Namespace::Own),
        (Type::Ipc, own.ipc == Namespace::Own),
        (Type::Cgroup, unified),
    ];
    let namespace = |(typ, _)| {
        let mut namespace = LinuxNamespace::default();
        namespace.set_typ(typ);
        namespace
    };
    list.into_iter().filter(|(_, wanted)| *wanted).map(namespace).collect()
}

/// The root must let through what a mount asks for.
fn root_propagation(run: &DockerRun<'_>) -> Option<&'static str> {
    let binds = run.options.mounts.iter().filter(|mount| matches!(mount.kind, MountKind::Bind { .. }));
    let asked: Vec<Propagation> = binds.filter_map(|mount| mount.propagation).collect();
    if asked.iter().any(|one| matches!(one, Propagation::Shared | Propagation::RShared)) {
        Some("shared")
    } else if asked.iter().any(|one| matches!(one, Propagation::Slave | Propagation::RSlave)) {
        Some("rslave")
    } else {
        None
    }
}
