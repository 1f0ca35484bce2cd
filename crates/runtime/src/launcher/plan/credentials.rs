//! `process`: limits, user, groups, capabilities, labels and seccomp, in the order in which each still has the
//! privilege that it needs; see capabilities(7), "Effect of user ID changes on capabilities".

use oci_spec::runtime::{Capabilities, Capability, LinuxCapabilities, PosixRlimitType};
use rustix::fs::Mode;
use rustix::process::{Gid, Resource, Rlimit, Uid};
use rustix::thread::CapabilitySet;

use super::action::Proof;
use super::namespaces::{Keeper, refuse_groups};
use super::path::{c_bytes, c_path, clean};
use super::{Action, Asked, Draft, LAUNCHER, Wanted, support, unsupported};
use crate::engine::StartError;
use crate::seccomp::{self, Call, Flags, Profile, Program, Target, Verdict};

pub(super) fn plan(asked: &Asked<'_>, keeper: &Keeper, draft: &mut Draft) -> Result<(), StartError> {
    let process = asked.process;
    let user = process.user();
    let no_new_privs = process.no_new_privileges() == Some(true);
    let filter = filter(asked)?;
    let (uid, gid) = (id(user.uid(), "process.user.uid")?, id(user.gid(), "process.user.gid")?);
    let cwd = c_path(&clean(process.cwd()))?;

    draft.step("process.user.uid", Action::OwnStreams(Uid::from_raw(uid)));
    for limit in process.rlimits().iter().flatten() {
        let resource = resource(limit.typ());
        let value = |value: u64| (value != u64::MAX).then_some(value);
        let limit = Rlimit { current: value(limit.soft()), maximum: value(limit.hard()) };
        draft.step("process.rlimits", Action::Limit { resource, limit });
        draft.check("process.rlimits", Wanted::Limit { resource, limit });
    }
    let umask = user.umask().unwrap_or(0o022) & 0o777;
    draft.step("process.user.umask", Action::Umask(Mode::from_raw_mode(umask)));
    draft.check("process.user.umask", Wanted::Umask(umask));
    labels(asked, draft)?;
    if no_new_privs {
        draft.step("process.noNewPrivileges", Action::NoNewPrivs);
    }
    draft.check("process.noNewPrivileges", Wanted::NoNewPrivs(no_new_privs));

    let bounding = bounding(asked);
    // PR_CAPBSET_DROP needs CAP_SETPCAP, which the change of user takes away.
    draft.step("process.capabilities.bounding", Action::Bound { keep: bounding, last: asked.facts.last_capability });
    draft.step("process.capabilities", Action::KeepCapabilities);
    draft.step("process.cwd", Action::ChangeDirectory { path: cwd.clone(), last_try: false });
    groups(asked, keeper, draft)?;
    draft.step("process.user.gid", Action::SetGid(Gid::from_raw(gid)));
    draft.check("process.user.gid", Wanted::Gid(gid));
    draft.step("process.user.uid", Action::SetUid(Uid::from_raw(uid)));
    draft.check("process.user.uid", Wanted::Uid(uid));
    draft.step("process.cwd", Action::ChangeDirectory { path: cwd.clone(), last_try: true });
    draft.check("process.cwd", Wanted::Directory(cwd));
    if !keeper.contains_all() {
        // After the change of user, which clears it.
        draft.step("process", Action::DieWithKeeper);
    }

    let proof = filter.as_ref().map_or(Proof::Read, proof);
    let mode = if filter.is_some() || asked.facts.seccomp != 0 { 2 } else { 0 };
    let filters = asked.facts.filters + u64::from(filter.is_some());
    let mut late_filter = None;
    if let Some(program) = filter {
        let step = Action::Filter(Box::new(program));
        if no_new_privs {
            late_filter = Some(step);
        } else {
            // seccomp(2) then needs CAP_SYS_ADMIN, which is still permitted here.
            if proof != Proof::Read {
                return Err(unsupported(
                    "a seccomp profile that forbids read(2), without no_new_privs (linux.seccomp)",
                    LAUNCHER,
                ));
            }
            draft.step("linux.seccomp", Action::RaiseCapabilities);
            draft.step("linux.seccomp", step);
        }
    }
    capabilities(asked, draft);
    draft.step("process", Action::CloseDescriptors);
    draft.step("process", Action::VerifyProcess);
    if let Some(step) = late_filter {
        draft.step("linux.seccomp", step);
    }
    draft.step("linux.seccomp", Action::VerifyFilter(proof));
    draft.check("linux.seccomp", Wanted::Seccomp { mode, filters });
    Ok(())
}

