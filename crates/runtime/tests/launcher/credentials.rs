//! User, groups, capabilities, no_new_privs and seccomp, as /proc/self/status shows them inside.

use std::os::unix::fs::PermissionsExt;

use oci_spec::runtime::{
    Capability, LinuxSeccomp, LinuxSeccompAction, LinuxSyscallBuilder, PosixRlimitBuilder, PosixRlimitType,
};

use crate::harness::{Bed, default_capabilities, is_root};
use crate::inside;

const STATUS: &str = "cat /proc/self/status";

#[test]
fn the_user_and_groups_are_those_of_the_spec() {
    let Some(mut bed) = Bed::new() else { return };
    if !is_root() {
        println!("skipped: not root");
        return;
    }
    bed.user(1000, 3000, &[2000, 70_000]);
    let seen = bed.sh(STATUS).expect("a start");
    assert_eq!(seen.status("Uid"), "1000 1000 1000 1000");
    assert_eq!(seen.status("Gid"), "3000 3000 3000 3000");
    assert_eq!(seen.status("Groups"), "2000 70000");
}

#[test]
fn a_supplementary_group_of_the_caller_does_not_leak() {
    let Some(mut bed) = Bed::new() else { return };
    if !is_root() {
        println!("skipped: not root");
        return;
    }
    // Of this thread alone.
    rustix::thread::set_thread_groups(&[rustix::process::Gid::from_raw(4242)]).expect("groups");
    bed.user(1000, 1000, &[]);
    assert_eq!(bed.sh(STATUS).expect("a start").status("Groups"), "");
    bed.own_user_namespace(0).user(0, 0, &[]);
    assert_eq!(bed.sh(STATUS).expect("a start").status("Groups"), "");
}

#[test]
fn a_user_keeps_no_capabilities_but_the_bounding_set() {
    let Some(mut bed) = Bed::new() else { return };
    if !is_root() {
        println!("skipped: not root");
        return;
    }
    bed.capabilities(&default_capabilities()).user(1000, 1000, &[]);
    let seen = bed.sh(STATUS).expect("a start");
    assert_eq!(seen.status("CapBnd"), "00000000a80425fb");
    for empty in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(seen.status(empty), "0000000000000000", "{empty}");
    }
    bed.user(0, 0, &[]);
    let seen = bed.sh(STATUS).expect("a start");
    assert_eq!((seen.status("CapPrm"), seen.status("CapEff")), ("00000000a80425fb".into(), "00000000a80425fb".into()));
}

#[test]
fn ambient_capabilities_reach_a_user() {
    let Some(mut bed) = Bed::new() else { return };
    if !is_root() {
        println!("skipped: not root");
        return;
    }
    let set: oci_spec::runtime::Capabilities = [Capability::NetBindService].into_iter().collect();
    bed.capabilities(&set).user(1000, 1000, &[]);
    let mut sets = bed.process().capabilities().clone().expect("capabilities");
    sets.set_inheritable(Some(set.clone())).set_ambient(Some(set));
    bed.process().set_capabilities(Some(sets));
    let seen = bed.sh(STATUS).expect("a start");
    assert_eq!((seen.status("CapAmb"), seen.status("CapEff")), ("0000000000000400".into(), "0000000000000400".into()));
}

#[test]
fn dropped_bounding_capabilities_stay_dropped_for_a_setuid_binary() {
    let Some(mut bed) = Bed::new() else { return };
    if !is_root() {
        println!("skipped: not root");
        return;
    }
    let program = inside::install(&bed, "setuid");
    std::fs::set_permissions(bed.root().join("bin/setuid"), std::fs::Permissions::from_mode(0o4755)).expect("a mode");
    bed.capabilities(&[Capability::Kill, Capability::Chown].into_iter().collect()).user(1000, 1000, &[]);
    let args = inside::args("print_status");
    let command: Vec<&str> = std::iter::once(program.as_str()).chain(args.iter().map(String::as_str)).collect();
    let seen = bed.run(&command).expect("a start");
    assert_eq!(seen.status("Uid"), "1000 0 0 0", "the setuid bit works");
    assert_eq!(seen.status("CapEff"), "0000000000000021");

    bed.process().set_no_new_privileges(Some(true));
    let seen = bed.run(&command).expect("a start");
    assert_eq!((seen.status("Uid"), seen.status("NoNewPrivs")), ("1000 1000 1000 1000".into(), "1".into()));
    assert_eq!(seen.status("CapEff"), "0000000000000000");
}

