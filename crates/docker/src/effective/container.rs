//! The effective context of a container.

use std::collections::{BTreeMap, BTreeSet};

use ringfence_context::capability::CapSet;
use ringfence_context::facts::ImageFacts;
use ringfence_context::process::{CapabilitySets, Namespace, Namespaces, ProcessState};

use super::{additional_groups, capabilities, home, process_args, runtime, user};
use crate::options::Options;
use crate::refusal::Refusal;
use crate::value::Seccomp;
use crate::version::Version;

/// What the machine can give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The bounding set of whoever starts containers.
    pub bounding: CapSet,
}

/// What the process of a container gets, and what it is refused for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// The user ID.
    pub uid: u32,
    /// The primary group.
    pub gid: u32,
    /// The supplementary groups in the order in which docker finds them, each once, the primary one first.
    pub groups: Vec<u32>,
    /// The capabilities that are asked for.
    pub granted: CapSet,
    /// What the kernel will say of them.
    pub capabilities: CapabilitySets,
    /// no_new_privs.
    pub no_new_privileges: bool,
    /// The filter.
    pub seccomp: Seccomp,
    /// Whether the root file system is read-only.
    pub read_only: bool,
    /// Whether all devices and writable system file systems are given.
    pub privileged: bool,
    /// Paths that are hidden.
    pub masked_paths: Vec<String>,
    /// Paths that cannot be written.
    pub readonly_paths: Vec<String>,
    /// Which of the machine's namespaces are shared.
    pub namespaces: Namespaces,
    /// HOME.
    pub home: String,
    /// The environment but for HOSTNAME and HOME.
    pub env: Vec<String>,
    /// The sysctls: docker's own for a network of the container's own, and those that are asked for.
    pub sysctls: BTreeMap<String, String>,
    /// The AppArmor profile that is named.
    pub app_armor: Option<String>,
    /// Why the runtime will not start it.
    pub refusal: Option<Refusal>,
}

const MASKED: [&str; 11] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];
/// What 29 masks too.
const MASKED_SINCE: [&str; 1] = ["/proc/interrupts"];
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Puts options, image and machine together. The devices must have been looked for before, as docker does.
pub fn resolve(
    options: &Options,
    image: &ImageFacts,
    version: Version,
    machine: Machine,
) -> Result<Container, Refusal> {
    let who = user(if options.user.is_empty() { &image.user } else { &options.user }, image)?;
    let added = additional_groups(&options.group_add, image)?;
    let mut groups = vec![who.gid];
    for gid in who.groups.iter().chain(&added) {
        if !groups.contains(gid) {
            groups.push(*gid);
        }
    }
    let granted = capabilities::granted(options, version, machine)?;
    let effective = if who.uid == 0 { granted } else { CapSet::EMPTY };
    let seccomp = match (&options.security.seccomp, options.privileged) {
        (Some(Seccomp::Unconfined), _) | (None, true) => Seccomp::Unconfined,
        // Until 20.10 a privileged container had no filter whatever was asked for.
        (Some(_), true) if version == Version::V20_10 => Seccomp::Unconfined,
        (Some(asked), _) => asked.clone(),
        (None, false) => Seccomp::Default,
    };
    let bare = options.privileged || options.security.system_paths_unconfined;
    let strings = |list: &[&str]| list.iter().filter(|_| !bare).map(|path| (*path).to_owned()).collect::<Vec<_>>();
    let mut masked_paths = strings(&MASKED);
    if version == Version::V29 {
        masked_paths.extend(strings(&MASKED_SINCE));
    }
    let shared = |host: bool| if host { Namespace::Host } else { Namespace::Own };
    let namespaces = Namespaces {
        pid: shared(options.host_pid),
        ipc: shared(options.ipc == "host"),
        net: shared(options.network == "host"),
        uts: shared(options.host_uts),
        user: Namespace::Host,
    };
    let mut sysctls = BTreeMap::new();
    if namespaces.net == Namespace::Own {
        sysctls.insert("net.ipv4.ping_group_range".to_owned(), "0 2147483647".to_owned());
        sysctls.insert("net.ipv4.ip_unprivileged_port_start".to_owned(), "0".to_owned());
    }
    sysctls.extend(options.sysctls.clone());
    let env = process_args::environment(options, image);
    let home = env
        .iter()
        .find_map(|setting| setting.strip_prefix("HOME=").filter(|home| !home.is_empty()))
        .map_or_else(|| home(who.uid, image.passwd.as_deref()), str::to_owned);
    let mut container = Container {
        uid: who.uid,
        gid: who.gid,
        groups,
        granted,
        capabilities: CapabilitySets {
            permitted: effective,
            effective,
            bounding: granted.intersection(machine.bounding),
            ..CapabilitySets::default()
        },
        no_new_privileges: options.security.no_new_privileges,
        seccomp,
        read_only: options.read_only,
        privileged: options.privileged,
        masked_paths,
        readonly_paths: strings(&READ_ONLY),
        namespaces,
        home,
        env,
        sysctls,
        app_armor: options.security.app_armor.clone(),
        refusal: None,
    };
    container.refusal = runtime::refusal(&container, machine);
    Ok(container)
}

impl Container {
    /// What `/proc` will say of the container's process.
    pub fn process(&self) -> ProcessState {
        let groups: BTreeSet<u32> = self.groups.iter().copied().collect();
        ProcessState {
            uid: Some(self.uid),
            gid: Some(self.gid),
            groups: Some(groups.into_iter().collect()),
            capabilities: Some(self.capabilities),
            no_new_privileges: Some(self.no_new_privileges),
            seccomp_mode: Some(if self.seccomp == Seccomp::Unconfined { 0 } else { 2 }),
            read_only_root_filesystem: Some(self.read_only),
            proc_masked: Some(!self.masked_paths.is_empty()),
            namespaces: Some(self.namespaces),
            home: Some(self.home.clone()),
            ..ProcessState::default()
        }
    }
}