/// A user or group ID; the highest means "no change" to setresuid(2).
fn id(id: u32, field: &str) -> Result<u32, StartError> {
    if id == u32::MAX { Err(unsupported(format!("ID {id} ({field})"), super::KERNEL)) } else { Ok(id) }
}

fn groups(asked: &Asked<'_>, keeper: &Keeper, draft: &mut Draft) -> Result<(), StartError> {
    let field = "process.user.additionalGids";
    let mut ids = asked.process.user().additional_gids().clone().unwrap_or_default();
    for group in &ids {
        id(*group, field)?;
    }
    if keeper.groups {
        draft.step(field, Action::SetGroups(ids.iter().copied().map(Gid::from_raw).collect()));
    } else {
        refuse_groups(asked, &ids)?;
    }
    ids.sort_unstable();
    draft.check(field, Wanted::Groups { ids, tolerated: !keeper.groups });
    Ok(())
}

fn set(capabilities: Option<&Capabilities>) -> u64 {
    capabilities.into_iter().flatten().fold(0, |set, capability| set | 1 << number(*capability))
}

fn sets(asked: &Asked<'_>) -> LinuxCapabilities {
    asked.process.capabilities().clone().unwrap_or_else(|| {
        let mut none = LinuxCapabilities::default();
        none.set_bounding(None).set_effective(None).set_inheritable(None).set_permitted(None).set_ambient(None);
        none
    })
}

/// The bounding set that is asked for.
pub(super) fn bounding(asked: &Asked<'_>) -> u64 {
    set(sets(asked).bounding().as_ref())
}

fn capabilities(asked: &Asked<'_>, draft: &mut Draft) {
    let sets = sets(asked);
    let effective = set(sets.effective().as_ref());
    let permitted = set(sets.permitted().as_ref());
    let inheritable = set(sets.inheritable().as_ref());
    let ambient = set(sets.ambient().as_ref());
    let bits = CapabilitySet::from_bits_retain;
    draft.step(
        "process.capabilities",
        Action::SetCapabilities {
            effective: bits(effective),
            permitted: bits(permitted),
            inheritable: bits(inheritable),
        },
    );
    draft.step("process.capabilities.ambient", Action::Ambient(ambient));
    for (field, line, set) in [
        ("bounding", "CapBnd", bounding(asked)),
        ("effective", "CapEff", effective),
        ("permitted", "CapPrm", permitted),
        ("inheritable", "CapInh", inheritable),
        ("ambient", "CapAmb", ambient),
    ] {
        draft.check(format!("process.capabilities.{field}"), Wanted::Capabilities { line, set });
    }
}

fn labels(asked: &Asked<'_>, draft: &mut Draft) -> Result<(), StartError> {
    let mut label = |field: &str, file: &str, value: Vec<u8>| -> Result<(), StartError> {
        let file = c_bytes(file.as_bytes())?;
        draft.step(field, Action::ExecLabel { file: file.clone(), value: value.clone() });
        draft.check(field, Wanted::ExecLabel { file, value });
        Ok(())
    };
    if let Some(profile) = asked.process.apparmor_profile().as_ref().filter(|profile| support::confines(profile)) {
        label("process.apparmorProfile", "attr/apparmor/exec", format!("exec {profile}").into_bytes())?;
    }
    if let Some(context) = asked.process.selinux_label().as_ref().filter(|context| !context.is_empty()) {
        label("process.selinuxLabel", "attr/exec", context.clone().into_bytes())?;
    }
    Ok(())
}

