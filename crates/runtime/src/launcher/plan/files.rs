//! The container's file system: root, mounts, devices, masked and read-only paths.

use std::ffi::CString;
use std::path::Path;

use super::namespaces::Keeper;
use super::path::{Target, c_path, clean};
use super::{Action, Asked, Draft, LAUNCHER, Wanted, credentials, devices, mounts, unsupported};
use crate::engine::StartError;
use crate::launcher::facts::Kind;

pub(super) fn plan(asked: &Asked<'_>, keeper: &Keeper, draft: &mut Draft) -> Result<(), StartError> {
    let root = asked.spec.root().as_ref().ok_or_else(|| unsupported("a spec without root", LAUNCHER))?;
    if !root.path().is_absolute() {
        return Err(unsupported("a relative path (root.path)", LAUNCHER));
    }
    let propagation = asked.linux.rootfs_propagation().as_deref().unwrap_or("rslave");
    let (cut, later) = match propagation {
        "private" | "rprivate" => (libc::MS_PRIVATE, None),
        "" | "slave" | "rslave" => (libc::MS_SLAVE, None),
        "shared" | "rshared" => (libc::MS_SLAVE, Some((libc::MS_SHARED, propagation == "rshared"))),
        "unbindable" | "runbindable" => (libc::MS_SLAVE, Some((libc::MS_UNBINDABLE, propagation == "runbindable"))),
        other => return Err(unsupported(format!("propagation {other:?} (linux.rootfsPropagation)"), LAUNCHER)),
    };
    let keep = devices::keep(asked, keeper, credentials::bounding(asked))?;
    if keep == devices::Keep::Cgroup {
        draft.devices = Some(devices::allowed(asked)?);
        if joins(asked, oci_spec::runtime::LinuxNamespaceType::Cgroup) {
            return Err(unsupported("joining a cgroup namespace with CAP_SYS_ADMIN (linux.namespaces)", LAUNCHER));
        }
        draft.step("linux.resources.devices", Action::NewCgroupNamespace);
        let not = asked.facts.namespace(Kind::Cgroup);
        draft.checks.retain(|check| !matches!(check.wanted, Wanted::SameNamespace { kind: Kind::Cgroup, .. }));
        draft.check("linux.resources.devices", Wanted::NewNamespace { kind: Kind::Cgroup, not });
    }
    // It begins at the group in which it is made.
    if keep != devices::Keep::Cgroup
        && asked.linux.cgroups_path().is_some()
        && keeper.container & Kind::Cgroup.flag() != 0
    {
        draft.step("linux.namespaces", Action::NewCgroupNamespace);
    }
    let no_devices = keep == devices::Keep::Mounts;
    let planned = mounts::plan(asked, keeper, no_devices, draft)?;
    let dev = Target::new(Path::new("/dev"))?;
    let dev_is_bound =
        planned.iter().any(|one| one.mount.target == dev && matches!(one.mount.source, super::Source::Tree { .. }));

    let copy = |shared: bool, draft: &mut Draft| {
        for one in planned.iter().filter_map(|one| one.ahead.clone()).filter(|one| one.shared == shared) {
            let inode = draft.inodes.get(&one.slot).copied();
            draft.step("mounts", Action::CloneTree { slot: one.slot, path: one.path, recursive: one.recursive, inode });
        }
    };
    copy(true, draft);
    draft.step(
        "linux.rootfsPropagation",
        Action::Propagation { path: c"/".to_owned(), recursive: true, propagation: cut },
    );
    copy(false, draft);
    draft.step("linux.maskedPaths", Action::OpenNull);
    draft.step("root.path", Action::CloneRoot { path: c_path(root.path())?, no_devices });
    draft.step("root.path", Action::AttachRoot);
    names(asked, keeper, draft)?;
    let read_only = mounts::steps(planned, draft);
    let masks_own = !keeper.confined && asked.linux.masked_paths().as_ref().is_some_and(|paths| !paths.is_empty());
    if masks_own || (no_devices && !dev_is_bound) {
        draft.step("linux.devices", Action::MakeDeviceStore);
    }
    devices::plan(asked, keeper, keep, dev_is_bound, draft)?;
    if asked.process.terminal() == Some(true) {
        draft.step("process.terminal", Action::NewSession);
        draft.step("process.terminal", Action::OpenTerminal { console: Target::new(Path::new("/dev/console"))? });
        let owner = rustix::process::Uid::from_raw(asked.process.user().uid());
        draft.step("process.terminal", Action::OwnTerminal(owner));
    }
    sysctls(asked, keeper, draft)?;

    let cwd = Target::new(&clean(asked.process.cwd()))?;
    if !cwd.is_root() {
        draft.step("process.cwd", Action::MakeDirectory(cwd));
    }
    // Before what copies the mounts below a path: the copy is what shows afterwards.
    for slot in read_only {
        draft.step("mounts", Action::ReadOnlyMount { slot });
    }
    for path in asked.linux.readonly_paths().iter().flatten() {
        let target = Target::new(Path::new(path))?;
        draft.step("linux.readonlyPaths", Action::ReadOnlyPath(target.clone()));
        draft.check(format!("linux.readonlyPaths {path}"), Wanted::ReadOnly(target));
    }
    for path in asked.linux.masked_paths().iter().flatten() {
        let target = Target::new(Path::new(path))?;
        draft.step("linux.maskedPaths", Action::Mask(target.clone()));
        draft.check(format!("linux.maskedPaths {path}"), Wanted::Masked { target, own: !keeper.confined });
    }
    let wants_read_only = root.readonly().unwrap_or(false);
    if wants_read_only {
        draft.step("root.readonly", Action::ReadOnlyRoot);
        draft.check("root.readonly", Wanted::ReadOnlyRoot);
    }
    draft.step("root.path", Action::PivotRoot);
    draft.step("root.path", Action::DetachOldRoot);
    draft.check("root.path", Wanted::Root);
    draft.step("process", Action::ReopenStreams);
    draft.check("process", Wanted::Streams);
    if let Some((propagation, recursive)) = later {
        draft.step("linux.rootfsPropagation", Action::Propagation { path: c"/".to_owned(), recursive, propagation });
    }
    draft.step("root", Action::VerifyFiles);
    Ok(())
}

