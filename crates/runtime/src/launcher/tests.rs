//! What only a look inside can show: a plan with a step left out is refused.

#[path = "../../tests/launcher/harness.rs"]
#[allow(dead_code)] // Shared with the tests from outside, which use more of it.
mod harness;

use oci_spec::runtime::{
    Capability, LinuxSeccomp, LinuxSeccompAction, LinuxSyscallBuilder, PosixRlimit, PosixRlimitBuilder, PosixRlimitType,
};
use rustix::process::getrlimit;

use super::plan::{Action, Plan};
use super::start::start;
use crate::engine::{Exit, Running, StartError, Stdio};
use harness::Bed;

/// A container that uses everything.
fn elaborate(no_new_privs: bool) -> Option<Bed> {
    let mut bed = Bed::new()?;
    let set = [Capability::Chown, Capability::Kill, Capability::Setpcap].into_iter().collect();
    bed.capabilities(&set);
    bed.user(if harness::is_root() { 1000 } else { 0 }, if harness::is_root() { 3000 } else { 0 }, &[]);
    if harness::is_root() {
        bed.user(1000, 3000, &[2000, 5000]);
    }
    let mut sets = bed.process().capabilities().clone().expect("capabilities");
    sets.set_inheritable(Some(set)).set_ambient(Some([Capability::Kill].into_iter().collect()));
    bed.process().set_capabilities(Some(sets));
    bed.process().user_mut().set_umask(Some(0o027));
    bed.process()
        .set_no_new_privileges(Some(no_new_privs))
        .set_oom_score_adj(Some(500))
        .set_rlimits(Some(vec![limit(PosixRlimitType::RlimitCore, 0), limit(PosixRlimitType::RlimitNofile, 64)]))
        .set_cwd("/tmp".into());
    bed.mount("/tmp", "tmpfs", "tmpfs", &["nosuid", "nodev", "noexec", "ro"]);
    let outside = bed.directory.path().join("volume");
    std::fs::create_dir(&outside).expect("a directory");
    bed.mount("/volume", "bind", outside, &["rbind", "rprivate", "ro"]);
    bed.spec.root_mut().as_mut().expect("a root").set_readonly(Some(true));
    bed.spec.set_domainname(Some("example".to_owned()));
    bed.linux().set_seccomp(Some(seccomp(LinuxSeccompAction::ScmpActErrno, "mkdirat")));
    for directory in ["volume", "tmp"] {
        std::fs::create_dir_all(bed.root().join(directory)).expect("a directory");
    }
    Some(bed)
}

fn limit(typ: PosixRlimitType, value: u64) -> PosixRlimit {
    PosixRlimitBuilder::default().typ(typ).soft(value).hard(value).build().expect("a limit")
}

fn seccomp(action: LinuxSeccompAction, call: &str) -> LinuxSeccomp {
    let call = LinuxSyscallBuilder::default().names(vec![call.to_owned()]).action(action).build().expect("a rule");
    let mut seccomp = LinuxSeccomp::default();
    seccomp.set_default_action(LinuxSeccompAction::ScmpActAllow).set_architectures(None).set_syscalls(Some(vec![call]));
    seccomp
}

fn plan(bed: &mut Bed) -> Plan {
    bed.process().set_args(Some(vec!["/bin/true".to_owned()]));
    bed.engine.planned(&bed.spec).expect("a plan")
}

fn run(plan: &Plan) -> Result<Exit, StartError> {
    start(plan, Stdio::Inherit, Vec::new())?.wait()
}

/// Steps whose absence is no loss of what was asked for.
fn is_harmless(plan: &Plan, index: usize) -> bool {
    match &plan.steps[index].action {
        // Of descriptors, keys and signals nothing is compared; of directories the second try is enough.
        Action::ResetSignals
        | Action::NewKeyring
        | Action::CloseDescriptors
        | Action::OwnStreams(_)
        // Detached mounts are never seen by others, nor are the links.
        | Action::Propagation { .. }
        | Action::Link { .. }
        | Action::MakeDirectory(_)
        // The comparison itself.
        | Action::VerifyFiles
        | Action::VerifyProcess
        | Action::VerifyFilter(_)
        | Action::RaiseCapabilities
        | Action::ChangeDirectory { .. } => true,
        // Where only one user is mapped, the process is that user from the start.
        Action::KeepCapabilities | Action::SetGid(_) | Action::SetUid(_) => !harness::is_root(),
        // A path that this kernel does not have.
        Action::Mask(target) | Action::ReadOnlyPath(target) => {
            !std::path::Path::new(&*target.path.to_string_lossy()).exists()
        }
        _ => false,
    }
}

fn refuses_any_gap(no_new_privs: bool) {
    let Some(mut bed) = elaborate(no_new_privs) else { return };
    let whole = plan(&mut bed);
    assert_eq!(run(&whole).expect("the whole plan starts"), Exit::Code(0), "{whole}");
    let mut compared = 0;
    for index in 0..whole.steps.len() {
        if is_harmless(&whole, index) {
            continue;
        }
        let mut gap = plan(&mut bed);
        let left_out = gap.steps.remove(index);
        match run(&gap) {
            Err(StartError::Mismatch { .. }) => compared += 1,
            // A later step needs it.
            Err(StartError::Step { .. }) => {}
            other => panic!("without {left_out:?}: {other:?}"),
        }
    }
    assert!(compared > 20, "only {compared} steps were missed by the comparison");
}

#[test]
fn a_plan_with_any_step_left_out_is_refused() {
    refuses_any_gap(true);
}

#[test]
fn a_plan_with_any_step_left_out_is_refused_without_no_new_privs_too() {
    if !harness::is_root() {
        println!("skipped: not root");
        return;
    }
    refuses_any_gap(false);
}

#[test]
fn a_namespace_that_was_not_made_is_refused() {
    let Some(mut bed) = elaborate(true) else { return };
    for kind in super::facts::Kind::ALL {
        let mut gap = plan(&mut bed);
        if gap.keeper.container & kind.flag() == 0 || kind == super::facts::Kind::Mount {
            continue; // Without a mount namespace the launcher's own mounts would be changed.
        }
        gap.keeper.container &= !kind.flag();
        // Names are the launcher's own there.
        gap.steps.retain(|step| !matches!(step.action, Action::Hostname(_) | Action::Domainname(_)));
        let refused = run(&gap);
        assert!(matches!(refused, Err(StartError::Mismatch { .. } | StartError::Step { .. })), "{kind:?}: {refused:?}");
    }
}

#[test]
fn the_launcher_itself_is_left_as_it_was() {
    let Some(mut bed) = elaborate(true) else { return };
    let state = || {
        let status = std::fs::read_to_string("/proc/thread-self/status").expect("status");
        let kept = ["Uid", "Gid", "Groups", "Umask", "Cap", "NoNewPrivs", "Seccomp", "SigB", "SigI", "SigC"];
        let status: Vec<String> =
            status.lines().filter(|line| kept.iter().any(|name| line.starts_with(name))).map(str::to_owned).collect();
        let mounts = std::fs::read_to_string("/proc/thread-self/mountinfo").expect("mountinfo");
        (status, mounts, getrlimit(rustix::process::Resource::Nofile), std::env::current_dir().ok())
    };
    let before = state();
    run(&plan(&mut bed)).expect("a start");
    assert_eq!(before, state());
}
