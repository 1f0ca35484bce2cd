//! A container of docker's command line for a caller without privilege: in a user namespace, with the caller's subordinate
//! IDs as its users where there are any, otherwise with a single user, who is the caller. What such a container cannot
//! have is refused with what to do instead, in place of a start with less.

use std::path::Path;

use oci_spec::runtime::LinuxIdMapping;
use ringfence_context::process::Namespace;
use ringfence_docker::effective::Container;
use ringfence_docker::value::Device;
use ringfence_docker::{Options, Refusal};
use rustix::fs::{AtFlags, CWD, accessat};

use crate::observe;
use crate::spec::{IdMapping, IdMappings};
use crate::subordinate;

/// docker's sysctl for ping, which names groups that a user namespace does not have (moby `daemon/oci_linux.go`,
/// `WithCommonOptions`, leaves it out there).
const PING: &str = "net.ipv4.ping_group_range";

/// Who the container's users are on this machine, where the caller has no privilege over it.
#[derive(Clone, Debug)]
pub struct WithoutRoot {
    mappings: IdMappings,
    /// What of the container is not as root would have it, and why.
    pub notes: Vec<String>,
}

impl WithoutRoot {
    /// Decides it, and makes `container` what it will be: in a user namespace of its own. `None` for a caller who has the
    /// privilege to do without.
    ///
    /// # Errors
    /// What cannot be had without root, with what to do instead.
    pub fn new(options: &Options, container: &mut Container) -> Result<Option<Self>, Refusal> {
        if observe::is_privileged() {
            return Ok(None);
        }
        refuse(options)?;
        let mut notes = Vec::new();
        container.namespaces.user = Namespace::Own;
        if !options.sysctls.contains_key(PING) {
            container.sysctls.remove(PING);
        }
        let groups = container.groups.iter().copied().chain([container.gid]);
        let mappings = match subordinate::ids() {
            Ok(ids) => ids.mappings(&[container.uid], &groups.collect::<Vec<_>>()),
            Err(_) => single(options, container, &mut notes)?,
        };
        let unmapped = |kind: &str, id: u32| {
            Refusal::usage(format!(
                "{kind} {id} has no place in the container: the caller's subordinate IDs do not reach so far; choose a smaller one, or ask for more in /etc/subuid and /etc/subgid"
            ))
        };
        if mappings.outside_uid(container.uid).is_none() {
            return Err(unmapped("user", container.uid));
        }
        let groups = if mappings.setgroups { container.groups.as_slice() } else { &[] };
        if let Some(group) = [container.gid].iter().chain(groups).find(|gid| mappings.outside_gid(**gid).is_none()) {
            return Err(unmapped("group", *group));
        }
        if options.privileged {
            notes.push("--privileged without root: all capabilities count in the container's user namespace alone, and of the machine's devices it opens those that the caller may open".to_owned());
        }
        Ok(Some(Self { mappings, notes }))
    }

    /// `linux.uidMappings` and `linux.gidMappings`.
    pub(super) fn oci(&self) -> (Vec<LinuxIdMapping>, Vec<LinuxIdMapping>) {
        (self.mappings.uid(), self.mappings.gid())
    }

    /// Whether the container can have supplementary groups.
    pub(super) fn sets_groups(&self) -> bool {
        self.mappings.setgroups
    }

    /// Whether the container has a group of this number.
    pub(super) fn has_group(&self, gid: u32) -> bool {
        self.mappings.outside_gid(gid).is_some()
    }
}

/// The container's user and group are the caller; there are no others.
fn single(options: &Options, container: &Container, notes: &mut Vec<String>) -> Result<IdMappings, Refusal> {
    let missing = subordinate::missing().unwrap_or_default();
    if !options.group_add.is_empty() {
        return Err(Refusal::usage(format!(
            "--group-add needs root or subordinate IDs: a container of a caller without them has a single group ({missing}); leave it out, or ask for lines in /etc/subuid and /etc/subgid"
        )));
    }
    let mut note = format!("{missing}: the container has a single user, {}, who is the caller", container.uid);
    let further: Vec<String> =
        container.groups.iter().filter(|gid| **gid != container.gid).map(ToString::to_string).collect();
    if !further.is_empty() {
        note += &format!("; it is not in group {}, as its image has it", further.join(", "));
    }
    if rustix::process::getgroups().is_ok_and(|groups| !groups.is_empty()) {
        note += "; the caller's supplementary groups stay";
    }
    notes.push(note);
    let one = |inside, outside| vec![IdMapping { inside, outside, size: 1 }];
    Ok(IdMappings {
        uid: one(container.uid, rustix::process::geteuid().as_raw()),
        gid: one(container.gid, rustix::process::getegid().as_raw()),
        setgroups: false,
    })
}

fn refuse(options: &Options) -> Result<(), Refusal> {
    let refused = |what: &str| Err(Refusal::usage(format!("{what}; run it as root, or leave it out")));
    if options.host_user {
        return refused("--userns host needs root: without it the container's privilege comes from a user namespace");
    }
    if !options.device_rules.is_empty() {
        return refused(
            "--device-cgroup-rule needs root: without it there is no device cgroup, and no node can be made",
        );
    }
    options.devices.iter().try_for_each(device)
}

/// A device is shown as it is, and opens for whom the machine lets it.
fn device(device: &Device) -> Result<(), Refusal> {
    let Device { host, access, .. } = device;
    if !(access.read && access.write) {
        return Err(Refusal::usage(format!(
            "--device {host}: access {access} alone needs root: without it there is no device cgroup, which could tell reading from writing; give the whole device (rwm), or run it as root"
        )));
    }
    let path = Path::new(host);
    // What is not there is refused in docker's words later, and a directory is looked at one by one.
    if !path.exists() || path.is_dir() {
        return Ok(());
    }
    let wanted = rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK;
    accessat(CWD, path, wanted, AtFlags::EACCESS).map_err(|errno| {
        let why = std::io::Error::from(errno).to_string();
        let why = why.split(" (os error").next().unwrap_or(&why).to_lowercase();
        Refusal::usage(format!(
            "--device {host}: you may not open it ({why}), and without root a container may open no more; run it as root, or join the group that the device belongs to"
        ))
    })
}