/// `hostname` and `domainname`.
fn names(asked: &Asked<'_>, keeper: &Keeper, draft: &mut Draft) -> Result<(), StartError> {
    let given =
        |name: &Option<String>| name.as_deref().filter(|name| !name.is_empty()).map(|name| name.as_bytes().to_vec());
    let host = given(asked.spec.hostname());
    let domain = given(asked.spec.domainname());
    let owned = keeper.container & Kind::Uts.flag() != 0 || joins(asked, oci_spec::runtime::LinuxNamespaceType::Uts);
    if (host.is_some() || domain.is_some()) && !owned {
        return Err(unsupported("a name in the launcher's UTS namespace (hostname, domainname)", LAUNCHER));
    }
    if let Some(name) = host {
        draft.step("hostname", Action::Hostname(name.clone()));
        draft.check("hostname", Wanted::Hostname(name));
    }
    if let Some(name) = domain {
        draft.step("domainname", Action::Domainname(name.clone()));
        draft.check("domainname", Wanted::Domainname(name));
    }
    Ok(())
}

fn joins(asked: &Asked<'_>, typ: oci_spec::runtime::LinuxNamespaceType) -> bool {
    asked.linux.namespaces().iter().flatten().any(|namespace| namespace.typ() == typ && namespace.path().is_some())
}

/// `linux.sysctl`: only those that belong to a namespace of the container; others would change the host.
fn sysctls(asked: &Asked<'_>, keeper: &Keeper, draft: &mut Draft) -> Result<(), StartError> {
    use oci_spec::runtime::LinuxNamespaceType as Type;
    let mut sysctls: Vec<(&String, &String)> = asked.linux.sysctl().iter().flatten().collect();
    sysctls.sort();
    for (name, value) in sysctls {
        let path = sysctl_path(name);
        // `net/../kernel/core_pattern` begins as one of the network and is the machine's (CVE-2022-0811).
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(unsupported(format!("sysctl {name}, which is no plain path (linux.sysctl)"), LAUNCHER));
        }
        let (kind, typ) = match path.as_str() {
            // proc_sys_kernel(5); the list of runc's validator.
            "kernel/msgmax"
            | "kernel/msgmnb"
            | "kernel/msgmni"
            | "kernel/sem"
            | "kernel/shmall"
            | "kernel/shmmax"
            | "kernel/shmmni"
            | "kernel/shm_rmid_forced" => (Kind::Ipc, Type::Ipc),
            "kernel/domainname" => (Kind::Uts, Type::Uts),
            path if path.starts_with("fs/mqueue/") => (Kind::Ipc, Type::Ipc),
            path if path.starts_with("net/") => (Kind::Network, Type::Network),
            _ => return Err(unsupported(format!("sysctl {name} (linux.sysctl)"), LAUNCHER)),
        };
        if keeper.container & kind.flag() == 0 && !joins(asked, typ) {
            return Err(unsupported(
                format!("sysctl {name} in the launcher's {} namespace (linux.sysctl)", kind.name()),
                LAUNCHER,
            ));
        }
        let path: CString = super::path::c_bytes(path.as_bytes())?;
        let value = value.as_bytes().to_vec();
        draft.step("linux.sysctl", Action::Sysctl { path, value });
    }
    Ok(())
}

/// The file of a sysctl. With a dot first, dots separate and slashes are dots in names (`net.ipv4.conf.eth0/1.x`);
/// with a slash first, it is a path already; see sysctl.d(5).
fn sysctl_path(name: &str) -> String {
    let separator = name.find(['.', '/']).and_then(|at| name.get(at..=at));
    if separator == Some("/") {
        return name.to_owned();
    }
    name.chars()
        .map(|character| match character {
            '.' => '/',
            '/' => '.',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sysctls_may_be_written_with_dots_or_slashes() {
        assert_eq!(sysctl_path("net.ipv4.conf.eth0/1.forwarding"), "net/ipv4/conf/eth0.1/forwarding");
        assert_eq!(sysctl_path("net/ipv4/conf/eth0.1/forwarding"), "net/ipv4/conf/eth0.1/forwarding");
    }
}
