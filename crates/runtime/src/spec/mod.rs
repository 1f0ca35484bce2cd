//! The OCI runtime spec that an effective context comes to, section by section as containerd's CRI plugin writes it
//! (`internal/cri/server/container_create.go`, `internal/cri/opts`, `pkg/oci`). Pure: what the machine has comes in as
//! [`SpecOptions`].

mod annotations;
mod args;
mod capabilities;
mod cgroup;
mod devices;
mod env;
mod labels;
mod mounts;
mod namespaces;
mod paths;
mod predict;
mod sysctl;
mod user;
mod usernamespace;

#[cfg(test)]
mod tests;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use oci_spec::runtime::{Linux, LinuxDevice, LinuxSeccomp, Mount, Process, Root, Spec};
use ringfence_context::effective::{EffectiveContainer, EffectivePod};
use ringfence_context::origin::Value;
use ringfence_context::process::Namespace;

use crate::cgroup::NotApplied;

pub(crate) use args::expand_known;
pub use args::{Command, CommandError, Sources, command};
pub(crate) use cgroup::limits;
pub use env::DEFAULT_PATH;
pub(crate) use mounts::{clean, mount};
pub use predict::predict;
pub use usernamespace::{IdMapping, IdMappings};

/// What the process is, beside its context.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessArgs {
    /// The command and its arguments.
    pub args: Vec<String>,
    /// `NAME=VALUE`, later ones win: the image's, then the container's.
    pub env: Vec<String>,
    /// The working directory; empty means `/`.
    pub cwd: String,
}

/// What the machine has, as far as a spec depends on it.
#[allow(clippy::struct_excessive_bools, reason = "independent facts, not states of one thing")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// The machine's own hostname.
    pub hostname: String,
    /// Whether the only hierarchy is cgroup v2, in which case a container gets a cgroup namespace of its own.
    pub unified_cgroups: bool,
    /// Whether there are cgroups in `/sys/fs/cgroup`, to be shown in a container or kept from it.
    pub cgroup_mount: bool,
    /// Whether AppArmor is enabled.
    pub app_armor: bool,
    /// Whether SELinux is enabled.
    pub selinux: bool,
    /// The device nodes under `/dev`, which a privileged container gets.
    pub devices: Vec<LinuxDevice>,
}

/// Where the files that a kubelet and a runtime put into `/etc` lie on the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EtcFiles {
    /// `/etc/hosts`.
    pub hosts: Option<PathBuf>,
    /// `/etc/hostname`.
    pub hostname: Option<PathBuf>,
    /// `/etc/resolv.conf`.
    pub resolv_conf: Option<PathBuf>,
}

/// A volume that lies ready to be mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeMount {
    /// Where the container sees it.
    pub mount_path: String,
    /// What is mounted there.
    pub source: VolumeSource,
    /// Whether the container can only read it.
    pub read_only: bool,
    /// Whether that holds for what is mounted below it too; only together with `read_only`.
    pub recursive_read_only: bool,
    /// `mountPropagation`: `None`, `HostToContainer` or `Bidirectional`; empty is `None`.
    pub propagation: String,
}

/// What is mounted for a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeSource {
    /// A file or directory of the host.
    Path(PathBuf),
    /// One that somebody else could exchange for something else: what is mounted must be what is held.
    Held(Held),
    /// A tmpfs of the container's own.
    Tmpfs {
        /// The mode of its root directory.
        mode: u32,
        /// The group of its root directory, when it is not root's.
        gid: Option<u32>,
        /// In bytes.
        size: Option<u64>,
    },
}

/// A file or directory, where it was found, and a descriptor of it, which keeps its inode from becoming another's.
#[derive(Clone, Debug)]
pub struct Held {
    /// Where it was.
    pub path: PathBuf,
    /// The numbers of its device and inode.
    pub inode: (u64, u64),
    /// It.
    pub fd: Arc<OwnedFd>,
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        (&self.path, self.inode) == (&other.path, other.inode)
    }
}

impl Eq for Held {}

/// The mount option by which a spec tells the built-in launcher what a bind mount's source must be: `DEVICE:INODE`.
pub(crate) const INODE: &str = "x-ringfence.inode=";

/// Namespaces of a running sandbox that the container joins instead of making its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JoinedNamespaces {
    /// The process ID whose IPC, network and UTS namespaces are the pod's.
    pub pod: Option<u32>,
    /// Whether its PID namespace is joined too (`shareProcessNamespace`).
    pub pid: bool,
}

/// What is not in the effective context.
#[derive(Clone, Debug)]
pub struct SpecOptions<'a> {
    /// The root file system's directory, absolute.
    pub root: &'a Path,
    /// Mounts that make up the root file system, before all others.
    pub root_mounts: &'a [Mount],
    /// Paths of it that are made read-only when everything is mounted.
    pub root_readonly_paths: &'a [String],
    /// Mounts after all others, such as the probe's.
    pub extra_mounts: &'a [Mount],
    /// The volumes, in any order.
    pub volumes: &'a [VolumeMount],
    /// The files for `/etc`.
    pub etc: &'a EtcFiles,
    /// The directory that the pod's containers share as `/dev/shm`; without one the container has its own tmpfs.
    pub shm: Option<&'a Path>,
    /// The filter to apply; must be what the container's `seccomp` asks for, `None` for Unconfined.
    pub seccomp: Option<LinuxSeccomp>,
    /// The machine.
    pub host: &'a HostFacts,
    /// The SELinux label of the process; must be what the container's `selinux` asks for.
    pub process_label: Option<String>,
    /// The SELinux label of the file systems that are mounted new.
    pub mount_label: Option<String>,
    /// The user namespace's mappings when it has its own.
    pub id_mappings: Option<&'a IdMappings>,
    /// Whether the caller has no privilege over the machine, so that the user namespace gives what privilege there is.
    pub unprivileged: bool,
    /// The sandbox to join.
    pub join: JoinedNamespaces,
    /// The cgroup to make: a relative path lies below the caller's own groups, or near them. `None` leaves it to the
    /// engine.
    pub cgroups_path: Option<PathBuf>,
    /// The limits that are left out, because they cannot be had here.
    pub not_applied: &'a [NotApplied],
}