/// The compiled filter.
fn filter(asked: &Asked<'_>) -> Result<Option<Program>, StartError> {
    let Some(seccomp) = asked.linux.seccomp() else { return Ok(None) };
    let target = Target::native().ok_or_else(|| unsupported("seccomp (linux.seccomp)", "on this machine"))?;
    if seccomp.listener_path().is_some() {
        return Err(unsupported("a listener (linux.seccomp.listenerPath)", LAUNCHER));
    }
    let program = seccomp::compile(&Profile::from_oci(seccomp.clone()), target)
        .map_err(|error| unsupported(format!("the profile (linux.seccomp): {error}"), LAUNCHER))?;
    if program.as_ref().is_some_and(|program| program.flags().contains(Flags::NEW_LISTENER)) {
        return Err(unsupported("SCMP_ACT_NOTIFY (linux.seccomp)", LAUNCHER));
    }
    Ok(program)
}

/// What the filter answers to a system call without arguments.
pub(super) fn answer(program: &Program, call: libc::c_long) -> Option<Verdict> {
    let arch = if cfg!(target_arch = "aarch64") { seccomp::AUDIT_ARCH_AARCH64 } else { seccomp::AUDIT_ARCH_X86_64 };
    let number = u32::try_from(call).unwrap_or(u32::MAX);
    program.evaluate(&Call::new(arch, number)).ok()
}

/// How the filter shows to the process that is under it.
fn proof(program: &Program) -> Proof {
    match answer(program, libc::SYS_read).ok_or(()) {
        Ok(Verdict::Allow | Verdict::Log) => Proof::Read,
        Ok(Verdict::Errno(errno)) if errno != 0 => Proof::Refusal,
        _ => Proof::Answer,
    }
}

fn resource(typ: PosixRlimitType) -> Resource {
    match typ {
        PosixRlimitType::RlimitCpu => Resource::Cpu,
        PosixRlimitType::RlimitFsize => Resource::Fsize,
        PosixRlimitType::RlimitData => Resource::Data,
        PosixRlimitType::RlimitStack => Resource::Stack,
        PosixRlimitType::RlimitCore => Resource::Core,
        PosixRlimitType::RlimitRss => Resource::Rss,
        PosixRlimitType::RlimitNproc => Resource::Nproc,
        PosixRlimitType::RlimitNofile => Resource::Nofile,
        PosixRlimitType::RlimitMemlock => Resource::Memlock,
        PosixRlimitType::RlimitAs => Resource::As,
        PosixRlimitType::RlimitLocks => Resource::Locks,
        PosixRlimitType::RlimitSigpending => Resource::Sigpending,
        PosixRlimitType::RlimitMsgqueue => Resource::Msgqueue,
        PosixRlimitType::RlimitNice => Resource::Nice,
        PosixRlimitType::RlimitRtprio => Resource::Rtprio,
        PosixRlimitType::RlimitRttime => Resource::Rttime,
    }
}

/// The number of a capability in <linux/capability.h>.
fn number(capability: Capability) -> u32 {
    match capability {
        Capability::Chown => 0,
        Capability::DacOverride => 1,
        Capability::DacReadSearch => 2,
        Capability::Fowner => 3,
        Capability::Fsetid => 4,
        Capability::Kill => 5,
        Capability::Setgid => 6,
        Capability::Setuid => 7,
        Capability::Setpcap => 8,
        Capability::LinuxImmutable => 9,
        Capability::NetBindService => 10,
        Capability::NetBroadcast => 11,
        Capability::NetAdmin => 12,
        Capability::NetRaw => 13,
        Capability::IpcLock => 14,
        Capability::IpcOwner => 15,
        Capability::SysModule => 16,
        Capability::SysRawio => 17,
        Capability::SysChroot => 18,
        Capability::SysPtrace => 19,
        Capability::SysPacct => 20,
        Capability::SysAdmin => 21,
        Capability::SysBoot => 22,
        Capability::SysNice => 23,
        Capability::SysResource => 24,
        Capability::SysTime => 25,
        Capability::SysTtyConfig => 26,
        Capability::Mknod => 27,
        Capability::Lease => 28,
        Capability::AuditWrite => 29,
        Capability::AuditControl => 30,
        Capability::Setfcap => 31,
        Capability::MacOverride => 32,
        Capability::MacAdmin => 33,
        Capability::Syslog => 34,
        Capability::WakeAlarm => 35,
        Capability::BlockSuspend => 36,
        Capability::AuditRead => 37,
        Capability::Perfmon => 38,
        Capability::Bpf => 39,
        Capability::CheckpointRestore => 40,
    }
}