fn filter(action: LinuxSeccompAction, names: &[&str]) -> LinuxSeccomp {
    let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let rule = LinuxSyscallBuilder::default().names(names).action(action).build().expect("a rule");
    let mut seccomp = LinuxSeccomp::default();
    seccomp.set_default_action(LinuxSeccompAction::ScmpActAllow).set_architectures(None).set_syscalls(Some(vec![rule]));
    seccomp
}

#[test]
fn a_seccomp_filter_applies_with_and_without_no_new_privs() {
    let Some(mut bed) = Bed::new() else { return };
    bed.linux().set_seccomp(Some(filter(LinuxSeccompAction::ScmpActErrno, &["mkdir", "mkdirat"])));
    for no_new_privs in [true, false] {
        bed.process().set_no_new_privileges(Some(no_new_privs));
        let seen = bed.sh("cat /proc/self/status; mkdir /tmp/x || echo refused").expect("a start");
        assert_eq!(
            (seen.status("Seccomp"), seen.status("NoNewPrivs")),
            ("2".into(), u8::from(no_new_privs).to_string())
        );
        assert!(seen.out.contains("refused"), "{seen:?}");
    }
}

#[test]
fn a_filter_that_forbids_to_read_is_started_and_proven_by_its_refusal() {
    let Some(mut bed) = Bed::new() else { return };
    bed.process().set_no_new_privileges(Some(true));
    bed.linux().set_seccomp(Some(filter(LinuxSeccompAction::ScmpActErrno, &["read"])));
    let seen = bed.run(&["/bin/cat", "/proc/self/status"]).expect("a start");
    assert!(seen.out.contains("Operation not permitted"), "{seen:?}");
    bed.linux().set_seccomp(Some(filter(LinuxSeccompAction::ScmpActKillProcess, &["read"])));
    let seen = bed.run(&["/bin/cat", "/proc/self/status"]).expect("a start");
    assert_eq!(seen.exit, ringfence_runtime::engine::Exit::Signal(31), "SIGSYS of the command itself");
}

#[test]
fn a_filter_that_forbids_to_report_cannot_hide_a_failed_exec() {
    let Some(mut bed) = Bed::new() else { return };
    bed.process().set_no_new_privileges(Some(true));
    bed.linux().set_seccomp(Some(filter(LinuxSeccompAction::ScmpActErrno, &["write", "writev", "sendto"])));
    let refused = bed.run(&["/bin/nothing"]);
    assert!(matches!(refused, Err(ringfence_runtime::engine::StartError::Exec { .. })), "{refused:?}");
}

#[test]
fn limits_and_the_file_mode_mask_are_set() {
    let Some(mut bed) = Bed::new() else { return };
    let limit = PosixRlimitBuilder::default().typ(PosixRlimitType::RlimitNofile).soft(40_u64).hard(50_u64).build();
    bed.process().set_rlimits(Some(vec![limit.expect("a limit")]));
    bed.process().user_mut().set_umask(Some(0o027));
    let seen = bed.sh("ulimit -Sn; ulimit -Hn; umask").expect("a start");
    assert_eq!(seen.out, "40\n50\n0027\n");
}

#[test]
fn signals_are_at_their_defaults() {
    let Some(mut bed) = Bed::new() else { return };
    // This process ignores SIGPIPE, as every Rust program does.
    let seen = bed.run(&["/bin/cat", "/proc/self/status"]).expect("a start");
    assert_eq!((seen.status("SigIgn"), seen.status("SigBlk")), ("0000000000000000".into(), "0000000000000000".into()));
}