/// Why no spec can be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SpecError {
    /// The effective context leaves a value open.
    #[error("{field} is not known: {why}")]
    Undecided {
        /// The field of the effective container.
        field: &'static str,
        /// What is missing.
        why: String,
    },
    /// There is nothing to execute.
    #[error("no command specified")]
    NoCommand,
    /// A capability that OCI has no name for.
    #[error("capability {0} has no name in the OCI runtime spec")]
    Capability(String),
    /// A user namespace is asked for, and no mappings are given.
    #[error("a user namespace of its own needs ID mappings")]
    NoMappings,
}

/// The value, or the error that it is open.
pub(crate) fn known<'v, T>(field: &'static str, value: &'v Value<T>) -> Result<&'v T, SpecError> {
    match value {
        Value::Known { value, .. } => Ok(value),
        Value::Unknown { unknown } => Err(SpecError::Undecided { field, why: unknown.clone() }),
    }
}

/// Makes the spec.
pub fn build(
    pod: &EffectivePod,
    container: &EffectiveContainer,
    process: &ProcessArgs,
    options: &SpecOptions<'_>,
) -> Result<Spec, SpecError> {
    if process.args.is_empty() {
        return Err(SpecError::NoCommand);
    }
    let privileged = *known("privileged", &container.privileged)?;
    let read_only = *known("readOnlyRootFilesystem", &container.read_only_root_filesystem)?;
    let hostname = match (&pod.hostname, container.namespaces.uts) {
        // The node's, which a manifest cannot tell.
        (Value::Unknown { .. }, Namespace::Host) => &options.host.hostname,
        (hostname, _) => known("hostname", hostname)?,
    };

    let mut root = Root::default();
    root.set_path(options.root.to_path_buf());
    root.set_readonly(Some(read_only));

    let mut spec = Spec::default();
    // runc 1.1 and crun 1.8 both read this version; nothing newer is used.
    spec.set_version("1.0.2".to_owned());
    spec.set_root(Some(root));
    spec.set_hostname(namespaces::hostname(pod, container, hostname, &options.join));
    spec.set_annotations(Some(annotations::annotations(container)));
    spec.set_mounts(Some(mounts::mounts(container, privileged, read_only, options)));
    spec.set_process(Some(self::process(container, process, hostname, options)?));
    spec.set_linux(Some(linux(pod, container, privileged, options)?));
    Ok(spec)
}

fn process(
    container: &EffectiveContainer,
    args: &ProcessArgs,
    hostname: &str,
    options: &SpecOptions<'_>,
) -> Result<Process, SpecError> {
    let mut process = Process::default();
    process.set_args(Some(args.args.clone()));
    process.set_cwd(PathBuf::from(if args.cwd.is_empty() { "/" } else { args.cwd.as_str() }));
    process.set_env(Some(env::env(&args.env, hostname, known("home", &container.home)?)));
    process.set_user(user::user(&container.user, options)?);
    process.set_capabilities(Some(capabilities::capabilities(&container.capabilities)?));
    process.set_no_new_privileges(Some(*known("noNewPrivileges", &container.no_new_privileges)?));
    // A kubelet sets no limits; those of the runtime's own process are inherited.
    process.set_rlimits(None);
    process.set_apparmor_profile(labels::app_armor(known("appArmor", &container.app_armor)?, options.host));
    process.set_selinux_label(options.process_label.clone());
    Ok(process)
}

fn linux(
    pod: &EffectivePod,
    container: &EffectiveContainer,
    privileged: bool,
    options: &SpecOptions<'_>,
) -> Result<Linux, SpecError> {
    let (masked, readonly) = paths::paths(container, privileged, options.root_readonly_paths);
    let mut linux = Linux::default();
    linux.set_namespaces(Some(namespaces::namespaces(container, privileged, options)));
    if let Some(mappings) = usernamespace::mappings(container, options)? {
        linux.set_uid_mappings(Some(mappings.uid()));
        linux.set_gid_mappings(Some(mappings.gid()));
    }
    linux.set_sysctl(sysctl::sysctl(pod, container, options)?);
    let resources = cgroup::resources(privileged, container.resources.as_ref())?;
    linux.set_resources(Some(crate::cgroup::without(&resources, options.not_applied)));
    linux.set_cgroups_path(options.cgroups_path.clone());
    linux.set_devices(devices::devices(privileged, options.host));
    linux.set_seccomp(options.seccomp.clone());
    linux.set_rootfs_propagation(mounts::root_propagation(options.volumes).map(str::to_owned));
    linux.set_mount_label(options.mount_label.clone());
    linux.set_masked_paths(Some(masked));
    linux.set_readonly_paths(Some(readonly));
    Ok(linux)
}
